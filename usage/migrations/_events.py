"""The tables of events and of what is counted from them."""

import django.db.models.deletion
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="EventName",
        fields=[
            ("id", models.SmallAutoField(primary_key=True, serialize=False)),
            ("name", models.CharField(max_length=255, unique=True)),
            ("first_seen_at", models.DateTimeField(auto_now_add=True)),
        ],
        options={
            "ordering": ("name",),
        },
    ),
    migrations.CreateModel(
        name="Event",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("at", models.DateTimeField()),
            ("received_at", models.DateTimeField()),
            ("properties", models.JSONField(blank=True, default=dict)),
            ("source", models.CharField(max_length=80)),
            ("message_id", models.CharField(max_length=255)),
            ("folded", models.JSONField(blank=True, default=dict)),
            ("active", models.BooleanField(default=True)),
            ("inferred", models.BooleanField(default=False)),
        ],
        options={
            "db_table": "usage_event",
            "ordering": ("-at",),
            "managed": False,
        },
    ),
    migrations.CreateModel(
        name="MessageReceipt",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "source", "message_id", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("source", models.CharField(max_length=80)),
            ("message_id", models.CharField(max_length=255)),
        ],
    ),
    migrations.CreateModel(
        name="PendingUsage",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("count", models.IntegerField()),
            ("first_at", models.DateTimeField(null=True)),
            ("last_at", models.DateTimeField(null=True)),
            (
                "account",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="accounts.account",
                ),
            ),
            (
                "name",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="usage.eventname",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="accounts.enduser",
                ),
            ),
            ("absent", models.IntegerField(db_default=0, default=0)),
        ],
        options={
            "verbose_name_plural": "pending usage",
            "ordering": ("id",),
        },
    ),
    migrations.CreateModel(
        name="PrunedMonth",
        fields=[
            (
                "month",
                models.DateField(help_text="Its first day; months are cut in UTC.", primary_key=True, serialize=False),
            ),
            ("at", models.DateTimeField(auto_now=True, help_text="When its events were last dropped.")),
        ],
        options={
            "ordering": ("-month",),
        },
    ),
    migrations.CreateModel(
        name="PlacingMark",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("first_at", models.DateTimeField(null=True)),
            ("last_at", models.DateTimeField(null=True)),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="accounts.enduser",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
        },
    ),
    migrations.CreateModel(
        name="DirtyDay",
        fields=[
            ("day", models.DateField(primary_key=True, serialize=False)),
        ],
        options={
            "ordering": ("day",),
        },
    ),
    migrations.CreateModel(
        name="DailyUsage",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("count", models.PositiveIntegerField()),
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
            (
                "name",
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="usage.eventname"
                ),
            ),
            (
                "absent",
                models.IntegerField(
                    db_default=0, default=0, help_text="Those of them that tell of a user who was not there."
                ),
            ),
        ],
        options={
            "ordering": ("-day", "id"),
            "indexes": [
                models.Index(fields=["account", "day"], name="daily_usage_of_account"),
                models.Index(fields=["day"], name="daily_usage_of_day"),
                models.Index(condition=models.Q(("user__isnull", False)), fields=["user"], name="daily_usage_of_user"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("name", "day", "account", "user"),
                    include=("count",),
                    name="one_count_per_day",
                    nulls_distinct=False,
                ),
            ],
        },
    ),
]
