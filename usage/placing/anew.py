"""Placing events anew: those that name no account follow their user's periods of belonging, whenever these change.

It is the roll-up's first step. One slice of events is read, judged and moved in a transaction; what moves is counted
by shares like anything new. A mark is taken before the relationships and events are read, so whoever commits
something later has left a mark of their own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction

from core.locks import xact_lock
from usage.placing.homes import home_at, spans_of
from usage.placing.marks import Range, mark_ranges
from usage.store.moving import Move, move_events

MARKS = 1_000  # that one transaction takes
SLICE = 20_000  # events that one transaction judges
_TAKE = """
DELETE FROM usage_placingmark WHERE id IN (SELECT id FROM usage_placingmark ORDER BY id LIMIT %s)
RETURNING user_id, first_at, last_at
"""
_READ = """
SELECT e.id, e.at, e.user_id, e.account_id
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS m (user_id, first_at, last_at)
JOIN usage_event e ON e.user_id = m.user_id AND (e.account_id IS NULL OR e.inferred)
    AND e.at >= coalesce(m.first_at, '-infinity') AND e.at <= coalesce(m.last_at, 'infinity')
ORDER BY e.user_id, e.at FETCH FIRST %s ROWS WITH TIES
"""


@transaction.atomic
def place_slice() -> bool:
    """Place one slice of events; False if there was nothing to do. Call it again until there is not."""
    xact_lock("usage.rollup")
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [MARKS])
        ranges = _together(cursor.fetchall())
        if not ranges:
            return False
        users = sorted(ranges)
        firsts, lasts = ([ranges[user][side] for user in users] for side in (0, 1))
        cursor.execute(_READ, [users, firsts, lasts, SLICE])
        events = cursor.fetchall()
    spans = spans_of({user for _, _, user, _ in events})
    moves = []
    for number, at, user, account in events:
        home = home_at(spans.get(user, ()), at)
        if home != account:
            moves.append(Move(number, at, home))
    move_events(moves)
    if len(events) >= SLICE:
        _put_back(ranges, events)
    return True


def _together(marks: Iterable[tuple[int, dt.datetime | None, dt.datetime | None]]) -> dict[int, Range]:
    """One range for each user, from the first to the last instant of their marks."""
    found: dict[int, Range] = {}
    for user, first, last in marks:
        if user in found:
            before = found[user]
            first = min(first, before[0]) if first and before[0] else None
            last = max(last, before[1]) if last and before[1] else None
        found[user] = (first, last)
    return found


def _put_back(ranges: dict[int, Range], events: Sequence[tuple[Any, ...]]) -> None:
    """Mark what the slice did not reach: the rest of its last user, and all users after that one."""
    _, reached, user, _ = events[-1]
    rest = {who: times for who, times in ranges.items() if who > user}
    mark_ranges(rest | {user: (reached + dt.timedelta(microseconds=1), ranges[user][1])})
