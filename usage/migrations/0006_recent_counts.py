"""The counts of recent windows, and the trigger by which every write to the daily usage marks them as out of date."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from usage.migrations._triggers import NO_RECENT, RECENT


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_indexes_of_lists"),
        ("usage", "0005_published_views"),
    ]

    operations = [
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
        migrations.RunSQL(RECENT, NO_RECENT),
    ]
