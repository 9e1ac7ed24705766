"""Events about a user who was not there: they count as events, and are no sign of life."""

from __future__ import annotations

from importlib import import_module

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

# A constant default of a new column rewrites no partition.
EVENT = "ALTER TABLE usage_event ADD COLUMN active boolean NOT NULL DEFAULT true"
NO_EVENT = "ALTER TABLE usage_event DROP COLUMN active"
# A day on which somebody was there has more events than those about people who were not. Adding up may make one of the
# other; the condition of that trigger is tested while the row is written, so all other changes cost nothing.
TRIGGERS = """
CREATE OR REPLACE FUNCTION usage_add_active_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_activemonth AS known (account_id, user_id, month, days)
    SELECT account_id, user_id, date_trunc('month', day)::date, bit_or(1 << (extract(day FROM day)::int - 1))
    FROM added WHERE count > absent GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (account_id, user_id, month) DO UPDATE SET days = known.days | EXCLUDED.days
    WHERE known.days | EXCLUDED.days <> known.days;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION usage_remove_active_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS (
        SELECT DISTINCT account_id, user_id, date_trunc('month', day)::date AS month FROM removed
    ), remaining AS MATERIALIZED (
        SELECT m.id, (SELECT bit_or(1 << (extract(day FROM d.day)::int - 1)) FROM usage_dailyusage AS d
                      WHERE d.account_id = c.account_id AND d.user_id IS NOT DISTINCT FROM c.user_id
                        AND d.day >= c.month AND d.day < c.month + interval '1 month' AND d.count > d.absent) AS days
        FROM concerned AS c JOIN usage_activemonth AS m ON m.account_id = c.account_id AND m.month = c.month
            AND m.user_id IS NOT DISTINCT FROM c.user_id
    ), emptied AS (
        DELETE FROM usage_activemonth AS m USING remaining AS r WHERE m.id = r.id AND r.days IS NULL
    )
    UPDATE usage_activemonth AS m SET days = r.days FROM remaining AS r
    WHERE m.id = r.id AND r.days IS NOT NULL AND m.days <> r.days;
    RETURN NULL;
END $$;
CREATE FUNCTION usage_change_active_day() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', NEW.day)::date;
    left_days integer;
BEGIN
    SELECT bit_or(1 << (extract(day FROM d.day)::int - 1)) INTO left_days FROM usage_dailyusage AS d
    WHERE d.account_id = NEW.account_id AND d.user_id IS NOT DISTINCT FROM NEW.user_id
        AND d.day >= first AND d.day < first + interval '1 month' AND d.count > d.absent;
    IF left_days IS NULL THEN
        DELETE FROM usage_activemonth
        WHERE account_id = NEW.account_id AND user_id IS NOT DISTINCT FROM NEW.user_id AND month = first;
    ELSE
        INSERT INTO usage_activemonth AS known (account_id, user_id, month, days)
        VALUES (NEW.account_id, NEW.user_id, first, left_days)
        ON CONFLICT (account_id, user_id, month) DO UPDATE SET days = EXCLUDED.days WHERE known.days <> EXCLUDED.days;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_change_active_day AFTER UPDATE ON usage_dailyusage FOR EACH ROW
    WHEN ((OLD.count > OLD.absent) IS DISTINCT FROM (NEW.count > NEW.absent))
    EXECUTE FUNCTION usage_change_active_day();
"""
_BEFORE = import_module("usage.migrations.0010_foresight")
NO_TRIGGERS = f"""
DROP TRIGGER usage_change_active_day ON usage_dailyusage;
DROP FUNCTION usage_change_active_day();
{_BEFORE.NO_TRIGGERS}
{_BEFORE.TRIGGERS}
"""
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
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(VIEWS, NO_VIEWS),
    ]
