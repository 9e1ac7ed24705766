"""The one statement that turns a rule into membership: compare, close, open.

Every refresh, whatever started it, ends here. The comparison is a FULL JOIN, whose cost does not depend on statistics
that a new segment does not have yet (NOT EXISTS was seen to run for minutes). Pins are laid over the rule's answer in
the same statement, so that no moment exists in which one counts and the other does not. The caller holds the
segment's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet

from accounts.models import Account
from core.clock import Moment
from segments.models import AccountMembership, Pin, Segment, SegmentRefresh
from segments.rules.sql import OneOf

_DIFF = """
WITH rule AS ({matched}), held AS ({held}), lifted AS ({lifted}),
matched AS MATERIALIZED (
    SELECT coalesce(rule.id, held.id) AS id, coalesce(rule.mrr, held.mrr) AS mrr, rule.id IS NULL AS by_hand, held.pin
    FROM rule FULL JOIN held ON held.id = rule.id
    WHERE held.kind IS DISTINCT FROM 'out'
),
stored AS (
    SELECT id, account_id FROM {table} WHERE segment_id = %s AND left_at IS NULL {narrowed}
),
difference AS (
    SELECT matched.id AS account_id, stored.id AS membership_id, CASE WHEN by_hand THEN pin END AS pin
    FROM matched FULL JOIN stored ON stored.account_id = matched.id
    WHERE matched.id IS NULL OR stored.id IS NULL
),
closed AS (
    UPDATE {table} AS stay SET left_at = greatest(%s, entered_at), closed_by_id = %s, closed_pin_id = coalesce(
        (SELECT pin FROM held WHERE held.id = stay.account_id AND kind = 'out'),
        (SELECT pin FROM lifted WHERE lifted.id = stay.account_id AND kind = 'in'))
    WHERE id IN (SELECT membership_id FROM difference WHERE account_id IS NULL)
    RETURNING 1
),
opened AS (
    INSERT INTO {table} (segment_id, account_id, entered_at, opened_by_id, opened_pin_id)
    SELECT %s, account_id, %s, %s, coalesce(difference.pin, lifted.pin)
    FROM difference LEFT JOIN lifted ON lifted.id = difference.account_id AND lifted.kind = 'out'
    WHERE membership_id IS NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM opened), (SELECT count(*) FROM closed), count(*), coalesce(sum(mrr), 0) FROM matched
"""
# The pins that decide today, and the newest of an account that stopped deciding since the last refresh.
_HELD = """
    SELECT account.id, account.mrr, pin.id AS pin, pin.kind
    FROM {pins} AS pin JOIN {accounts} AS account ON account.id = pin.account_id
    WHERE pin.segment_id = %s AND pin.ended_at IS NULL AND (pin.until IS NULL OR pin.until >= %s)
    AND account.archived_at IS NULL {narrowed}
"""
_LIFTED = """
    SELECT DISTINCT ON (account_id) account_id AS id, id AS pin, kind FROM {pins}
    WHERE segment_id = %s AND (ended_at > %s OR (ended_at IS NULL AND until < %s AND until >= %s))
    ORDER BY account_id, id DESC
"""
_NOBODY = "SELECT NULL::bigint AS id, NULL::numeric AS mrr, NULL::bigint AS pin, NULL::text AS kind WHERE FALSE"


@dataclass(frozen=True)
class Difference:
    """How many accounts joined and left; how many are members, with their MRR (of those looked at)."""

    joined: int
    left: int
    matched: int
    mrr: Decimal


def apply(
    segment: Segment,
    matched: QuerySet[Account],
    *,
    refresh: SegmentRefresh,
    now: Moment,
    accounts: Sequence[int] | None = None,
) -> Difference:
    """Make the stored members of a segment those of a query, with its pins, closing and opening intervals.

    `accounts` narrows both sides to these ids (after new data); None means every account. Running it again changes
    nothing.
    """
    base = matched if accounts is None else matched.filter(OneOf(F("pk"), accounts))
    try:
        sql, params = base.order_by().values_list("pk", "mrr").query.sql_with_params()
        sql = f'SELECT "id", "mrr" FROM ({sql}) AS answer ("id", "mrr")'  # noqa: S608  (compiled, with bound values)
    except EmptyResultSet:
        sql, params = _NOBODY, ()
    ids = [] if accounts is None else [list(accounts)]
    held, held_values = _held(segment, now, ids)
    lifted, lifted_values = _lifted(segment, now)
    narrowed = "AND account_id = ANY(%s)" if ids else ""
    table = AccountMembership._meta.db_table
    statement = _DIFF.format(matched=sql, held=held, lifted=lifted, table=table, narrowed=narrowed)
    values = [*params, *held_values, *lifted_values]
    values += [segment.pk, *ids, now.now, refresh.pk, segment.pk, now.now, refresh.pk]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return Difference(*cursor.fetchone())


def _held(segment: Segment, now: Moment, ids: list[list[int]]) -> tuple[str, list[Any]]:
    """The pins that decide; a segment that is switched off has no members, pinned or not."""
    if not segment.active:
        return _NOBODY, []
    narrowed = "AND account.id = ANY(%s)" if ids else ""
    sql = _HELD.format(pins=Pin._meta.db_table, accounts=Account._meta.db_table, narrowed=narrowed)
    return sql, [segment.pk, now.today, *ids]


def _lifted(segment: Segment, now: Moment) -> tuple[str, list[Any]]:
    """The pins whose end may be why somebody joins or leaves now."""
    since = segment.refreshed_at
    if since is None or not segment.active:
        return _NOBODY, []
    since_day = since.astimezone(now.zone).date()
    return _LIFTED.format(pins=Pin._meta.db_table), [segment.pk, since, now.today, since_day]
