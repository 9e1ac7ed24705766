"""What an account would have scored on a past day by a later version of its config, from the numbers that were kept.

It tells what a new version moved from what the customer did. A measure that the version left alone keeps its score; one
with other limits is scored anew from its number. Percentages are of what the field is today, because what it was then
is not kept. What cannot be known (a new measure, other rules) is taken as it is now: then the version moved it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from health.definition import LOWER, Definition, Limit, Measure
from health.models import HealthDay

Wholes = Mapping[tuple[int, str], Decimal | None]


def same_scale(one: Measure, other: Measure) -> bool:
    """Whether two measures give the same score for the same account, whatever they weigh and are called."""
    if one.problem or other.problem:
        return False
    if one.field is None or other.field is None:
        return _rules(one) == _rules(other)
    return (_limits(one), one.better) == (_limits(other), other.better)


def _rules(one: Measure) -> list[object]:
    return [question and question.rule for question in (one.good_rule, one.poor_rule)]


def _limits(one: Measure) -> list[object]:
    sides = [(side.number, side.whole) for side in (one.good, one.poor) if side is not None]
    return [one.field and one.field.key, *sides]


def rescored(
    before: HealthDay, after: HealthDay, old: Definition, new: Definition, wholes: Wholes
) -> list[Decimal | None]:
    """The scores of the measures of `new` on the day of `before`, which was scored by `old`."""
    rows = zip(old.measures, before.measures, before.values, strict=False)
    then = {measure.key: (measure, score, value) for measure, score, value in rows}
    found: list[Decimal | None] = []
    for measure, now in zip(new.measures, after.measures, strict=False):
        if measure.key not in then:
            found.append(now)
            continue
        earlier, score, value = then[measure.key]
        if same_scale(earlier, measure):
            found.append(score)
        elif measure.field is not None and earlier.field is not None and measure.field.key == earlier.field.key:
            found.append(score_of(measure, value, before.account_id, wholes))
        else:
            found.append(now)
    return found


def score_of(measure: Measure, value: Decimal | None, account_id: int, wholes: Wholes) -> Decimal | None:
    """The score of a number, 0 to 100; None where it or a limit is missing, or the limits cross."""
    good, poor = (_number(side, account_id, wholes) for side in (measure.good, measure.poor))
    if value is None or good is None or poor is None or (good >= poor if measure.better == LOWER else good <= poor):
        return None
    return min(Decimal(100), max(Decimal(0), 100 * (value - poor) / (good - poor)))


def _number(limit: Limit | None, account_id: int, wholes: Wholes) -> Decimal | None:
    if limit is None or limit.of is None:
        return limit.number if limit else None
    whole = wholes.get((account_id, limit.whole))
    return None if whole is None else whole * limit.number / 100


def whole_score(definition: Definition, scores: Sequence[Decimal | None]) -> Decimal | None:
    """The score that the measures of a definition make; None where too little of it has data."""
    place, total, known, covered = 0, Decimal(0), Decimal(0), Decimal(0)
    for dimension in definition.dimensions:
        weights = [measure.weight for measure in dimension.measures]
        pairs = list(zip(scores[place : place + len(weights)], weights, strict=False))
        place += len(weights)
        given = [(score, weight) for score, weight in pairs if score is not None]
        if given:
            part = sum((weight for _, weight in given), Decimal(0))
            total += dimension.weight * sum((score * weight for score, weight in given), Decimal(0)) / part
            known += dimension.weight
            covered += dimension.weight * part / sum(weights)
    return total / known if known and covered >= definition.least_coverage else None


def mostly_the_version(before: Decimal | None, between: Decimal | None, after: Decimal | None) -> bool:
    """Whether a new version moved a score more than the customer did; `between` is the old account by the new one."""
    if before is None or after is None:
        return before != after and (between is None) == (after is None)
    if between is None:
        return False
    moved = after - before
    return bool(moved) and (between - before) * (1 if moved > 0 else -1) * 2 >= abs(moved)
