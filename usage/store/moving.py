"""Stored events get another account or the user whom they lack, and what is counted of them goes with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from core.clock import moment
from core.waking import wake_evaluation
from usage.store.base import EventPlace

# An account that the sender has named is never changed.
_MOVE = """
WITH wanted AS (
    SELECT * FROM {wanted}
), before AS MATERIALIZED (
    SELECT e.id, e.at, e.account_id, e.user_id, {to_account} AS to_account, {to_user} AS to_user
    FROM usage_event e JOIN wanted ON {found} FOR UPDATE OF e
), changed AS (
    UPDATE usage_event e SET account_id = b.to_account, user_id = b.to_user,
        inferred = b.to_account IS NOT NULL AND (e.inferred OR b.account_id IS NULL)
    FROM before b
    WHERE e.id = b.id AND e.at = b.at AND (b.account_id, b.user_id) IS DISTINCT FROM (b.to_account, b.to_user)
    RETURNING e.name_id, e.at, e.active, b.account_id, b.user_id, b.to_account, b.to_user
), sides AS (
    SELECT account_id, user_id, name_id, at, active, -1 AS one FROM changed WHERE account_id IS NOT NULL
    UNION ALL SELECT to_account, to_user, name_id, at, active, 1 FROM changed WHERE to_account IS NOT NULL
), moved AS (
    INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, absent, first_at, last_at)
    SELECT account_id, user_id, name_id, (at AT TIME ZONE %(zone)s)::date AS day, sum(one),
           coalesce(sum(one) FILTER (WHERE NOT active), 0), min(at) FILTER (WHERE active), max(at) FILTER (WHERE active)
    FROM sides GROUP BY 1, 2, 3, 4, one
)
SELECT count(*) FROM changed
"""
_FREE = "(e.account_id IS NULL OR e.inferred)"
_BY_NUMBER = _MOVE.format(
    wanted="unnest(%(numbers)s::bigint[], %(ats)s::timestamptz[], %(homes)s::bigint[]) AS given (id, at, home)",
    to_account="wanted.home",
    to_user="e.user_id",
    found=f"e.id = wanted.id AND e.at = wanted.at AND {_FREE}",
)
# Two statements for one question, because an index answers "is null" and "equals" and not "is the same as".
_BY_MESSAGE = [
    _MOVE.format(
        wanted="unnest(%(ats)s::timestamptz[], %(sources)s::text[], %(ids)s::text[], %(accounts)s::bigint[],"
        " %(homes)s::bigint[]) AS given (at, source, message_id, account_id, home)",
        to_account=f"CASE WHEN {_FREE} THEN wanted.home ELSE e.account_id END",
        to_user="coalesce(e.user_id, %(user)s)",
        found="e.at = wanted.at AND e.message_id = wanted.message_id AND e.source = wanted.source"
        f" AND e.user_id IS NULL AND {same_account}",
    )
    for same_account in ("e.account_id = wanted.account_id", "e.account_id IS NULL AND wanted.account_id IS NULL")
]


_OF_USER = _MOVE.format(
    wanted="(SELECT id, at FROM usage_event WHERE user_id = %(old)s LIMIT %(limit)s) AS given",
    to_account="e.account_id",
    to_user="%(new)s::bigint",
    found="e.id = wanted.id AND e.at = wanted.at",
)


_OF_MESSAGES = _MOVE.format(
    wanted="unnest(%(ats)s::timestamptz[], %(sources)s::text[], %(ids)s::text[]) AS given (at, source, message_id)",
    to_account="e.account_id",
    to_user="%(new)s::bigint",
    found="e.user_id = ANY(%(olds)s) AND e.at = wanted.at AND e.message_id = wanted.message_id"
    " AND e.source = wanted.source",
)


class Move(NamedTuple):
    """An event by its number and time, and the account (a primary key) in which it happened as is known now."""

    number: int
    at: dt.datetime
    home: int | None


def move_events(moves: Sequence[Move]) -> int:
    """Give events that name no account the account in which they happened, or none; how many there were."""
    if not moves:
        return 0
    numbers, ats, homes = zip(*moves, strict=True)
    return _run([_BY_NUMBER], {"numbers": list(numbers), "ats": list(ats), "homes": list(homes)})


def complete_events(events: Sequence[EventPlace], homes: Sequence[int | None], user: int | None) -> int:
    """Give events that have no user this user, and those that name no account their home; how many changed."""
    values = {
        "user": user, "homes": list(homes), "ats": [event.at for event in events],
        "sources": [event.source for event in events], "ids": [event.message_id for event in events],
        "accounts": [event.account for event in events],
    }  # fmt: skip
    return _run(_BY_MESSAGE, values)


def give_events(events: Sequence[EventPlace], olds: Sequence[int], new: int) -> int:
    """Give these events, of users among `olds` (primary keys), to another one; how many changed."""
    values = {
        "olds": list(olds), "new": new, "ats": [event.at for event in events],
        "sources": [event.source for event in events], "ids": [event.message_id for event in events],
    }  # fmt: skip
    return _run([_OF_MESSAGES], values)


def hand_events(old: int, new: int, limit: int | None) -> int:
    """Give events of one user (primary keys) to another one, at most `limit` (None: all); how many."""
    return _run([_OF_USER], {"old": old, "new": new, "limit": limit})


def _run(statements: Sequence[str], values: dict[str, Any]) -> int:
    changed = 0
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values | {"zone": moment().zone.key})
            changed += int(cursor.fetchone()[0])
    if changed:
        wake_evaluation()
    return changed
