"""The one statement that turns a rule into membership: compare, close, open.

Every refresh, whatever started it, ends here. The comparison is a FULL JOIN, whose cost does not depend on statistics
that a new segment does not have yet (NOT EXISTS was seen to run for minutes). The caller holds the segment's lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Account
from segments.models import AccountMembership, Segment, SegmentRefresh

_DIFF = """
WITH matched AS MATERIALIZED ({matched}),
stored AS (
    SELECT id, account_id FROM {table} WHERE segment_id = %s AND left_at IS NULL {narrowed}
),
difference AS (
    SELECT matched.id AS account_id, stored.id AS membership_id
    FROM matched FULL JOIN stored ON stored.account_id = matched.id
    WHERE matched.id IS NULL OR stored.id IS NULL
),
closed AS (
    UPDATE {table} SET left_at = greatest(%s, entered_at), closed_by_id = %s
    WHERE id IN (SELECT membership_id FROM difference WHERE account_id IS NULL)
    RETURNING 1
),
opened AS (
    INSERT INTO {table} (segment_id, account_id, entered_at, opened_by_id)
    SELECT %s, account_id, %s, %s FROM difference WHERE membership_id IS NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM opened), (SELECT count(*) FROM closed), count(*), coalesce(sum(mrr), 0) FROM matched
"""


@dataclass(frozen=True)
class Difference:
    """How many accounts joined and left; how many match, with their MRR (of those looked at)."""

    joined: int
    left: int
    matched: int
    mrr: Decimal


def apply(
    segment: Segment,
    matched: QuerySet[Account],
    *,
    refresh: SegmentRefresh,
    now: dt.datetime,
    accounts: Sequence[int] | None = None,
) -> Difference:
    """Make the stored members of a segment those of a query, closing and opening intervals.

    `accounts` narrows both sides to these ids (after new data); None means every account. Running it again changes
    nothing.
    """
    base = matched if accounts is None else matched.filter(pk__in=accounts)
    try:
        sql, params = base.order_by().values_list("pk", "mrr").query.sql_with_params()
        sql = f'SELECT "id", "mrr" FROM ({sql}) AS answer ("id", "mrr")'  # noqa: S608  (compiled, with bound values)
    except EmptyResultSet:
        sql, params = "SELECT NULL::bigint AS id, NULL::numeric AS mrr WHERE FALSE", ()
    narrowed = "" if accounts is None else "AND account_id = ANY(%s)"
    statement = _DIFF.format(matched=sql, table=AccountMembership._meta.db_table, narrowed=narrowed)
    ids = [] if accounts is None else [list(accounts)]
    values = [*params, segment.pk, *ids, now, refresh.pk, segment.pk, now, refresh.pk]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return Difference(*cursor.fetchone())
