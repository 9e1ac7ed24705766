"""The triggers that keep what is counted from the daily usage, and note whose events are to be placed anew."""

from __future__ import annotations

# Every write to the daily usage marks the counts of recent windows as out of date.
RECENT = """
CREATE FUNCTION usage_mark_recent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_recentmark (made_by) VALUES (pg_current_xact_id()::text::bigint);
    RETURN NULL;
END $$;
CREATE TRIGGER usage_mark_recent AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_dailyusage
    FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_recent();
"""
NO_RECENT = "DROP TRIGGER usage_mark_recent ON usage_dailyusage; DROP FUNCTION usage_mark_recent()"
# The active days of each month: what is added sets bits; where rows are taken away, the months concerned are made anew
# from what is left. A day on which somebody was there has more events than those about people who were not. Adding up
# may make one of the other; the condition of that trigger is tested while the row is written, so all other changes cost
# nothing.
ACTIVE_DAYS = """
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
# When the table is emptied; and the triggers of what stands above.
ALL_ACTIVE_DAYS = """
CREATE FUNCTION usage_no_active_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM usage_activemonth;  -- a flush truncates both at once, which this must not try again
    RETURN NULL;
END $$;
CREATE TRIGGER usage_add_active_days AFTER INSERT ON usage_dailyusage REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_add_active_days();
CREATE TRIGGER usage_remove_active_days AFTER DELETE ON usage_dailyusage REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_remove_active_days();
CREATE TRIGGER usage_no_active_days AFTER TRUNCATE ON usage_dailyusage
    FOR EACH STATEMENT EXECUTE FUNCTION usage_no_active_days();
"""
NO_CHANGE_OF_ACTIVE_DAYS = """
DROP TRIGGER usage_change_active_day ON usage_dailyusage;
DROP FUNCTION usage_change_active_day();
"""
NO_ACTIVE_DAYS = """
DROP TRIGGER usage_add_active_days ON usage_dailyusage;
DROP TRIGGER usage_remove_active_days ON usage_dailyusage;
DROP TRIGGER usage_no_active_days ON usage_dailyusage;
DROP FUNCTION usage_add_active_days(), usage_remove_active_days(), usage_no_active_days();
"""
# The first day of each event in each account. Both ways lock the rows concerned, also those that stay as they are, and
# what is left after a removal is looked up by a statement that begins after that: so whoever adds or removes at the
# same moment is either seen or waited for.
FIRST_USE = """
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
NO_FIRST_USE = """
DROP TRIGGER usage_add_first_use ON usage_dailyusage;
DROP TRIGGER usage_remove_first_use ON usage_dailyusage;
DROP TRIGGER usage_no_first_use ON usage_dailyusage;
DROP FUNCTION usage_add_first_use(), usage_remove_first_use(), usage_no_first_use();
"""
# Whoever writes a relationship: only periods that are others than before, and users with events that follow them.
MOVED_USERS = """
CREATE FUNCTION usage_mark_moved_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT side.user_id FROM added a JOIN removed r USING (id)
        CROSS JOIN LATERAL (VALUES (a.user_id), (r.user_id)) AS side (user_id)
        WHERE (a.user_id, a.account_id, a.started_at, a.ended_at)
            IS DISTINCT FROM (r.user_id, r.account_id, r.started_at, r.ended_at)
        AND EXISTS (SELECT FROM usage_event e WHERE e.user_id = side.user_id AND (e.account_id IS NULL OR e.inferred));
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT a.user_id FROM added a
        WHERE EXISTS (SELECT FROM usage_event e WHERE e.user_id = a.user_id AND (e.account_id IS NULL OR e.inferred));
    ELSE
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT r.user_id FROM removed r
        WHERE EXISTS (SELECT FROM usage_event e WHERE e.user_id = r.user_id AND (e.account_id IS NULL OR e.inferred));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_mark_joined AFTER INSERT ON accounts_relationship REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
CREATE TRIGGER usage_mark_changed AFTER UPDATE ON accounts_relationship
    REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
CREATE TRIGGER usage_mark_parted AFTER DELETE ON accounts_relationship REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
"""
NO_MOVED_USERS = """
DROP TRIGGER usage_mark_joined ON accounts_relationship;
DROP TRIGGER usage_mark_changed ON accounts_relationship;
DROP TRIGGER usage_mark_parted ON accounts_relationship;
DROP FUNCTION usage_mark_moved_users();
"""
# Rows come and go by the thousand; such a table stays small only if their places are free again soon.
VACUUM_PENDING = """
ALTER TABLE usage_pendingusage SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""
VACUUM_MARKS = """
ALTER TABLE usage_placingmark SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""
