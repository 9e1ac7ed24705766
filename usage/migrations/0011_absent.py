"""Events about a user who was not there: they count as events, and are no sign of life."""

from __future__ import annotations

from importlib import import_module

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from usage.migrations._triggers import ACTIVE_DAYS, ALL_ACTIVE_DAYS, NO_ACTIVE_DAYS, NO_CHANGE_OF_ACTIVE_DAYS

# A constant default of a new column rewrites no partition.
EVENT = "ALTER TABLE usage_event ADD COLUMN active boolean NOT NULL DEFAULT true"
NO_EVENT = "ALTER TABLE usage_event DROP COLUMN active"
_BEFORE = import_module("usage.migrations.0010_foresight").TRIGGERS
NO_TRIGGERS = [NO_CHANGE_OF_ACTIVE_DAYS, NO_ACTIVE_DAYS, _BEFORE, ALL_ACTIVE_DAYS]
# Traits in SQL can tell the two apart as well. A view may get columns at its end.
VIEWS = """
CREATE OR REPLACE VIEW published.events AS
    SELECT e.account_id, e.user_id, n.name, e.at, e.properties, e.active
    FROM public.usage_event e JOIN public.usage_eventname n ON n.id = e.name_id WHERE e.account_id IS NOT NULL;
CREATE OR REPLACE VIEW published.daily_usage AS
    SELECT d.account_id, d.user_id, n.name, d.day, d.count, d.absent
    FROM public.usage_dailyusage d JOIN public.usage_eventname n ON n.id = d.name_id;
"""
NO_VIEWS = """
DROP VIEW published.events;
DROP VIEW published.daily_usage;
CREATE VIEW published.events AS
    SELECT e.account_id, e.user_id, n.name, e.at, e.properties
    FROM public.usage_event e JOIN public.usage_eventname n ON n.id = e.name_id WHERE e.account_id IS NOT NULL;
CREATE VIEW published.daily_usage AS
    SELECT d.account_id, d.user_id, n.name, d.day, d.count
    FROM public.usage_dailyusage d JOIN public.usage_eventname n ON n.id = d.name_id;
"""
_ABSENT = "Those of them that tell of a user who was not there."


class Migration(migrations.Migration):
    dependencies = [("usage", "0010_foresight")]
    operations = [
        migrations.RunSQL(
            EVENT,
            NO_EVENT,
            state_operations=[migrations.AddField("event", "active", models.BooleanField(default=True))],
        ),
        migrations.AddField("dailyusage", "absent", models.IntegerField(default=0, db_default=0, help_text=_ABSENT)),
        # Not validated: the rows there are have the default, and a check of all of them would lock the table meanwhile.
        AddConstraintNotValid(
            "dailyusage",
            models.CheckConstraint(
                condition=models.Q(absent__gte=0, absent__lte=models.F("count")), name="absent_are_some_of_all"
            ),
        ),
        migrations.AddField("pendingusage", "absent", models.IntegerField(default=0, db_default=0)),
        migrations.AlterField("pendingusage", "first_at", models.DateTimeField(null=True)),
        migrations.AlterField("pendingusage", "last_at", models.DateTimeField(null=True)),
        migrations.RunSQL(ACTIVE_DAYS, NO_TRIGGERS),
        migrations.RunSQL(VIEWS, NO_VIEWS),
    ]
