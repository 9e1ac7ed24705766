"""Events into daily usage: what new events add is added up, and a day can be counted anew as a whole.

Each event's share waits in `usage_pendingusage`, written with the event. The roll-up takes the shares away and adds
them in one transaction, so that an event counts once whatever the order, lateness, repetition or crash, and the work
grows with the new events only. A marked day is counted anew from its events; the shares of that day go in the
same statement, hence the same snapshot, so no event is in both or in neither.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django.db import IntegrityError, connection, transaction

from accounts.touching import touch, touch_users
from core.clock import Moment, moment
from core.locks import xact_lock
from usage.models import DirtyDay, PendingUsage, PrunedMonth
from usage.placing.anew import place_slice
from usage.placing.marks import is_to_place
from usage.recent import count_recent, marks

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS usage_taken (
    account_id bigint, user_id bigint, name_id smallint, day date, count integer, absent integer,
    first_at timestamptz, last_at timestamptz, lost boolean
) ON COMMIT DELETE ROWS
"""
# What belongs to nobody any more counts for nobody. A user who was merged has given away what was his before.
_TAKE = """
WITH taken AS (
    DELETE FROM usage_pendingusage WHERE id <= (
        SELECT max(id) FROM (SELECT id FROM usage_pendingusage ORDER BY id LIMIT %s) AS first
    ) RETURNING *
), added AS (
    INSERT INTO usage_taken
    SELECT t.account_id, t.user_id, t.name_id, t.day, sum(t.count), sum(t.absent),
           min(t.first_at) FILTER (WHERE t.count > 0), max(t.last_at) FILTER (WHERE t.count > 0), bool_or(t.count < 0)
    FROM taken t JOIN accounts_account a ON a.id = t.account_id LEFT JOIN accounts_enduser u ON u.id = t.user_id
    WHERE t.user_id IS NULL OR u.id IS NOT NULL GROUP BY 1, 2, 3, 4
)
SELECT count(*) FROM taken
"""
_ADD = """
WITH added AS (
    UPDATE usage_dailyusage d SET count = d.count + t.count, absent = d.absent + t.absent FROM usage_taken t
    WHERE d.name_id = t.name_id AND d.day = t.day AND d.account_id = t.account_id
        AND coalesce(d.user_id, 0) = coalesce(t.user_id, 0)
    RETURNING d.name_id, d.day, d.account_id, d.user_id
)
INSERT INTO usage_dailyusage (name_id, day, account_id, user_id, count, absent)
SELECT name_id, day, account_id, user_id, count, absent FROM usage_taken t WHERE count > 0 AND NOT EXISTS (
    SELECT 1 FROM added a WHERE a.name_id = t.name_id AND a.day = t.day AND a.account_id = t.account_id
        AND coalesce(a.user_id, 0) = coalesce(t.user_id, 0))
"""
_EMPTY = """
DELETE FROM usage_dailyusage d USING usage_taken t
WHERE t.count < 0 AND d.count = 0 AND d.name_id = t.name_id AND d.day = t.day AND d.account_id = t.account_id
"""
_OF_DAYS = """
FROM usage_event
WHERE account_id IS NOT NULL AND at >= %(start)s AND at < %(end)s AND (at AT TIME ZONE %(zone)s)::date = ANY(%(days)s)
"""
_COUNT = f"""
WITH shares AS (
    DELETE FROM usage_pendingusage WHERE day = ANY(%(days)s)
), counted AS MATERIALIZED (
    SELECT name_id, (at AT TIME ZONE %(zone)s)::date AS day, account_id, user_id, count(*)::int AS count,
           count(*) FILTER (WHERE NOT active)::int AS absent,
           min(at) FILTER (WHERE active) AS first_at, max(at) FILTER (WHERE active) AS last_at
    {_OF_DAYS} GROUP BY 1, 2, 3, 4
), gone AS (
    DELETE FROM usage_dailyusage d WHERE d.day = ANY(%(days)s) AND NOT EXISTS (
        SELECT 1 FROM counted c WHERE c.name_id = d.name_id AND c.day = d.day AND c.account_id = d.account_id
            AND coalesce(c.user_id, 0) = coalesce(d.user_id, 0))
    RETURNING d.account_id, d.user_id, d.name_id, d.day
), told AS (
    INSERT INTO usage_taken (account_id, user_id, name_id, day, count, absent, first_at, last_at, lost)
    SELECT account_id, user_id, name_id, day, count, absent, first_at, last_at, FALSE FROM counted
    UNION ALL SELECT account_id, user_id, name_id, day, 0, 0, NULL, NULL, TRUE FROM gone
)
INSERT INTO usage_dailyusage (name_id, day, account_id, user_id, count, absent)
SELECT name_id, day, account_id, user_id, count, absent FROM counted
ON CONFLICT (name_id, day, account_id, user_id) DO UPDATE SET count = EXCLUDED.count, absent = EXCLUDED.absent
WHERE (usage_dailyusage.count, usage_dailyusage.absent) <> (EXCLUDED.count, EXCLUDED.absent)
"""  # noqa: S608  # constants of this module
# Nobody saw a user who was not there: what is absent counts, and moves neither the first nor the last sign of life.
_SEEN_USERS = """
INSERT INTO usage_useractivity (account_id, user_id, first_seen_at, last_seen_at)
SELECT account_id, user_id, min(first_at), max(last_at) FROM usage_taken
WHERE user_id IS NOT NULL AND count > absent GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (account_id, user_id) DO UPDATE
SET first_seen_at = least(usage_useractivity.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(usage_useractivity.last_seen_at, EXCLUDED.last_seen_at)
WHERE EXCLUDED.first_seen_at < usage_useractivity.first_seen_at
   OR EXCLUDED.last_seen_at > usage_useractivity.last_seen_at
"""
_SEEN_ACCOUNTS = """
INSERT INTO usage_accountusage (account_id, active_users_7d, active_users_30d, active_users_90d, events_30d,
                                active_days_30d, first_seen_at, last_seen_at)
SELECT account_id, 0, 0, 0, 0, 0, min(first_at), max(last_at) FROM usage_taken
WHERE count > absent GROUP BY 1 ORDER BY 1
ON CONFLICT (account_id) DO UPDATE
SET first_seen_at = least(usage_accountusage.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(usage_accountusage.last_seen_at, EXCLUDED.last_seen_at)
WHERE usage_accountusage.last_seen_at IS NULL
   OR EXCLUDED.first_seen_at < usage_accountusage.first_seen_at
   OR EXCLUDED.last_seen_at > usage_accountusage.last_seen_at
"""
# Who has lost events was perhaps seen first or last by one of these: read from what is left. Of what was dropped by
# retention only the days are known, so a first or last sign of life that lies there stays.
_SEEN_LESS_USERS = """
WITH lost AS (
    SELECT DISTINCT account_id, user_id FROM usage_taken WHERE lost AND user_id IS NOT NULL
), found AS MATERIALIZED (
    SELECT l.account_id, l.user_id, e.first_at, e.last_at,
           EXISTS (SELECT 1 FROM usage_dailyusage d WHERE d.account_id = l.account_id AND d.user_id = l.user_id
                   AND d.count > d.absent) AS counted
    FROM lost l CROSS JOIN LATERAL (
        SELECT min(at) AS first_at, max(at) AS last_at FROM usage_event e
        WHERE e.user_id = l.user_id AND e.account_id = l.account_id AND e.active
    ) e
), gone AS (
    DELETE FROM usage_useractivity u USING found f
    WHERE u.account_id = f.account_id AND u.user_id = f.user_id AND f.first_at IS NULL AND NOT f.counted
)
UPDATE usage_useractivity u SET last_seen_at = f.last_at,
    first_seen_at = CASE WHEN u.first_seen_at < (SELECT max(month) + interval '1 month' FROM usage_prunedmonth)
                    THEN least(u.first_seen_at, f.first_at) ELSE f.first_at END
FROM found f WHERE u.account_id = f.account_id AND u.user_id = f.user_id AND f.first_at IS NOT NULL
"""
_SEEN_LESS_ACCOUNTS = """
WITH lost AS (
    SELECT DISTINCT account_id FROM usage_taken WHERE lost
), found AS MATERIALIZED (
    SELECT l.account_id, first.at AS first_at, last.at AS last_at,
           EXISTS (SELECT 1 FROM usage_dailyusage d WHERE d.account_id = l.account_id AND d.count > d.absent) AS counted
    FROM lost l LEFT JOIN LATERAL (
        SELECT at FROM usage_event e WHERE e.account_id = l.account_id AND e.active ORDER BY at LIMIT 1
    ) first ON TRUE LEFT JOIN LATERAL (
        SELECT at FROM usage_event e WHERE e.account_id = l.account_id AND e.active ORDER BY at DESC LIMIT 1
    ) last ON TRUE
)
UPDATE usage_accountusage u SET last_seen_at = f.last_at,
    first_seen_at = CASE WHEN u.first_seen_at < (SELECT max(month) + interval '1 month' FROM usage_prunedmonth)
                    THEN least(u.first_seen_at, f.first_at) ELSE f.first_at END
FROM found f WHERE u.account_id = f.account_id AND (f.first_at IS NOT NULL OR NOT f.counted)
"""
BATCH = 500  # days that one transaction counts anew
SHARES = 100_000  # rows that one transaction adds up
ATTEMPTS = 3


def roll_up(present: Moment | None = None) -> set[int]:
    """Add up what events have brought since the last time, and count marked days anew; returns their accounts.

    Before that, events without a context are placed by the present periods of belonging.
    The accounts, and those to which the events' users belong besides, are marked for the next evaluation in the same
    transaction. One roll-up runs at a time; a second one waits and then finds what is left. A crash takes back at most
    one batch, whose shares are there again.
    """
    present = present or moment()
    touched: set[int] = set()
    while place_slice():
        pass
    while days := _days_anew(present, touched):
        if days < BATCH:
            break
    while _add_up(present, touched) == SHARES:
        pass
    return touched


def is_pending() -> bool:
    """Whether there is anything to roll up."""
    return PendingUsage.objects.exists() or DirtyDay.objects.exists() or is_to_place()


def _add_up(present: Moment, touched: set[int]) -> int:
    """One batch of shares; how many there were."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                xact_lock("usage.rollup")
                _clear(cursor)
                seen = marks()
                cursor.execute(_TAKE, [SHARES])
                taken = int(cursor.fetchone()[0])
                if taken:
                    for statement in (_ADD, _EMPTY):
                        cursor.execute(statement)
                    changed = _seen(cursor)
                    count_recent(present.today, changed, seen)
                    touched |= changed
            return taken
        except IntegrityError:  # a user or an account was deleted at this moment; the next attempt knows
            if attempt == ATTEMPTS:
                raise
    return 0


def _days_anew(present: Moment, touched: set[int]) -> int:
    """Count one batch of marked days; how many there were."""
    with transaction.atomic(), connection.cursor() as cursor:
        xact_lock("usage.rollup")
        cursor.execute(
            "DELETE FROM usage_dirtyday"
            " WHERE day IN (SELECT day FROM usage_dirtyday ORDER BY day LIMIT %s FOR UPDATE) RETURNING day",
            [BATCH],
        )
        marked = sorted(day for (day,) in cursor.fetchall())
        changed: set[int] = set()
        seen = marks()
        if days := _countable(marked, present):
            _clear(cursor)
            for _, group in groupby(days, key=lambda day: (day.year, day.month)):
                _count(cursor, list(group), present)
            changed = _seen(cursor)
            touched |= changed
        count_recent(present.today, changed, seen)
    return len(marked)


def _countable(days: Sequence[dt.date], present: Moment) -> list[dt.date]:
    """The days all of whose events are there; the counts of others are all that is left of them."""
    pruned = set(PrunedMonth.objects.values_list("month", flat=True))

    def months(day: dt.date) -> set[dt.date]:
        edges = (present.start_of(day), present.start_of(day + dt.timedelta(days=1)) - dt.timedelta(microseconds=1))
        return {edge.astimezone(dt.UTC).date().replace(day=1) for edge in edges}

    return [day for day in days if not months(day) & pruned]


def _clear(cursor: Any) -> None:
    """An empty stage; it is emptied at the commit, but the caller's transaction may hold several batches."""
    cursor.execute(_STAGE)
    cursor.execute("TRUNCATE usage_taken")


def _count(cursor: Any, days: Sequence[dt.date], present: Moment) -> None:
    values = {
        "days": list(days),
        "start": present.start_of(days[0]),
        "end": present.start_of(days[-1] + dt.timedelta(days=1)),
        "zone": present.zone.key,
    }
    cursor.execute(_COUNT, values)


def _seen(cursor: Any) -> set[int]:
    """First and last signs of life of what was taken; its accounts, marked for the evaluation."""
    for statement in (_SEEN_USERS, _SEEN_ACCOUNTS):
        cursor.execute(statement)
    cursor.execute("SELECT array_agg(DISTINCT account_id), array_agg(DISTINCT user_id), bool_or(lost) FROM usage_taken")
    accounts, users, lost = cursor.fetchone()
    if lost:
        for statement in (_SEEN_LESS_USERS, _SEEN_LESS_ACCOUNTS):
            cursor.execute(statement)
    touch(accounts or [], usage_only=True)
    # A rule may count what an account's people do in any account.
    touch_users((user for user in users or [] if user is not None), usage_only=True)
    return set(accounts or [])
