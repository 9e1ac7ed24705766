"""Which measure gave an account another band: both definitions on the last day of a back-test, measure by measure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db import DatabaseError, connection

from core.deadline import TooSlow, time_limit
from health.backtest.replay import LIMIT_MS, Replay
from health.definition import Definition
from health.judging import judged

Scores = Sequence[Decimal | None]
LEAST = Decimal("0.05")  # points of the whole that count as none
RANKS = {"poor": 0, "average": 1, "good": 2}


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


def told(old: Definition, new: Definition, was: Scores, now: Scores, bands: tuple[str, str]) -> str:
    """The measure that carries most of the difference between two scores of one account, or what else decides."""
    if "none" in bands:
        return "Too few of its measures have data" if bands[1] == "none" else "Enough of its measures have data now"
    before, after = _weighed(old, was), _weighed(new, now)
    moves = {
        key: after.get(key, _NOTHING)[2] - before.get(key, _NOTHING)[2] for key in [*before, *after]
    }  # fmt: skip
    down = RANKS[bands[1]] < RANKS[bands[0]]
    key = (min if down else max)(moves, key=lambda one: moves[one], default="")
    if not key or (moves[key] >= -LEAST if down else moves[key] <= LEAST):
        return f"Good begins at {new.good:f} (was {old.good:f}), Poor below {new.poor:f} (was {old.poor:f})"
    return _line(before.get(key), after.get(key))


_Part = tuple[str, Decimal, Decimal]
_NOTHING: _Part = ("", Decimal(0), Decimal(0))


def _weighed(definition: Definition, scores: Scores) -> dict[str, _Part]:
    """Each measure with data: its name, its score, and the points of the whole that it gives; what is missing is left
    out of the means."""
    places = iter(scores)
    rows = [(one, [(measure, next(places, None)) for measure in one.measures]) for one in definition.dimensions]
    known = [(one, [(m, s) for m, s in pairs if s is not None]) for one, pairs in rows]
    whole = sum((one.weight for one, pairs in known if pairs), Decimal(0))
    found: dict[str, _Part] = {}
    for one, pairs in known:
        of = sum((measure.weight for measure, _ in pairs), Decimal(0))
        for measure, score in pairs:
            assert score is not None
            found[measure.key] = (measure.name, score, one.weight / whole * measure.weight / of * score)
    return found


def _line(before: _Part | None, after: _Part | None) -> str:
    if before is None and after is not None:
        return f"{after[0]} is new, with {after[1]:.0f} of 100"
    if after is None and before is not None:
        return f"{before[0]} is gone, which gave {before[1]:.0f} of 100"
    assert before is not None and after is not None
    if before[1] != after[1]:
        return f"{after[0]} gives {after[1]:.0f} of 100, was {before[1]:.0f}"
    return f"{after[0]} gives {after[2]:.1f} points of the whole, was {before[2]:.1f}"
