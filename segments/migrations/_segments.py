"""The tables of segments, their refreshes and what held these, and of rules of levels."""

import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Segment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "key",
                models.SlugField(
                    help_text="Names the segment in rules, links and the API.", max_length=80, unique=True
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("description", models.TextField(blank=True, max_length=2000)),
            (
                "subject",
                models.CharField(choices=[("account", "Accounts"), ("user", "Users")], default="account", max_length=8),
            ),
            ("visible", models.BooleanField(default=True, verbose_name="shown on Accounts 360 and Subscription 360")),
            ("active", models.BooleanField(default=True)),
            ("internal", models.BooleanField(default=False, editable=False)),
            ("position", models.PositiveIntegerField(default=0)),
            ("rule", models.JSONField(default=dict)),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
            ("requested_rev", models.PositiveBigIntegerField(default=0, editable=False)),
            ("live_rev", models.PositiveBigIntegerField(default=0, editable=False)),
            ("live_version", models.PositiveIntegerField(default=0, editable=False)),
            (
                "error",
                models.TextField(
                    blank=True, editable=False, help_text="Why the segment is frozen; empty if it is not."
                ),
            ),
            ("refreshed_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ("member_count", models.PositiveIntegerField(default=0, editable=False)),
            ("contract_value", models.DecimalField(decimal_places=2, default=0, editable=False, max_digits=24)),
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
            (
                "held",
                models.CharField(
                    blank=True,
                    db_default="",
                    default="",
                    editable=False,
                    help_text="Why its members wait for data.",
                    max_length=300,
                ),
            ),
        ],
        options={
            "ordering": ("position", "id"),
            "base_manager_name": "everything",
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("internal", False)), fields=("name_folded",), name="segment_name_unique"
                ),
                models.CheckConstraint(
                    condition=models.Q(("live_rev__lte", models.F("requested_rev"))), name="segment_live_not_ahead"
                ),
                models.CheckConstraint(
                    condition=models.Q(("subject__in", ["account", "user"])), name="segment_subject_known"
                ),
            ],
        },
        managers=[
            ("objects", django.db.models.manager.Manager()),
            ("everything", django.db.models.manager.Manager()),
        ],
    ),
    migrations.CreateModel(
        name="SegmentVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("rule", models.JSONField()),
            ("words", models.TextField(help_text="The rule in plain English, at the time.")),
            ("reason", models.CharField(blank=True, max_length=255)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="segment_versions",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="segments.segment",
                ),
            ),
        ],
        options={
            "ordering": ("-number",),
            "constraints": [models.UniqueConstraint(fields=("segment", "number"), name="segment_version_unique")],
        },
    ),
    migrations.CreateModel(
        name="RefreshRun",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "trigger",
                models.CharField(
                    choices=[("daily", "Daily"), ("save", "Save"), ("data", "New data"), ("hand", "By hand")],
                    max_length=8,
                ),
            ),
            (
                "state",
                models.CharField(
                    choices=[("running", "Running"), ("done", "Done"), ("failed", "Done with errors")],
                    default="running",
                    max_length=8,
                ),
            ),
            ("now", models.DateTimeField(help_text="The moment that every condition of the run means.")),
            ("started_at", models.DateTimeField(auto_now_add=True)),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            ("total", models.PositiveIntegerField(default=0, help_text="Segments to refresh.")),
            ("done", models.PositiveIntegerField(default=0)),
            ("joined", models.PositiveIntegerField(default=0)),
            ("left", models.PositiveIntegerField(default=0)),
            (
                "held",
                models.PositiveIntegerField(
                    db_default=0, default=0, help_text="Segments that kept their members for a silent feed."
                ),
            ),
            (
                "accounts",
                models.PositiveIntegerField(help_text="Accounts that were looked at; empty means all.", null=True),
            ),
        ],
        options={
            "ordering": ("-id",),
        },
    ),
    migrations.CreateModel(
        name="SegmentRefresh",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("version", models.PositiveIntegerField()),
            (
                "new_definition",
                models.BooleanField(default=False, help_text="Joins and leaves come from a changed rule."),
            ),
            ("joined", models.PositiveIntegerField(default=0)),
            ("left", models.PositiveIntegerField(default=0)),
            ("members", models.PositiveIntegerField(default=0)),
            ("duration_ms", models.FloatField(default=0)),
            ("error", models.TextField(blank=True)),
            ("at", models.DateTimeField(auto_now_add=True)),
            (
                "run",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="refreshes", to="segments.refreshrun"
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="refreshes",
                    to="segments.segment",
                ),
            ),
            (
                "held",
                models.CharField(
                    blank=True,
                    db_default="",
                    default="",
                    help_text="Why the members were left as they were.",
                    max_length=300,
                ),
            ),
        ],
        options={
            "verbose_name_plural": "segment refreshes",
            "ordering": ("-id",),
            "indexes": [models.Index(fields=["segment", "at"], name="refresh_of_segment")],
        },
    ),
    migrations.CreateModel(
        name="LevelRule",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("rule", models.JSONField(blank=True, default=dict)),
            ("active", models.BooleanField(default=True)),
            ("error", models.CharField(blank=True, editable=False, max_length=500)),
            ("decided_at", models.DateTimeField(editable=False, null=True)),
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
            (
                "level",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="rule", to="accounts.accountlevel"
                ),
            ),
            (
                "held",
                models.CharField(
                    blank=True,
                    db_default="",
                    default="",
                    editable=False,
                    help_text="Why the rule waits for data.",
                    max_length=300,
                ),
            ),
        ],
        options={
            "ordering": ("level__position", "level__key"),
        },
    ),
    migrations.CreateModel(
        name="HoldNotice",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("segments", models.JSONField(default=list)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("seen_at", models.DateTimeField(null=True)),
            (
                "silence",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="usage.feedsilence"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "constraints": [models.UniqueConstraint(fields=("user", "silence"), name="one_notice_of_silence_and_user")],
        },
    ),
]
