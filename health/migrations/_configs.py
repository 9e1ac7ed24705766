"""The tables of health configs, of what they would have foreseen, and of pulses."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="HealthConfig",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=120)),
            ("is_default", models.BooleanField(default=False, editable=False)),
            ("position", models.PositiveIntegerField(default=0, editable=False)),
            ("active", models.BooleanField(default=True)),
            ("definition", models.JSONField(default=dict)),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
            ("problems", models.JSONField(default=dict, editable=False)),
            ("scored_at", models.DateTimeField(editable=False, null=True)),
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
                "segment",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="health_config",
                    to="segments.segment",
                ),
            ),
            ("held", models.TextField(blank=True, editable=False)),
        ],
        options={
            "ordering": ("is_default", "position", "id"),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("is_default", True)), fields=("is_default",), name="one_default_health_config"
                ),
                models.CheckConstraint(
                    condition=models.Q(("is_default", True), ("segment__isnull", False), _connector="XOR"),
                    name="default_health_config_has_no_segment",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="HealthConfigVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("definition", models.JSONField()),
            ("reason", models.CharField(blank=True, max_length=255)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "config",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="health.healthconfig",
                ),
            ),
        ],
        options={
            "ordering": ("-number",),
            "constraints": [models.UniqueConstraint(fields=("config", "number"), name="health_config_version_unique")],
        },
    ),
    migrations.CreateModel(
        name="ScoringRequest",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField(auto_now_add=True)),
            (
                "redefined",
                models.BooleanField(db_default=False, default=False, help_text="A changed definition is the reason."),
            ),
        ],
        options={
            "ordering": ("id",),
        },
    ),
    migrations.CreateModel(
        name="BackTest",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("claim", models.CharField(blank=True, max_length=32)),
            ("beat_at", models.DateTimeField(null=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("error", models.TextField(blank=True)),
            ("name", models.CharField(help_text="The config's name at the time.", max_length=120)),
            ("definition", models.JSONField()),
            ("version", models.PositiveIntegerField(null=True)),
            ("against", models.JSONField(null=True)),
            ("against_version", models.PositiveIntegerField(null=True)),
            ("first_day", models.DateField()),
            ("last_day", models.DateField()),
            ("step_days", models.PositiveSmallIntegerField(default=7)),
            ("cancelled", models.BooleanField(default=True)),
            ("silent_days", models.PositiveSmallIntegerField(blank=True, null=True)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("running", "Running"),
                        ("done", "Done"),
                        ("cancelled", "Cancelled"),
                        ("failed", "Failed"),
                    ],
                    default="running",
                    max_length=10,
                ),
            ),
            ("steps", models.PositiveIntegerField()),
            ("done", models.PositiveIntegerField(default=0)),
            ("problems", models.JSONField(default=dict)),
            ("report", models.JSONField(default=dict)),
            ("started_at", models.DateTimeField(null=True)),
            ("finished_at", models.DateTimeField(null=True)),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "config",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="back_tests",
                    to="health.healthconfig",
                ),
            ),
            ("against_name", models.CharField(blank=True, max_length=120)),
            ("is_new", models.BooleanField(default=False)),
            ("of_segment", models.CharField(blank=True, help_text="The segment's name at the time.", max_length=120)),
            (
                "segment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.segment",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(condition=models.Q(("state", "running")), fields=["next_attempt_at"], name="back_test_due")
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("first_day__lte", models.F("last_day"))), name="back_test_ends_after_start"
                ),
                models.CheckConstraint(
                    condition=models.Q(("cancelled", True), ("silent_days__isnull", False), _connector="OR"),
                    name="back_test_knows_churn",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="BackTestDay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            (
                "accounts",
                django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
            ),
            ("letters", models.TextField(blank=True)),
            ("against", models.TextField(blank=True)),
            (
                "test",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="bands",
                    to="health.backtest",
                ),
            ),
        ],
        options={
            "ordering": ("day",),
            "constraints": [models.UniqueConstraint(fields=("test", "day"), name="one_back_test_row_per_day")],
        },
    ),
    migrations.CreateModel(
        name="Pulse",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "value",
                models.PositiveSmallIntegerField(
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(5),
                    ]
                ),
            ),
            ("note", models.CharField(blank=True, max_length=255)),
            ("at", models.DateTimeField()),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="pulses",
                    to="accounts.account",
                ),
            ),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "verbose_name_plural": "pulses",
            "ordering": ("-at",),
            "indexes": [models.Index(fields=["account", "-at"], name="newest_pulse")],
            "constraints": [
                models.CheckConstraint(condition=models.Q(("value__range", (1, 5))), name="pulse_from_1_to_5")
            ],
        },
    ),
]
