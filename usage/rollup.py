"""Events into daily usage: the local days that changed are counted again as a whole.

Counting a whole day is exact whatever the order, lateness or repetition of events, and costs less than adding to
counters one event at a time. Only figures that differ are written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from core.clock import Moment, moment
from core.locks import xact_lock
from usage.recent import count_recent, marks

# The marks are taken first and in order; a writer that still holds one is waited for, and the statements after this one
# see its events.
_TAKE = """
DELETE FROM usage_dirtyday WHERE day IN (SELECT day FROM usage_dirtyday ORDER BY day LIMIT %s FOR UPDATE) RETURNING day
"""
_OF_DAYS = """
FROM usage_event
WHERE account_id IS NOT NULL AND at >= %(start)s AND at < %(end)s AND (at AT TIME ZONE %(zone)s)::date = ANY(%(days)s)
"""
_COUNT = f"""
WITH counted AS MATERIALIZED (
    SELECT name_id, (at AT TIME ZONE %(zone)s)::date AS day, account_id, user_id, count(*)::int AS count
    {_OF_DAYS} GROUP BY 1, 2, 3, 4
), gone AS (
    DELETE FROM usage_dailyusage d WHERE d.day = ANY(%(days)s) AND NOT EXISTS (
        SELECT 1 FROM counted c WHERE c.name_id = d.name_id AND c.day = d.day AND c.account_id = d.account_id
            AND coalesce(c.user_id, 0) = coalesce(d.user_id, 0))
    RETURNING d.account_id
), written AS (
    INSERT INTO usage_dailyusage (name_id, day, account_id, user_id, count) SELECT * FROM counted
    ON CONFLICT (name_id, day, account_id, user_id) DO UPDATE SET count = EXCLUDED.count
    WHERE usage_dailyusage.count <> EXCLUDED.count
    RETURNING account_id
)
SELECT account_id FROM gone UNION SELECT account_id FROM written
"""  # noqa: S608  # constants of this module
_SEEN_USERS = f"""
INSERT INTO usage_useractivity (account_id, user_id, first_seen_at, last_seen_at)
SELECT account_id, user_id, min(at), max(at) {_OF_DAYS} AND user_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (account_id, user_id) DO UPDATE
SET first_seen_at = least(usage_useractivity.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(usage_useractivity.last_seen_at, EXCLUDED.last_seen_at)
WHERE EXCLUDED.first_seen_at < usage_useractivity.first_seen_at
   OR EXCLUDED.last_seen_at > usage_useractivity.last_seen_at
"""
_SEEN_ACCOUNTS = f"""
INSERT INTO usage_accountusage (account_id, active_users_7d, active_users_30d, active_users_90d, events_30d,
                                active_days_30d, first_seen_at, last_seen_at)
SELECT account_id, 0, 0, 0, 0, 0, min(at), max(at) {_OF_DAYS} GROUP BY 1 ORDER BY 1
ON CONFLICT (account_id) DO UPDATE
SET first_seen_at = least(usage_accountusage.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(usage_accountusage.last_seen_at, EXCLUDED.last_seen_at)
WHERE usage_accountusage.last_seen_at IS NULL
   OR EXCLUDED.first_seen_at < usage_accountusage.first_seen_at
   OR EXCLUDED.last_seen_at > usage_accountusage.last_seen_at
"""
_ACCOUNTS = f"SELECT DISTINCT account_id {_OF_DAYS}"
BATCH = 500  # days that one transaction takes


def roll_up(present: Moment | None = None) -> set[int]:
    """Count every marked day again; returns the accounts that had events on them.

    One roll-up runs at a time; a second one waits and then finds what is left. Each batch of days is one transaction,
    so a crash repeats at most one batch.
    """
    present = present or moment()
    touched: set[int] = set()
    while True:
        with transaction.atomic():
            xact_lock("usage.rollup")
            seen = marks()
            days = _take(BATCH)
            changed: set[int] = set()
            for _, group in groupby(days, key=lambda day: (day.year, day.month)):
                active, recounted = _count(list(group), present)
                touched |= active
                changed |= recounted
            count_recent(present.today, changed, seen)
        if len(days) < BATCH:
            return touched


def _take(limit: int) -> list[dt.date]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [limit])
        return sorted(day for (day,) in cursor.fetchall())


def _count(days: Sequence[dt.date], present: Moment) -> tuple[set[int], set[int]]:
    """Count days of one month; the accounts that had events on them, and those whose figures became others."""
    values: dict[str, Any] = {
        "days": list(days),
        "start": present.start_of(days[0]),
        "end": present.start_of(days[-1] + dt.timedelta(days=1)),
        "zone": present.zone.key,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)
        changed = {account for (account,) in cursor.fetchall()}
        for statement in (_SEEN_USERS, _SEEN_ACCOUNTS):
            cursor.execute(statement, values)
        cursor.execute(_ACCOUNTS, values)
        return {account for (account,) in cursor.fetchall()}, changed
