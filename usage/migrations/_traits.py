"""The tables of computed traits and of the rhythm of sources."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Trait",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "subject",
                models.CharField(choices=[("account", "Account"), ("user", "User")], default="account", max_length=8),
            ),
            (
                "key",
                models.CharField(
                    help_text="Used in rules and the API; never changes.",
                    max_length=60,
                    validators=[
                        django.core.validators.RegexValidator(
                            "^[a-z][a-z0-9_]*$", "Use small letters, digits and _, beginning with a letter."
                        )
                    ],
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("description", models.CharField(blank=True, max_length=255)),
            ("method", models.CharField(max_length=20)),
            ("definition", models.JSONField(blank=True, default=dict)),
            ("kind", models.CharField(editable=False, max_length=10)),
            ("active", models.BooleanField(default=True)),
            ("computed_at", models.DateTimeField(editable=False, null=True)),
            ("duration_ms", models.FloatField(editable=False, null=True)),
            ("values_count", models.PositiveIntegerField(default=0, editable=False)),
            ("error", models.CharField(blank=True, editable=False, max_length=500)),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "ordering": ("subject", "name_folded", "id"),
            "constraints": [
                models.UniqueConstraint(fields=("subject", "key"), name="trait_key_unique"),
                models.UniqueConstraint(fields=("subject", "name_folded"), name="trait_name_unique"),
                models.CheckConstraint(
                    condition=models.Q(models.Q(("key", ""), _negated=True), models.Q(("name", ""), _negated=True)),
                    name="trait_is_named",
                ),
                models.CheckConstraint(
                    condition=models.Q(("subject__in", ["account", "user"])), name="trait_subject_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AccountTraits",
        fields=[
            (
                "account",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="traits",
                    serialize=False,
                    to="accounts.account",
                ),
            ),
            ("shown", models.JSONField(default=dict)),
            ("folded", models.JSONField(default=dict)),
        ],
        options={
            "verbose_name_plural": "account traits",
        },
    ),
    migrations.CreateModel(
        name="UserTraits",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("shown", models.JSONField(default=dict)),
            ("folded", models.JSONField(default=dict)),
            (
                "account",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "user",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"),
            ),
        ],
        options={
            "verbose_name_plural": "user traits",
            "constraints": [
                models.UniqueConstraint(fields=("account", "user"), name="one_traits_row_per_user_and_account")
            ],
        },
    ),
    migrations.CreateModel(
        name="TraitDay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("figures", models.JSONField(default=dict)),
            (
                "account",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
        ],
        options={
            "ordering": ("-day",),
            "constraints": [
                models.UniqueConstraint(fields=("account", "day"), name="one_trait_row_per_account_and_day")
            ],
        },
    ),
    migrations.CreateModel(
        name="Feed",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("source", models.CharField(max_length=80, unique=True)),
            ("first_at", models.DateTimeField()),
            ("last_at", models.DateTimeField()),
            ("rhythm", models.CharField(blank=True, max_length=200)),
            ("judged_at", models.DateTimeField(null=True)),
        ],
        options={
            "ordering": ("source",),
        },
    ),
    migrations.CreateModel(
        name="FeedArrival",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("source", models.CharField(max_length=80)),
            ("name_id", models.SmallIntegerField()),
            ("at", models.DateTimeField()),
            ("count", models.PositiveIntegerField()),
        ],
        options={
            "ordering": ("id",),
        },
    ),
    migrations.CreateModel(
        name="FeedEvent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name_id", models.SmallIntegerField()),
            ("last_at", models.DateTimeField()),
            (
                "feed",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="events", to="usage.feed"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [models.UniqueConstraint(fields=("feed", "name_id"), name="one_time_of_feed_and_event")],
        },
    ),
    migrations.CreateModel(
        name="FeedHour",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("hour", models.DateTimeField()),
            ("count", models.PositiveBigIntegerField()),
            (
                "feed",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="hours", to="usage.feed"
                ),
            ),
        ],
        options={
            "ordering": ("hour",),
            "constraints": [models.UniqueConstraint(fields=("feed", "hour"), name="one_count_of_feed_and_hour")],
        },
    ),
    migrations.CreateModel(
        name="FeedSilence",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("since", models.DateTimeField(help_text="The last thing that came.")),
            ("noticed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("ended_at", models.DateTimeField(null=True)),
            ("settles_at", models.DateTimeField(null=True)),
            ("released_at", models.DateTimeField(null=True)),
            ("released_by", models.CharField(blank=True, max_length=150)),
            ("told_at", models.DateTimeField(null=True)),
            (
                "feed",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="silences",
                    to="usage.feed",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("released_at__isnull", True)), fields=["feed"], name="silence_that_holds"
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)), fields=("feed",), name="one_open_silence"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ended_at__isnull", True), ("ended_at__gte", models.F("since")), _connector="OR"
                    ),
                    name="silence_ends_after_start",
                ),
            ],
        },
    ),
]
