"""The tables of sources, their messages and visitors."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Source",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "key",
                models.SlugField(
                    editable=False,
                    help_text="Named as the origin of values and events; never changes.",
                    max_length=60,
                    unique=True,
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("disabled_at", models.DateTimeField(blank=True, null=True)),
            (
                "new_attributes",
                models.BooleanField(
                    default=True,
                    help_text="A trait that is not known yet becomes a custom attribute.",
                    verbose_name="define new attributes",
                ),
            ),
            (
                "group_type",
                models.SlugField(
                    default="company",
                    help_text="Which PostHog group is the account.",
                    max_length=60,
                    verbose_name="PostHog group type",
                ),
            ),
            (
                "created_by",
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
            "ordering": ("name_folded", "id"),
        },
    ),
    migrations.CreateModel(
        name="WriteKey",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "digest",
                models.CharField(editable=False, help_text="SHA-256 of the key, in hex.", max_length=64, unique=True),
            ),
            ("hint", models.CharField(editable=False, help_text="The last four characters of the key.", max_length=4)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "valid_until",
                models.DateTimeField(blank=True, help_text="Empty for a key that does not run out.", null=True),
            ),
            (
                "source",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="write_keys", to="integrations.source"
                ),
            ),
        ],
        options={
            "ordering": ("-created_at", "-id"),
        },
    ),
    migrations.CreateModel(
        name="SourceTally",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField()),
            ("stored", models.PositiveIntegerField(default=0)),
            ("no_account", models.PositiveIntegerField(default=0)),
            ("duplicate", models.PositiveIntegerField(default=0)),
            ("dropped", models.PositiveIntegerField(default=0)),
            ("failed", models.PositiveIntegerField(default=0)),
            ("summed", models.BooleanField(default=False)),
            (
                "source",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tallies",
                    to="integrations.source",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "source tallies",
            "ordering": ("-at",),
            "indexes": [
                models.Index(fields=["source", "at"], name="tally_of_source"),
                models.Index(condition=models.Q(("summed", False)), fields=["at"], name="tally_to_sum"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Message",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("received_at", models.DateTimeField()),
            ("at", models.DateTimeField(help_text="The sender's time, corrected by its clock.", null=True)),
            ("kind", models.CharField(max_length=20)),
            ("name", models.CharField(blank=True, help_text="The event, page or screen.", max_length=255)),
            ("user_ref", models.CharField(blank=True, max_length=255, verbose_name="user")),
            ("account_ref", models.CharField(blank=True, max_length=255, verbose_name="account")),
            ("message_id", models.CharField(max_length=255)),
            (
                "outcome",
                models.CharField(
                    choices=[
                        ("stored", "Stored"),
                        ("no_account", "No account"),
                        ("duplicate", "Duplicate"),
                        ("dropped", "Dropped"),
                        ("failed", "Set aside"),
                    ],
                    max_length=10,
                ),
            ),
            ("reason", models.TextField(blank=True)),
            ("payload", models.TextField(help_text="The message in JSON as it came, at most 32 KiB of it.")),
            (
                "source",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="messages",
                    to="integrations.source",
                ),
            ),
            ("said", models.TextField(blank=True, db_default="", default="", editable=False)),
            (
                "inferred",
                models.BooleanField(
                    db_default=False,
                    default=False,
                    help_text="The sender named no account; the person’s own was filled in.",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(fields=["source", "-id"], name="message_of_source"),
                models.Index(
                    condition=models.Q(("outcome__in", ["dropped", "failed"])), fields=["-id"], name="message_not_taken"
                ),
                django.contrib.postgres.indexes.HashIndex(fields=["message_id"], name="message_of_id"),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("outcome__in", ["stored", "no_account", "duplicate", "dropped", "failed"])),
                    name="message_outcome_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Identity",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=255, unique=True)),
            (
                "former",
                models.BooleanField(
                    default=False, help_text="An alias call gave it up: it means the user as a userId too."
                ),
            ),
            ("linked_at", models.DateTimeField(null=True)),
            ("facts", models.JSONField(default=list)),
            (
                "user",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="identities",
                    to="accounts.enduser",
                ),
            ),
            ("behind", models.BooleanField(db_default=False, default=False, editable=False)),
        ],
        options={
            "verbose_name_plural": "identities",
            "ordering": ("name",),
            "indexes": [models.Index(condition=models.Q(("behind", True)), fields=["id"], name="identity_behind")],
        },
    ),
    migrations.CreateModel(
        name="VisitorLink",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField()),
            (
                "identity",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="links",
                    to="integrations.identity",
                ),
            ),
            (
                "user",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"),
            ),
        ],
        options={
            "ordering": ("at", "id"),
            "constraints": [models.UniqueConstraint(fields=("identity", "user"), name="one_link_of_visitor_and_user")],
        },
    ),
    migrations.CreateModel(
        name="UserMerge",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("source", models.CharField(help_text="The source that said so.", max_length=80)),
            (
                "into",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"),
            ),
            (
                "old",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("old", models.F("into")), _negated=True), name="user_merges_into_another"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="PendingEvent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("account_id", models.BigIntegerField(help_text="The account that the event has already.", null=True)),
            ("at", models.DateTimeField()),
            ("source", models.CharField(max_length=80)),
            ("message_id", models.CharField(max_length=255)),
            (
                "identity",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="integrations.identity",
                ),
            ),
            ("inferred", models.BooleanField(default=False, help_text="The event named no account.")),
            ("user_id", models.BigIntegerField(help_text="The user whom the event was given.", null=True)),
            (
                "former",
                models.BooleanField(
                    db_default=False,
                    default=False,
                    help_text="It named the id as a userId, which an alias call gave up.",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [models.Index(fields=["identity", "id"], name="pending_of_identity")],
        },
    ),
]
