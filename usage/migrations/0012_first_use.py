"""The first day of each event in each account, kept by triggers of the daily usage."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# Every write to the daily usage is followed in the same transaction. Both ways lock the rows concerned, also those that
# stay as they are, and what is left after a removal is looked up by a statement that begins after that: so whoever
# adds or removes at the same moment is either seen or waited for.
TRIGGERS = """
CREATE FUNCTION usage_add_first_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_firstuse AS known (account_id, name_id, day)
    SELECT account_id, name_id, min(day) FROM added GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (account_id, name_id) DO UPDATE SET day = EXCLUDED.day WHERE EXCLUDED.day < known.day;
    RETURN NULL;
END $$;
CREATE FUNCTION usage_remove_first_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM f.id FROM usage_firstuse AS f JOIN (SELECT DISTINCT account_id, name_id FROM removed) AS c
        USING (account_id, name_id) ORDER BY account_id, name_id FOR UPDATE OF f;
    WITH concerned AS (
        SELECT account_id, name_id, min(day) AS day FROM removed GROUP BY 1, 2
    ), remaining AS MATERIALIZED (
        SELECT f.id, (SELECT d.day FROM usage_dailyusage AS d
                      WHERE d.account_id = f.account_id AND d.name_id = f.name_id AND d.day >= f.day
                      ORDER BY d.day LIMIT 1) AS day
        FROM concerned AS c JOIN usage_firstuse AS f USING (account_id, name_id) WHERE c.day <= f.day
    ), emptied AS (
        DELETE FROM usage_firstuse AS f USING remaining AS r WHERE f.id = r.id AND r.day IS NULL
    )
    UPDATE usage_firstuse AS f SET day = r.day FROM remaining AS r WHERE f.id = r.id AND f.day < r.day;
    RETURN NULL;
END $$;
CREATE FUNCTION usage_no_first_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM usage_firstuse;  -- a flush truncates both at once, which this must not try again
    RETURN NULL;
END $$;
CREATE TRIGGER usage_add_first_use AFTER INSERT ON usage_dailyusage REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_add_first_use();
CREATE TRIGGER usage_remove_first_use AFTER DELETE ON usage_dailyusage REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_remove_first_use();
CREATE TRIGGER usage_no_first_use AFTER TRUNCATE ON usage_dailyusage
    FOR EACH STATEMENT EXECUTE FUNCTION usage_no_first_use();
"""
NO_TRIGGERS = """
DROP TRIGGER usage_add_first_use ON usage_dailyusage;
DROP TRIGGER usage_remove_first_use ON usage_dailyusage;
DROP TRIGGER usage_no_first_use ON usage_dailyusage;
DROP FUNCTION usage_add_first_use(), usage_remove_first_use(), usage_no_first_use();
"""
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
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(COUNT_ANEW, migrations.RunSQL.noop),
    ]
