"""Making two users one: what is known of the old one is told again about the present one, each value with its time."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from accounts.facts.base import Fact
from accounts.facts.people import MARKS, NO_START, OUT, Departure, RelationshipFact, marks_of, record_relationships
from accounts.facts.rows import record_users
from accounts.facts.shapes import RELATIONSHIP, USER, Shape
from accounts.facts.values import jsonable
from accounts.models import EndUser, Relationship


def merge_users(old: EndUser, into: EndUser, *, source: str, lent: bool = True) -> set[int]:
    """Take over a user's values and relationships; the accounts (primary keys) that are concerned.

    Per value the newer of the two stays. What was lent to the old user stays lent, or is left out without `lent`. The
    old row is left to the caller, with what else refers to it.
    """
    facts = [
        Fact(into.external_id, {key: value}, at, is_lent)
        for key, value, at, is_lent in _values(USER, old)
        if lent or not is_lent
    ]
    if facts:
        record_users(facts, source=source)
    left = [Departure(into.external_id, dt.datetime.fromisoformat(at)) for at in old.departed or ()]
    by_account: dict[str, list[Relationship]] = defaultdict(list)
    for row in Relationship.objects.filter(user=old).select_related("account").order_by("id"):
        by_account[row.account.external_id].append(row)
    told = [
        fact
        for account, rows in by_account.items()
        for fact in _belonging(into.external_id, account, rows)
        if lent or not fact.lent
    ]
    if told or left:
        record_relationships(told, source=source, departures=left)
    return {rows[0].account_id for rows in by_account.values()}


def _belonging(user: str, account: str, rows: Sequence[Relationship]) -> Iterator[RelationshipFact]:
    """The marks of a pair, and its values."""
    for is_lent, marks in zip((False, True), marks_of(rows), strict=True):
        for at, kind in marks:
            yield RelationshipFact(user, account, at, {}, ended_at=at if kind == OUT else None, lent=is_lent)
    for row in rows:
        start = None if NO_START in row.stamps else row.started_at
        for key, value, at, is_lent in _values(RELATIONSHIP, row):
            if is_lent:
                yield RelationshipFact(user, account, at, {key: value}, lent=True)
            else:
                yield RelationshipFact(user, account, at, {key: value}, start, row.ended_at)


def _values(shape: Shape, row: Any) -> Iterator[tuple[str, Any, dt.datetime, bool]]:
    """Each value with its time and whether it is lent, and those that lie beneath lent ones."""
    for key, stamp in row.stamps.items():
        if key in MARKS:
            continue
        at, _, *beneath = stamp
        yield key, jsonable(shape.read(row, key)), dt.datetime.fromisoformat(at), bool(beneath)
        if beneath and beneath[0] and beneath[0][1]:
            yield key, beneath[0][0], dt.datetime.fromisoformat(beneath[0][1]), False
