"""Why an account would have another band: both definitions on the last day of a back-test, measure by measure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import DatabaseError, connection

from core.deadline import TooSlow, time_limit
from health.backtest.replay import LIMIT_MS, Replay
from health.differing import Scores, told
from health.judging import judged


def measures_on(replay: Replay, day: dt.date, accounts: Sequence[int]) -> list[dict[int, Scores]]:
    """The scores of the measures of these accounts (primary keys) by each definition, at the end of the day in hand.
    What the database refuses is left out, because the bands are known without it."""
    found: list[dict[int, Scores]] = []
    with replay.past.day(day) as (reader, _):
        for definition in replay.definitions:
            text = judged(definition, replay.population().filter(pk__in=list(accounts)), reader.context)
            rows: dict[int, Scores] = {}
            if text is not None:
                with time_limit(LIMIT_MS), connection.cursor() as cursor:
                    cursor.execute(f"WITH {text} SELECT id, measures FROM wanted", {"today": day})  # noqa: S608
                    rows = dict(cursor.fetchall())
            found.append(rows)
    return found


def reasons_of(replay: Replay, day: dt.date, moved: Sequence[tuple[int, str, str]]) -> list[str]:
    """For each account with its band by the other definition and by the tested one: what decides, in one line."""
    if not moved:
        return []
    try:
        tested, against = measures_on(replay, day, [account for account, _, _ in moved])
    except (DatabaseError, TooSlow):
        return [""] * len(moved)
    new, old = replay.definitions
    return [
        told(old, new, against.get(account, ()), tested.get(account, ()), (before, after))
        for account, before, after in moved
    ]
