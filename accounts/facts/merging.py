"""Making two users one: what is known of the old one is told again about the present one, each value with its time."""

from __future__ import annotations

import datetime as dt

from accounts.facts.base import Fact
from accounts.facts.people import LAST_IN, LAST_OUT, NO_START, Departure, RelationshipFact, record_relationships
from accounts.facts.rows import record_users
from accounts.facts.shapes import RELATIONSHIP, USER
from accounts.facts.values import jsonable
from accounts.models import EndUser, Relationship

_MARKS = (LAST_IN, LAST_OUT, NO_START)


def merge_users(old: EndUser, into: EndUser, *, source: str) -> set[int]:
    """Take over a user's values and relationships; the accounts (primary keys) that are concerned.

    Per value the newer of the two stays. The old row is left to the caller, with what else refers to it.
    """
    facts = []
    for key, (at, *_) in old.stamps.items():
        facts.append(Fact(into.external_id, {key: jsonable(USER.read(old, key))}, dt.datetime.fromisoformat(at)))
    if facts:
        record_users(facts, source=source)
    told, left = [], [Departure(into.external_id, dt.datetime.fromisoformat(at)) for at in old.departed or ()]
    rows = list(Relationship.objects.filter(user=old).select_related("account").order_by("id"))
    for row in rows:
        account = row.account.external_id
        start = None if NO_START in row.stamps else row.started_at
        told.append(RelationshipFact(into.external_id, account, row.started_at, {}, start, row.ended_at))
        for key, stamp in row.stamps.items():
            if key not in _MARKS:
                values, at = {key: jsonable(RELATIONSHIP.read(row, key))}, dt.datetime.fromisoformat(stamp[0])
                told.append(RelationshipFact(into.external_id, account, at, values, start, row.ended_at))
    if told or left:
        record_relationships(told, source=source, departures=left)
    return {row.account_id for row in rows}
