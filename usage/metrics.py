"""The newest usage numbers of every account, in one statement.

A user is active in the last N days if seen in the account on one of the last N local days, today included. Any event of
the account is a sign of life (`last_seen_at`, kept by the roll-up), also one without a user, but not one that a server
sent about a user who was not there; that one counts among the events and their kinds only. Which days were active is
read from the months in which they are kept as bits; a mask for each month says which of its days lie in which period.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

from django.db import connection

from core.clock import Moment
from core.ids import Ids
from usage.recent import CURRENT

# The periods in days ago, both ends included; 0 is today.
PERIODS = {"last30": (0, 29), "before30": (30, 59), "last90": (0, 89), "before90": (90, 179), "half_year": (0, 179)}
# In the order in which the statement below yields them.
COLUMNS = (
    "active_users_7d", "active_users_30d", "active_users_90d", "active_users_365d", "active_users_before_30d",
    "active_users_before_90d", "user_days_90d", "busiest_user_days_90d", "active_days_30d", "active_days_90d",
    "active_days_before_30d", "active_days_before_90d", "active_span_180d", "event_kinds_30d", "event_kinds_90d",
    "events_30d",
)  # fmt: skip
_MINE = "(%(all)s OR account_id = ANY(%(ids)s::bigint[]))"
_BITS = "bit_count((days & {period})::bit(32))"
_CURRENT = CURRENT.format(today="%(today)s")
_FIGURES = f"""
seen AS (
    SELECT account_id,
           count(*) FILTER (WHERE last_seen_at >= %(from7)s)::int AS users7,
           count(*) FILTER (WHERE last_seen_at >= %(from30)s)::int AS users30,
           count(*) FILTER (WHERE last_seen_at >= %(from90)s)::int AS users90,
           count(*)::int AS users365
    FROM usage_useractivity WHERE last_seen_at >= %(from365)s AND {_MINE} GROUP BY account_id
), masks AS (
    SELECT * FROM unnest(%(months)s::date[], {", ".join(f"%({name})s::int[]" for name in PERIODS)})
        AS mask (month, {", ".join(PERIODS)})
), active AS MATERIALIZED (
    SELECT account_id, user_id, days, mask.* FROM usage_activemonth JOIN masks AS mask USING (month)
    WHERE usage_activemonth.month >= %(first_month)s AND days & half_year <> 0 AND {_MINE}
), by_user AS (
    SELECT account_id, user_id, bit_or(days & before30) <> 0 AS before30, bit_or(days & before90) <> 0 AS before90,
           sum({_BITS.format(period="last90")})::int AS days90
    FROM active WHERE user_id IS NOT NULL GROUP BY account_id, user_id
), people AS (
    SELECT account_id, count(*) FILTER (WHERE before30)::int AS before30,
           count(*) FILTER (WHERE before90)::int AS before90, sum(days90)::int AS days, max(days90)::smallint AS busiest
    FROM by_user GROUP BY account_id
), by_month AS (
    SELECT account_id, month, bit_or(days) AS days FROM active GROUP BY account_id, month
), by_day AS (
    SELECT account_id,
           {", ".join(f"sum({_BITS.format(period=name)})::smallint AS {name}" for name in PERIODS)},
           (max(month + (31 - position(B'1' IN (days & half_year)::bit(31))))  -- the highest bit is the last day
            - min(month + (31 - position(B'1' IN (days & half_year & -(days & half_year))::bit(31)))))::smallint AS span
    FROM by_month JOIN masks USING (month) GROUP BY account_id
), counts AS (
    SELECT account_id, count(*) FILTER (WHERE days = 30)::smallint AS kinds30,
           count(*) FILTER (WHERE days = 90)::smallint AS kinds90,
           least(coalesce(sum(count) FILTER (WHERE days = 30), 0), 2147483647)::int AS events
    FROM usage_recentcount WHERE {_CURRENT} AND day = %(today)s AND days IN (30, 90) AND {_MINE} GROUP BY account_id
    UNION ALL
    SELECT account_id, count(DISTINCT name_id) FILTER (WHERE day >= %(day30)s)::smallint,
           count(DISTINCT name_id)::smallint,
           least(coalesce(sum(count) FILTER (WHERE day >= %(day30)s), 0), 2147483647)::int
    FROM usage_dailyusage WHERE NOT {_CURRENT} AND day BETWEEN %(day90)s AND %(today)s AND {_MINE} GROUP BY account_id
)
"""  # noqa: S608  # constants of this module
_VALUES = (
    "seen.users7", "seen.users30", "seen.users90", "seen.users365", "people.before30", "people.before90",
    "people.days", "people.busiest", "by_day.last30", "by_day.last90", "by_day.before30", "by_day.before90",
    "by_day.span", "counts.kinds30", "counts.kinds90", "counts.events",
)  # fmt: skip
# How far back in days the months are read for a column.
_REACH = {
    "active_users_before_30d": 59, "active_users_before_90d": 179, "user_days_90d": 89, "busiest_user_days_90d": 89,
    "active_days_30d": 29, "active_days_90d": 89, "active_days_before_30d": 59, "active_days_before_90d": 179,
    "active_span_180d": 179,
}  # fmt: skip
# Parts that no value asks for are not computed.
_REFRESH = f"""
WITH {_FIGURES}, wanted (account_id, {", ".join(COLUMNS)}) AS (
    SELECT a.id, {{values}}
    FROM accounts_account AS a {{parts}}
    WHERE a.archived_at IS NULL AND (%(all)s OR a.id = ANY(%(ids)s::bigint[]))
)
INSERT INTO usage_accountusage AS now (account_id, {", ".join(COLUMNS)})
SELECT w.* FROM wanted AS w LEFT JOIN usage_accountusage AS old ON old.account_id = w.account_id
WHERE old.account_id IS NULL
   OR ({", ".join(f"old.{name}" for name in COLUMNS)}) IS DISTINCT FROM ({", ".join(f"w.{name}" for name in COLUMNS)})
ORDER BY w.account_id
ON CONFLICT (account_id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS)}
RETURNING account_id
"""  # noqa: S608  # likewise


def refresh_metrics(
    present: Moment, accounts: Collection[int] | None = None, *, columns: Collection[str] = COLUMNS
) -> set[int]:
    """Bring the usage numbers of every live account (or of some) up to date; returns the accounts that changed.

    Whoever looks at some `columns` alone (a replay of the past) leaves the others at 0, and their work undone.
    """
    today = present.today
    values: dict[str, Any] = {f"from{n}": present.start_of(days_ago(today, n - 1)) for n in (7, 30, 90, 365)}
    values |= {"day30": days_ago(today, 29), "day90": days_ago(today, 89), "today": today}
    reach = max((_REACH.get(name, 0) for name in columns), default=0)
    values |= masks(today, reach) | {"all": accounts is None, "ids": Ids.of(accounts or ()).array}
    with connection.cursor() as cursor:
        cursor.execute(_statement(columns), values)
        return {account for (account,) in cursor.fetchall()}


def _statement(columns: Collection[str]) -> str:
    read = {name: value for name, value in zip(COLUMNS, _VALUES, strict=True) if name in columns}
    parts = dict.fromkeys(value.partition(".")[0] for value in read.values())
    return _REFRESH.format(
        values=", ".join(f"coalesce({read[name]}, 0)" if name in read else "0" for name in COLUMNS),
        parts=" ".join(f"LEFT JOIN {part} ON {part}.account_id = a.id" for part in parts),
    )


def days_ago(today: dt.date, days: int) -> dt.date:
    """The day so many days before."""
    return today - dt.timedelta(days=days)


def masks(today: dt.date, reach: int = PERIODS["half_year"][1]) -> dict[str, Any]:
    """The months of the last half year (or of `reach` days), and for each period the bits of those days of each month
    that lie in it."""
    months = list(_months(days_ago(today, reach), today))
    found: dict[str, Any] = {"months": months, "first_month": months[0]}
    for name, (near, far) in PERIODS.items():
        first, last = days_ago(today, far), days_ago(today, near)
        found[name] = [
            sum(1 << bit for bit in range(31) if first <= month + dt.timedelta(days=bit) <= last) for month in months
        ]
    return found


def _months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
