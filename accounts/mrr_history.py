"""The MRR of accounts by day: a row for each day on which it changed, kept by every refresh.

An account that is met for the first time gets a history too, as far as its subscriptions tell it: each counts from its
start to its end, with the MRR and the status that were recorded for the time. Terms that were told later are those told
first, and a contract that was cancelled later ran while it ran, as for the past days of rules (`accounts.past`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db import connection, transaction

from core.clock import Moment
from core.ids import Ids

LONGEST = dt.timedelta(days=400)  # how far back the history of a new account is made
_NEW = """
SELECT a.id FROM accounts_account AS a
WHERE (%(all)s OR a.id = ANY(%(ids)s::bigint[]))
  AND NOT EXISTS (SELECT FROM accounts_mrrday AS d WHERE d.account_id = a.id)
"""
_TOLD = """(SELECT c.new #>> '{{}}' FROM accounts_attributechange AS c
    WHERE c.subject = 'subscription' AND c.object_id = s.id AND c.key = '{key}' {until}
    ORDER BY c.at {way}, c.id {way} LIMIT 1)"""


def _told(key: str) -> str:
    """What was told of a subscription by the end of a day, or first of all; in SQL."""
    then = _TOLD.format(key=key, until="AND c.at < days.until", way="DESC")
    return f"coalesce({then}, {_TOLD.format(key=key, until='', way='ASC')}, s.{key}::text)"


_RECALL = f"""
WITH met AS MATERIALIZED ({_NEW}),
sold AS MATERIALIZED (
    SELECT s.id, s.account_id, s.mrr, s.status, s.currency, s.starts_on, s.ends_on
    FROM accounts_subscription AS s JOIN met ON met.id = s.account_id
    WHERE s.starts_on < %(today)s AND (s.ends_on IS NULL OR s.ends_on >= %(first)s)
),
days AS MATERIALIZED (
    SELECT DISTINCT account_id, greatest(day, %(first)s) AS day,
           (greatest(day, %(first)s) + 1)::timestamp AT TIME ZONE %(zone)s AS until
    FROM (
        SELECT account_id, starts_on FROM sold
        UNION ALL SELECT account_id, ends_on + 1 FROM sold WHERE ends_on IS NOT NULL
        UNION ALL SELECT sold.account_id, (c.at AT TIME ZONE %(zone)s)::date
        FROM sold JOIN accounts_attributechange AS c
            ON c.subject = 'subscription' AND c.object_id = sold.id AND c.key IN ('mrr', 'status')
    ) AS moved (account_id, day)
    WHERE day < %(today)s
),
priced AS (
    SELECT days.account_id, days.day, round({_told("mrr")}::numeric * rate.rate, 2) AS mrr,
           state.kind = 'active' OR (state.kind IN ('cancelled', 'suspended') AND NOT EXISTS (
               SELECT FROM accounts_attributechange AS c
               WHERE c.subject = 'subscription' AND c.object_id = s.id AND c.key = 'status' AND c.at < days.until
           )) AS counts
    FROM days JOIN sold AS s ON s.account_id = days.account_id AND s.starts_on <= days.day
        AND (s.ends_on IS NULL OR s.ends_on >= days.day)
    LEFT JOIN accounts_subscriptionstatus AS state ON state.key = {_told("status")}
    LEFT JOIN accounts_exchangerate AS rate ON rate.currency = s.currency
),
summed AS (
    SELECT days.account_id, days.day, coalesce(sum(priced.mrr) FILTER (WHERE priced.counts), 0) AS mrr
    FROM days LEFT JOIN priced USING (account_id, day) GROUP BY 1, 2
)
INSERT INTO accounts_mrrday (account_id, day, mrr, recalled)
SELECT account_id, day, mrr, true FROM (
    SELECT *, lag(mrr) OVER (PARTITION BY account_id ORDER BY day) AS was FROM summed
) AS told WHERE mrr IS DISTINCT FROM was
ON CONFLICT (account_id, day) DO NOTHING
"""  # noqa: S608  # constants of this module
_KEEP = """
INSERT INTO accounts_mrrday (account_id, day, mrr, recalled)
SELECT a.id, %(today)s, a.mrr, false
FROM accounts_account AS a LEFT JOIN LATERAL (
    SELECT d.day, d.mrr FROM accounts_mrrday AS d
    WHERE d.account_id = a.id AND d.day <= %(today)s ORDER BY d.day DESC LIMIT 1
) AS last ON true
WHERE (%(all)s OR a.id = ANY(%(ids)s::bigint[]))
  AND CASE WHEN last.day IS NULL THEN a.mrr IS NOT NULL ELSE a.mrr IS DISTINCT FROM last.mrr END
ORDER BY a.id
ON CONFLICT (account_id, day) DO UPDATE SET mrr = EXCLUDED.mrr, recalled = false
"""


@transaction.atomic
def keep_mrr(now: Moment, accounts: Collection[int] | None = None) -> int:
    """Keep what accounts (primary keys; None: all) are worth today, where it differs from the day before; how many.

    Call it after `accounts.billing.roll_up_billing`. Those that are met for the first time get their past too.
    """
    values: dict[str, Any] = {
        "today": now.today, "first": now.today - LONGEST, "zone": now.zone.key, "all": accounts is None,
        "ids": Ids.of(accounts or ()).array,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_RECALL, values)
        cursor.execute(_KEEP, values)
        return cursor.rowcount
