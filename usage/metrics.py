"""The newest usage numbers of every account, in one statement.

A user is active in the last N days if seen in the account on one of the last N local days, today included. Any event of
the account is a sign of life (`last_seen_at`, kept by the roll-up), also one without a user.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db import connection

from core.clock import Moment
from core.ids import Ids

_REFRESH = """
WITH users AS (
    SELECT account_id,
           count(*) FILTER (WHERE last_seen_at >= %(d7)s) AS d7,
           count(*) FILTER (WHERE last_seen_at >= %(d30)s) AS d30,
           count(*) AS d90
    FROM usage_useractivity
    WHERE last_seen_at >= %(d90)s AND (%(all)s OR account_id = ANY(%(ids)s::bigint[]))
    GROUP BY account_id
), events AS (
    SELECT account_id, least(sum(count), 2147483647)::int AS events, count(DISTINCT day)::smallint AS days
    FROM usage_dailyusage
    WHERE day BETWEEN %(first_day)s AND %(today)s AND (%(all)s OR account_id = ANY(%(ids)s::bigint[]))
    GROUP BY account_id
), wanted AS (
    SELECT a.id, coalesce(u.d7, 0)::int AS d7, coalesce(u.d30, 0)::int AS d30, coalesce(u.d90, 0)::int AS d90,
           coalesce(e.events, 0) AS events, coalesce(e.days, 0)::smallint AS days
    FROM accounts_account a
    LEFT JOIN users u ON u.account_id = a.id
    LEFT JOIN events e ON e.account_id = a.id
    WHERE a.archived_at IS NULL AND (%(all)s OR a.id = ANY(%(ids)s::bigint[]))
)
INSERT INTO usage_accountusage AS now (account_id, active_users_7d, active_users_30d, active_users_90d, events_30d,
                                       active_days_30d)
SELECT w.id, w.d7, w.d30, w.d90, w.events, w.days
FROM wanted w LEFT JOIN usage_accountusage old ON old.account_id = w.id
WHERE old.account_id IS NULL
   OR (old.active_users_7d, old.active_users_30d, old.active_users_90d, old.events_30d, old.active_days_30d)
      IS DISTINCT FROM (w.d7, w.d30, w.d90, w.events, w.days)
ORDER BY w.id
ON CONFLICT (account_id) DO UPDATE
SET active_users_7d = EXCLUDED.active_users_7d, active_users_30d = EXCLUDED.active_users_30d,
    active_users_90d = EXCLUDED.active_users_90d, events_30d = EXCLUDED.events_30d,
    active_days_30d = EXCLUDED.active_days_30d
RETURNING account_id
"""


def refresh_metrics(present: Moment, accounts: Collection[int] | None = None) -> set[int]:
    """Bring the usage numbers of every live account (or of some) up to date; returns the accounts that changed."""

    def first_instant(days: int) -> dt.datetime:
        return present.start_of(present.today - dt.timedelta(days=days - 1))

    values: dict[str, Any] = {
        "d7": first_instant(7),
        "d30": first_instant(30),
        "d90": first_instant(90),
        "first_day": present.today - dt.timedelta(days=29),
        "today": present.today,
        "all": accounts is None,
        "ids": Ids.of(accounts or ()).array,
    }
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, values)
        return {account for (account,) in cursor.fetchall()}
