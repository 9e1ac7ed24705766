"""What new events add to the daily counts, and the months whose events were dropped."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from usage.migrations._triggers import VACUUM_PENDING


def _reference(to: str, *, null: bool = False) -> models.ForeignKey:
    return models.ForeignKey(
        to, django.db.models.deletion.DO_NOTHING, null=null, db_constraint=False, db_index=False, related_name="+"
    )


class Migration(migrations.Migration):
    dependencies = [("usage", "0008_feeds"), ("accounts", "0008_erasures")]
    operations = [
        migrations.CreateModel(
            name="PendingUsage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("count", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("account", _reference("accounts.account")),
                ("name", _reference("usage.eventname")),
                ("user", _reference("accounts.enduser", null=True)),
            ],
            options={"verbose_name_plural": "pending usage", "ordering": ("id",)},
        ),
        migrations.RunSQL(VACUUM_PENDING, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="PrunedMonth",
            fields=[
                (
                    "month",
                    models.DateField(
                        help_text="Its first day; months are cut in UTC.", primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(auto_now=True, help_text="When its events were last dropped.")),
            ],
            options={"ordering": ("-month",)},
        ),
    ]
