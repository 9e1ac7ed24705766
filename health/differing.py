"""Which measure gives one account another band by one definition than by another one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from health.definition import Definition

Scores = Sequence[Decimal | None]
LEAST = Decimal("0.05")  # points of the whole that count as none
RANKS = {"poor": 0, "average": 1, "good": 2}


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
