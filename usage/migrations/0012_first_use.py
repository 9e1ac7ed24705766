"""The first day of each event in each account, kept by triggers of the daily usage."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from usage.migrations._triggers import FIRST_USE, NO_FIRST_USE

# What is known already. Making the triggers has locked the table against writers until the end of this migration.
FILL = """
INSERT INTO usage_firstuse (account_id, name_id, day)
SELECT account_id, name_id, min(day) FROM usage_dailyusage GROUP BY 1, 2
"""
# The counts of the day are made anew by the next roll-up, those of the windows before with them.
COUNT_ANEW = "DELETE FROM usage_recentday"


def _reference(to: str, on_delete: object) -> models.ForeignKey:
    return models.ForeignKey(to, on_delete, db_index=False, related_name="+")  # type: ignore[arg-type]


class Migration(migrations.Migration):
    dependencies = [("usage", "0011_absent"), ("accounts", "0008_erasures")]
    operations = [
        migrations.CreateModel(
            name="FirstUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("account", _reference("accounts.account", django.db.models.deletion.CASCADE)),
                ("name", _reference("usage.eventname", django.db.models.deletion.PROTECT)),
            ],
            options={
                "indexes": [models.Index(fields=["name", "day", "account"], name="first_use_by_day")],
                "constraints": [models.UniqueConstraint(fields=("account", "name"), name="one_first_use")],
            },
        ),
        migrations.RunSQL(FIRST_USE, NO_FIRST_USE),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(COUNT_ANEW, migrations.RunSQL.noop),
    ]
