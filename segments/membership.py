"""The one statement that turns a rule into membership: compare, close, open.

Every refresh, whatever started it, ends here. The comparison is a FULL JOIN, whose cost does not depend on statistics
that a new segment does not have yet (NOT EXISTS was seen to run for minutes). Pins are laid over the rule's answer in
the same statement, so that no moment exists in which one counts and the other does not. The caller holds the
segment's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet

from core.clock import Moment
from core.ids import Ids, OneOf
from segments.models import Pin, Segment, SegmentRefresh
from segments.subjects import Members, members_of

_DIFF = """
WITH rule AS ({matched}), held AS ({held}), lifted AS ({lifted}),
matched AS MATERIALIZED (
    SELECT coalesce(rule.id, held.id) AS id, coalesce(rule.mrr, held.mrr) AS mrr, rule.id IS NULL AS by_hand, held.pin
    FROM rule FULL JOIN held ON held.id = rule.id
    WHERE held.kind IS DISTINCT FROM 'out'
),
stored AS (
    SELECT id, {member} AS member FROM {table} WHERE segment_id = %s AND left_at IS NULL {narrowed}
),
difference AS (
    SELECT matched.id AS joins, stored.id AS membership_id, coalesce(matched.id, stored.member) AS member,
           CASE WHEN by_hand THEN pin END AS pin
    FROM matched FULL JOIN stored ON stored.member = matched.id
    WHERE matched.id IS NULL OR stored.id IS NULL
),
closed AS (
    UPDATE {table} AS stay SET left_at = greatest(%s, entered_at), closed_by_id = %s, closed_pin_id = coalesce(
        (SELECT pin FROM held WHERE held.id = stay.{member} AND kind = 'out'),
        (SELECT pin FROM lifted WHERE lifted.id = stay.{member} AND kind = 'in'))
    WHERE id IN (SELECT membership_id FROM difference WHERE joins IS NULL)
    RETURNING 1
),
opened AS (
    INSERT INTO {table} (segment_id, {member}, entered_at, opened_by_id, opened_pin_id)
    SELECT %s, joins, %s, %s, coalesce(difference.pin, lifted.pin)
    FROM difference LEFT JOIN lifted ON lifted.id = joins AND lifted.kind = 'out'
    WHERE membership_id IS NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM opened), (SELECT count(*) FROM closed), count(*), coalesce(sum(mrr), 0),
       ARRAY(SELECT member FROM difference WHERE %s)
FROM matched
"""
# The pins that decide today, and the newest of a member that stopped deciding since the last refresh.
_HELD = """
    SELECT live.id, live.mrr, pin.id AS pin, pin.kind
    FROM {pins} AS pin JOIN ({live}) AS live ("id", "mrr") ON live.id = pin.{member}
    WHERE pin.segment_id = %s AND pin.ended_at IS NULL AND (pin.until IS NULL OR pin.until >= %s)
"""
_LIFTED = """
    SELECT DISTINCT ON ({member}) {member} AS id, id AS pin, kind FROM {pins}
    WHERE segment_id = %s AND (ended_at > %s OR (ended_at IS NULL AND until < %s AND until >= %s))
    ORDER BY {member}, id DESC
"""
_NOBODY = "SELECT NULL::bigint AS id, NULL::numeric AS mrr, NULL::bigint AS pin, NULL::text AS kind WHERE FALSE"


@dataclass(frozen=True)
class Difference:
    """How many joined and left; how many are members, with their MRR (of those looked at). `moved` says who joined or
    left, if that was asked for."""

    joined: int
    left: int
    matched: int
    mrr: Decimal
    moved: list[int]


def apply(
    segment: Segment,
    matched: QuerySet[Any],
    *,
    refresh: SegmentRefresh,
    now: Moment,
    only: Ids | None = None,
    told: bool = False,
) -> Difference:
    """Make the stored members of a segment those of a query, with its pins, closing and opening intervals.

    `matched` are rows that the segment's rule is asked of. `only` narrows both sides to these members (after new
    data); None means every one. `told`: also say who joined or left. Running it again changes nothing.
    """
    members = members_of(segment)
    base = matched if only is None else matched.filter(OneOf(F(members.pk), only))
    sql, params = _answer(members, base)
    ids = [] if only is None else [only.array]
    held, held_values = _held(segment, members, now, only)
    lifted, lifted_values = _lifted(segment, members, now)
    column, table = f"{members.column}_id", members.memberships._meta.db_table
    # Nothing joins with these rows one by one, so the array is hashed once instead of each being looked up.
    narrowed = f"AND {column} = ANY(%s::bigint[])" if ids else ""
    statement = _DIFF.format(matched=sql, held=held, lifted=lifted, table=table, member=column, narrowed=narrowed)
    values = [*params, *held_values, *lifted_values]
    values += [segment.pk, *ids, now.now, refresh.pk, segment.pk, now.now, refresh.pk, told]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return Difference(*cursor.fetchone())


def _answer(members: Members, rows: QuerySet[Any]) -> tuple[str, list[Any]]:
    """The members behind some rows, with their MRR, as SQL."""
    try:
        sql, params = members.id_and_mrr(rows).query.sql_with_params()
    except EmptyResultSet:
        return _NOBODY, []
    return f'SELECT "id", "mrr" FROM ({sql}) AS answer ("id", "mrr")', list(params)  # noqa: S608  (compiled, bound values)


def _held(segment: Segment, members: Members, now: Moment, only: Ids | None) -> tuple[str, list[Any]]:
    """The pins that decide; a segment that is switched off has no members, pinned or not."""
    if not segment.active:
        return _NOBODY, []
    column = f"{members.column}_id"
    pinned = Pin.objects.in_force(now.today).filter(segment=segment)
    if only is not None:
        pinned = pinned.filter(OneOf(F(column), only))
    live = members.live().filter(**{f"{members.pk}__in": pinned.values(column)})
    sql, params = _answer(members, live)
    if sql == _NOBODY:
        return _NOBODY, []
    return _HELD.format(pins=Pin._meta.db_table, live=sql, member=column), [*params, segment.pk, now.today]


def _lifted(segment: Segment, members: Members, now: Moment) -> tuple[str, list[Any]]:
    """The pins whose end may be why somebody joins or leaves now."""
    since = segment.refreshed_at
    if since is None or not segment.active:
        return _NOBODY, []
    since_day = since.astimezone(now.zone).date()
    sql = _LIFTED.format(pins=Pin._meta.db_table, member=f"{members.column}_id")
    return sql, [segment.pk, since, now.today, since_day]
