"""The active days of each month in one small row, kept by triggers, and the usage numbers that are made of them."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from usage.migrations._triggers import ALL_ACTIVE_DAYS, NO_ACTIVE_DAYS

# Every write to the daily usage is followed in the same transaction. What is added sets bits; where rows are taken away,
# the months concerned are made anew from what is left.
TRIGGERS = """
CREATE FUNCTION usage_add_active_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_activemonth AS known (account_id, user_id, month, days)
    SELECT account_id, user_id, date_trunc('month', day)::date, bit_or(1 << (extract(day FROM day)::int - 1))
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (account_id, user_id, month) DO UPDATE SET days = known.days | EXCLUDED.days
    WHERE known.days | EXCLUDED.days <> known.days;
    RETURN NULL;
END $$;
CREATE FUNCTION usage_remove_active_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS (
        SELECT DISTINCT account_id, user_id, date_trunc('month', day)::date AS month FROM removed
    ), remaining AS MATERIALIZED (
        SELECT m.id, (SELECT bit_or(1 << (extract(day FROM d.day)::int - 1)) FROM usage_dailyusage AS d
                      WHERE d.account_id = c.account_id AND d.user_id IS NOT DISTINCT FROM c.user_id
                        AND d.day >= c.month AND d.day < c.month + interval '1 month') AS days
        FROM concerned AS c JOIN usage_activemonth AS m ON m.account_id = c.account_id AND m.month = c.month
            AND m.user_id IS NOT DISTINCT FROM c.user_id
    ), emptied AS (
        DELETE FROM usage_activemonth AS m USING remaining AS r WHERE m.id = r.id AND r.days IS NULL
    )
    UPDATE usage_activemonth AS m SET days = r.days FROM remaining AS r
    WHERE m.id = r.id AND r.days IS NOT NULL AND m.days <> r.days;
    RETURN NULL;
END $$;
"""
# What is known already. Making the triggers has locked the table against writers until the end of this migration.
FILL = """
INSERT INTO usage_activemonth (account_id, user_id, month, days)
SELECT account_id, user_id, date_trunc('month', day)::date, bit_or(1 << (extract(day FROM day)::int - 1))
FROM usage_dailyusage GROUP BY 1, 2, 3
"""
COUNTS = ("active_users_365d", "active_users_before_30d", "active_users_before_90d", "user_days_90d")
SMALL_COUNTS = (
    "event_kinds_30d", "event_kinds_90d", "active_days_90d", "active_days_before_30d", "active_days_before_90d",
    "active_span_180d", "busiest_user_days_90d",
)  # fmt: skip


def _reference(to: str, *, null: bool = False) -> models.ForeignKey:
    return models.ForeignKey(to, django.db.models.deletion.CASCADE, null=null, db_index=False, related_name="+")


class Migration(migrations.Migration):
    dependencies = [("usage", "0009_pending_usage"), ("accounts", "0008_erasures")]
    operations = [
        *(
            migrations.AddField("accountusage", name, models.PositiveIntegerField(default=0, db_default=0))
            for name in COUNTS
        ),
        *(
            migrations.AddField("accountusage", name, models.PositiveSmallIntegerField(default=0, db_default=0))
            for name in SMALL_COUNTS
        ),
        migrations.CreateModel(
            name="ActiveMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(help_text="Its first day.")),
                ("days", models.IntegerField()),
                ("account", _reference("accounts.account")),
                ("user", _reference("accounts.enduser", null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["month"], name="active_month_by_month"),
                    models.Index(condition=models.Q(user__isnull=False), fields=["user"], name="active_month_of_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "user", "month"), name="one_active_month", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.RunSQL([TRIGGERS, ALL_ACTIVE_DAYS], NO_ACTIVE_DAYS),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
