"""Segments that a rule that is being edited is like: the same members, or all of the rule's own and more.

Comparing with every segment would cost more than the preview itself. So a few drawn members of those that match are
looked up first: a segment that lacks one of them contains the rule not, and of the others the smallest are counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from segments.limits import in_time
from segments.models import Segment
from segments.questions import Preview, Question, named_in, seen_members
from segments.rules.nodes import segments_of

LIMIT_MS = 400  # for all of it; past it nothing is said
MOST = 4  # segments that are counted
_WITH_ALL = """
SELECT segment_id FROM {table}
WHERE {column} = ANY(%s::bigint[]) AND segment_id = ANY(%s::bigint[]) AND left_at IS NULL
GROUP BY 1 HAVING count(*) = %s
"""
_SHARED = """
WITH matched AS MATERIALIZED ({matched})
SELECT segment_id, count(*) FROM {table} JOIN matched AS one (id) ON one.id = {column}
WHERE segment_id = ANY(%s::bigint[]) AND left_at IS NULL GROUP BY 1
"""


def alike(
    question: Question, seen: Preview, base: QuerySet[Any], segment: Segment | None = None
) -> list[tuple[Segment, bool]]:
    """Segments that contain all that a rule matches among some rows, the smallest first, and whether that is all that
    they contain of them. Those that name the segment being edited, or that the rule names, are meant so."""
    if not seen.count or not question.rule.rules:
        return []
    until = time.monotonic() + LIMIT_MS / 1000
    others = _comparable(question, segment)
    with_all = (in_time(until, partial(_that_contain, question, seen.some, others)) or set()) if others else set()
    tried = sorted((one for one in others if one.pk in with_all), key=lambda one: (one.member_count, one.pk))[:MOST]
    shared = (in_time(until, partial(_shared, question, base, tried)) or {}) if tried else {}
    found = []
    for one in tried:
        if shared.get(one.pk) != seen.count:
            continue
        size = in_time(until, seen_members(base, one).count) if one.member_count > seen.count else seen.count
        if size is not None:
            found.append((one, size == seen.count))
    return found


def _comparable(question: Question, segment: Segment | None) -> list[Segment]:
    named, own = segments_of(question.rule), segment.key if segment else None
    rows = Segment.objects.filter(subject=question.members.subject, active=True)
    return [
        one for one in rows if one.key != own and one.key not in named and own not in named_in(one.rule) and not one.due
    ]


def _that_contain(question: Question, ids: Sequence[int], others: Sequence[Segment]) -> set[int]:
    """Those of the segments in which all of these members are."""
    members = question.members
    statement = _WITH_ALL.format(table=members.memberships._meta.db_table, column=f"{members.column}_id")
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(ids), [one.pk for one in others], len(ids)])
        return {pk for (pk,) in cursor.fetchall()}


def _shared(question: Question, base: QuerySet[Any], others: Sequence[Segment]) -> dict[int, int]:
    """How many of those that match are in each of these segments."""
    members = question.members
    sql, params = members.ids(question.matching(base)).distinct().query.sql_with_params()
    table = members.memberships._meta.db_table
    with connection.cursor() as cursor:
        statement = _SHARED.format(matched=sql, table=table, column=f"{members.column}_id")
        cursor.execute(statement, [*params, [one.pk for one in others]])
        return dict(cursor.fetchall())
