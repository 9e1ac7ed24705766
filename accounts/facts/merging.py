"""Making two users one: what is known of the old one is told again about the present one, each value with its time.

It is lent to the present one, because the same id may turn out to have become somebody else's.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from accounts.facts.base import Fact
from accounts.facts.people import MARKS, OUT, Departure, RelationshipFact, marks_of, record_relationships
from accounts.facts.rows import record_users
from accounts.facts.shapes import RELATIONSHIP, USER, Shape
from accounts.facts.values import jsonable
from accounts.models import EndUser, Relationship

Told = Fact | RelationshipFact


def merge_users(old: EndUser, into: EndUser, *, source: str, lent: bool = True) -> set[int]:
    """Take over a user's values and relationships; the accounts (primary keys) that are concerned.

    Per value the newer of the two stays. What was itself lent to the old user is left out without `lent`. The old row
    is left to the caller, with what else refers to it.
    """
    told = [_about(into.external_id, fact) for fact in facts_of(old) if lent or not fact.lent]
    facts = [fact for fact in told if isinstance(fact, Fact)]
    if facts:
        record_users(facts, source=source)
    belonging = [fact for fact in told if isinstance(fact, RelationshipFact)]
    left = [Departure(into.external_id, dt.datetime.fromisoformat(at)) for at in old.departed or ()]
    if belonging or left:
        record_relationships(belonging, source=source, departures=left)
    return set(Relationship.objects.filter(user=old).values_list("account_id", flat=True))


def facts_of(user: EndUser) -> Iterator[Told]:
    """All that is known of a user, each value by itself; it is `lent` where it was lent to this user."""
    for key, value, at, lent in _values(USER, user):
        yield Fact(user.external_id, {key: value}, at, lent)
    by_account: dict[str, list[Relationship]] = defaultdict(list)
    for row in Relationship.objects.filter(user=user).select_related("account").order_by("id"):
        by_account[row.account.external_id].append(row)
    for account, rows in by_account.items():
        yield from _belonging(user.external_id, account, rows)


def _about(user: str, fact: Told) -> Told:
    if isinstance(fact, Fact):
        return replace(fact, external_id=user, lent=True)
    return replace(fact, user=user, lent=True)


def _belonging(user: str, account: str, rows: Sequence[Relationship]) -> Iterator[RelationshipFact]:
    """The marks of a pair, and its values."""
    for lent, marks in zip((False, True), marks_of(rows), strict=True):
        for at, kind in sorted(marks):
            yield RelationshipFact(user, account, at, {}, ended_at=at if kind == OUT else None, lent=lent)
    for row in rows:
        for key, value, at, lent in _values(RELATIONSHIP, row):
            ended = at if row.ended_at == at else None
            yield RelationshipFact(user, account, at, {key: value}, ended_at=ended, lent=lent)


def _values(shape: Shape, row: Any) -> Iterator[tuple[str, Any, dt.datetime, bool]]:
    """Each value with its time and whether it is lent, and those that lie beneath lent ones."""
    for key, stamp in row.stamps.items():
        if key in MARKS:
            continue
        at, _, *beneath = stamp
        yield key, jsonable(shape.read(row, key)), dt.datetime.fromisoformat(at), bool(beneath)
        if beneath and beneath[0] and beneath[0][1]:
            yield key, beneath[0][0], dt.datetime.fromisoformat(beneath[0][1]), False
