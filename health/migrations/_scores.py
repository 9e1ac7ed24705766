"""The tables of health scores and overrides."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="AccountHealth",
        fields=[
            ("version", models.PositiveIntegerField(default=0)),
            ("score", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            (
                "band",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    default="none",
                    max_length=8,
                ),
            ),
            ("coverage", models.DecimalField(decimal_places=1, default=0, max_digits=4)),
            ("dimensions", models.JSONField(default=dict)),
            (
                "measures",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.DecimalField(decimal_places=1, max_digits=4, null=True), default=list, size=None
                ),
            ),
            (
                "values",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.DecimalField(decimal_places=6, max_digits=30, null=True), default=list, size=None
                ),
            ),
            (
                "account",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="health",
                    serialize=False,
                    to="accounts.account",
                ),
            ),
            (
                "computed_band",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    default="none",
                    max_length=8,
                ),
            ),
            ("overridden", models.BooleanField(default=False)),
            ("band_since", models.DateTimeField()),
            ("score_7d", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            ("score_30d", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            ("score_90d", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            (
                "config",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="health.healthconfig",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "account health",
            "indexes": [
                models.Index(fields=["band", "account"], name="health_by_band"),
                models.Index(condition=models.Q(("score__isnull", False)), fields=["score"], name="health_by_score"),
                models.Index(
                    fields=["account"],
                    include=("config", "band", "band_since", "score", "score_7d", "score_30d", "score_90d"),
                    name="health_in_figures",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="HealthDay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("version", models.PositiveIntegerField(default=0)),
            ("score", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            (
                "band",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    default="none",
                    max_length=8,
                ),
            ),
            ("coverage", models.DecimalField(decimal_places=1, default=0, max_digits=4)),
            ("dimensions", models.JSONField(default=dict)),
            (
                "measures",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.DecimalField(decimal_places=1, max_digits=4, null=True), default=list, size=None
                ),
            ),
            (
                "values",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.DecimalField(decimal_places=6, max_digits=30, null=True), default=list, size=None
                ),
            ),
            ("day", models.DateField()),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="health_days",
                    to="accounts.account",
                ),
            ),
            (
                "config",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="health.healthconfig",
                ),
            ),
        ],
        options={
            "ordering": ("-day",),
            "constraints": [
                models.UniqueConstraint(fields=("account", "day"), name="one_health_row_per_account_and_day")
            ],
        },
    ),
    migrations.CreateModel(
        name="BandChange",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField()),
            (
                "before",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    max_length=8,
                ),
            ),
            (
                "after",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    max_length=8,
                ),
            ),
            ("score_before", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            ("score_after", models.DecimalField(decimal_places=1, max_digits=4, null=True)),
            ("version", models.PositiveIntegerField(default=0)),
            (
                "cause",
                models.CharField(
                    choices=[
                        ("first", "First score"),
                        ("data", "New data"),
                        ("time", "Time"),
                        ("version", "New version of the config"),
                        ("config", "Another config"),
                        ("override", "By hand"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="band_changes",
                    to="accounts.account",
                ),
            ),
            (
                "config",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="health.healthconfig",
                ),
            ),
        ],
        options={
            "ordering": ("-at", "-id"),
            "indexes": [
                models.Index(fields=["account", "-at"], name="band_changes_of_account"),
                models.Index(fields=["at"], name="band_changes_by_time"),
            ],
        },
    ),
    migrations.CreateModel(
        name="HealthMix",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("good", models.PositiveIntegerField(default=0)),
            ("average", models.PositiveIntegerField(default=0)),
            ("poor", models.PositiveIntegerField(default=0)),
            ("none", models.PositiveIntegerField(default=0)),
            ("scored", models.PositiveIntegerField(default=0, help_text="How many had a score.")),
            (
                "score",
                models.DecimalField(decimal_places=1, default=0, help_text="The sum of their scores.", max_digits=14),
            ),
            (
                "config",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="health.healthconfig",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="segments.segment",
                ),
            ),
            (
                "average_mrr",
                models.DecimalField(decimal_places=2, max_digits=20, null=True, verbose_name="MRR at Average"),
            ),
            ("good_mrr", models.DecimalField(decimal_places=2, max_digits=20, null=True, verbose_name="MRR at Good")),
            (
                "none_mrr",
                models.DecimalField(decimal_places=2, max_digits=20, null=True, verbose_name="MRR not scored"),
            ),
            ("poor_mrr", models.DecimalField(decimal_places=2, max_digits=20, null=True, verbose_name="MRR at Poor")),
        ],
        options={
            "verbose_name_plural": "health mixes",
            "ordering": ("-day",),
            "constraints": [
                models.UniqueConstraint(
                    fields=("segment", "config", "day"), name="one_health_mix_a_day", nulls_distinct=False
                ),
                models.CheckConstraint(
                    condition=models.Q(("segment__isnull", True), ("config__isnull", True), _connector="OR"),
                    name="health_mix_of_one_thing",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="HealthOverride",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "band",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    max_length=8,
                ),
            ),
            ("reason", models.CharField(max_length=255)),
            ("until", models.DateField(blank=True, null=True, verbose_name="last day")),
            (
                "computed_band",
                models.CharField(
                    choices=[("good", "Good"), ("average", "Average"), ("poor", "Poor"), ("none", "Not scored")],
                    default="none",
                    editable=False,
                    max_length=8,
                ),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("ended_at", models.DateTimeField(blank=True, editable=False, null=True)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="health_overrides",
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
            "ordering": ("-id",),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)), fields=("account",), name="one_open_health_override"
                ),
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True), name="health_override_has_reason"
                ),
                models.CheckConstraint(
                    condition=models.Q(("band", "none"), _negated=True), name="health_override_is_a_band"
                ),
            ],
            "indexes": [models.Index(fields=["account", "-id"], name="overrides_of_account")],
        },
    ),
]
