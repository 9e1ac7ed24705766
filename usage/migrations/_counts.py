"""The tables of what is kept of the daily usage."""

import django.db.models.deletion
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="ActiveMonth",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("month", models.DateField(help_text="Its first day.")),
            ("days", models.IntegerField()),
            (
                "account",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="accounts.enduser",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["month"], name="active_month_by_month"),
                models.Index(condition=models.Q(("user__isnull", False)), fields=["user"], name="active_month_of_user"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("account", "user", "month"), name="one_active_month", nulls_distinct=False
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="FirstUse",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            (
                "account",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "name",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="usage.eventname"
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["name", "day", "account"], name="first_use_by_day")],
            "constraints": [models.UniqueConstraint(fields=("account", "name"), name="one_first_use")],
        },
    ),
    migrations.CreateModel(
        name="RecentDay",
        fields=[
            ("day", models.DateField(primary_key=True, serialize=False)),
        ],
    ),
    migrations.CreateModel(
        name="RecentMark",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("made_by", models.BigIntegerField()),
        ],
    ),
    migrations.CreateModel(
        name="RecentCount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("days", models.PositiveSmallIntegerField()),
            ("count", models.PositiveBigIntegerField()),
            ("users", models.PositiveIntegerField()),
            ("active_days", models.PositiveSmallIntegerField()),
            (
                "account",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="accounts.account",
                ),
            ),
            (
                "name",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="usage.eventname",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["account", "day"], name="recent_count_of_account")],
            "constraints": [
                models.UniqueConstraint(
                    fields=("name", "days", "day", "account"),
                    include=("count", "users", "active_days"),
                    name="one_recent_count",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="UserActivity",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("first_seen_at", models.DateTimeField()),
            ("last_seen_at", models.DateTimeField()),
            (
                "account",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="activity", to="accounts.enduser"
                ),
            ),
        ],
        options={
            "verbose_name_plural": "user activity",
            "indexes": [models.Index(fields=["last_seen_at"], name="activity_by_last_seen")],
            "constraints": [
                models.UniqueConstraint(fields=("account", "user"), name="one_activity_per_user_and_account")
            ],
        },
    ),
    migrations.CreateModel(
        name="AccountUsage",
        fields=[
            (
                "account",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="usage",
                    serialize=False,
                    to="accounts.account",
                ),
            ),
            ("active_users_7d", models.PositiveIntegerField(default=0)),
            ("active_users_30d", models.PositiveIntegerField(default=0)),
            ("active_users_90d", models.PositiveIntegerField(default=0)),
            ("events_30d", models.PositiveIntegerField(default=0)),
            ("active_days_30d", models.PositiveSmallIntegerField(default=0)),
            ("first_seen_at", models.DateTimeField(null=True)),
            ("last_seen_at", models.DateTimeField(null=True)),
            ("active_users_365d", models.PositiveIntegerField(db_default=0, default=0)),
            ("active_users_before_30d", models.PositiveIntegerField(db_default=0, default=0)),
            ("active_users_before_90d", models.PositiveIntegerField(db_default=0, default=0)),
            ("user_days_90d", models.PositiveIntegerField(db_default=0, default=0)),
            ("event_kinds_30d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("event_kinds_90d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("active_days_90d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("active_days_before_30d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("active_days_before_90d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("active_span_180d", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ("busiest_user_days_90d", models.PositiveSmallIntegerField(db_default=0, default=0)),
        ],
        options={
            "verbose_name_plural": "account usage",
        },
    ),
]
