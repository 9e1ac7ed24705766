"""Events whose account was not named by their sender, and whose of them are to be placed anew."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from usage.migrations._triggers import MOVED_USERS, NO_MOVED_USERS, VACUUM_MARKS

# A constant default of a new column rewrites no partition.
EVENT = "ALTER TABLE usage_event ADD COLUMN inferred boolean NOT NULL DEFAULT false"
NO_EVENT = "ALTER TABLE usage_event DROP COLUMN inferred"


class Migration(migrations.Migration):
    dependencies = [("usage", "0015_published_of_live_accounts"), ("accounts", "0008_erasures")]
    operations = [
        migrations.RunSQL(
            EVENT,
            NO_EVENT,
            state_operations=[migrations.AddField("event", "inferred", models.BooleanField(default=False))],
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
                        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+", to="accounts.enduser",
                    ),
                ),
            ],
            options={"ordering": ("id",)},
        ),
        migrations.RunSQL(VACUUM_MARKS, migrations.RunSQL.noop),
        migrations.RunSQL(MOVED_USERS, NO_MOVED_USERS),
    ]  # fmt: skip
