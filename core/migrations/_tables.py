"""The tables of the workspace, its daily work, and the API."""

import datetime

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import core.models

TABLES = [
    migrations.CreateModel(
        name="Workspace",
        fields=[
            ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
            ("name", models.CharField(default="csbox", max_length=120)),
            (
                "currency",
                models.CharField(
                    default="USD",
                    help_text="ISO 4217 code; money is compared in it.",
                    max_length=3,
                    validators=[core.models.validate_currency],
                ),
            ),
            (
                "time_zone",
                models.CharField(
                    default="UTC",
                    help_text="Decides where a day begins.",
                    max_length=64,
                    validators=[core.models.validate_time_zone],
                ),
            ),
            (
                "refresh_at",
                models.TimeField(default=datetime.time(0, 10), help_text="Local time of the daily refresh."),
            ),
            (
                "csm_reach",
                models.CharField(
                    choices=[("all", "Every account"), ("own", "Own and unassigned accounts")],
                    default="all",
                    max_length=8,
                ),
            ),
            (
                "work_days",
                models.CharField(
                    db_default="MO,TU,WE,TH,FR",
                    default="MO,TU,WE,TH,FR",
                    help_text="The days on which people work, as in MO,TU,WE,TH,FR. “In 3 working days” counts these.",
                    max_length=20,
                    validators=[core.models.validate_work_days],
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(condition=models.Q(("id", 1)), name="one_workspace"),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="workspace_currency_is_a_code"
                ),
                models.CheckConstraint(
                    condition=models.Q(("csm_reach__in", ["all", "own"])), name="workspace_reach_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="DailyJob",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=40)),
            ("local_date", models.DateField()),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("started_at", models.DateTimeField(null=True)),
            ("finished_at", models.DateTimeField(null=True)),
        ],
        options={
            "ordering": ("-local_date", "name"),
            "constraints": [models.UniqueConstraint(fields=("name", "local_date"), name="one_job_per_local_date")],
        },
    ),
    migrations.CreateModel(
        name="WakeUp",
        fields=[
            ("task", models.CharField(max_length=120, primary_key=True, serialize=False)),
            ("at", models.DateTimeField()),
        ],
    ),
    migrations.CreateModel(
        name="IdempotentAnswer",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=255)),
            ("digest", models.CharField(max_length=64)),
            ("status", models.PositiveSmallIntegerField(default=0)),
            ("answer", models.JSONField(default=dict)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
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
            "indexes": [models.Index(fields=["created_at"], name="answer_by_age")],
            "constraints": [models.UniqueConstraint(fields=("user", "key"), name="one_answer_per_key")],
        },
    ),
    migrations.CreateModel(
        name="ApiToken",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "name",
                models.CharField(blank=True, help_text="What uses it, for example “Nightly export”.", max_length=60),
            ),
            (
                "digest",
                models.CharField(editable=False, help_text="SHA-256 of the token, in hex.", max_length=64, unique=True),
            ),
            (
                "hint",
                models.CharField(editable=False, help_text="The last four characters of the token.", max_length=4),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="api_tokens", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "verbose_name": "API token",
            "ordering": ("-created_at", "-id"),
        },
    ),
]
