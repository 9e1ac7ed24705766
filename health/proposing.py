"""Limits from a company's own accounts: where a ready-made config says what to look at, their distribution says what is
little and what is much. One statement reads the quantiles of every measure.

Of a measure where more is better, Poor is the value that a fifth of the accounts stay below and Good the one that three
tenths are above; where less is better, the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.text import capfirst

from accounts.fields import Field
from accounts.models import Account
from core.deadline import time_limit
from health.audiences import Audience, segment_for
from health.definition import Definition, Measure, read_definition
from health.editing import save_config
from health.explaining import number_in_words
from health.judging import judged
from health.models import HealthConfig
from health.scoring import fixed, share_of
from health.stock import ReadyMade, ready_made
from segments.questions import Reader

LIMIT_MS = 10_000
POOR_AT, GOOD_AT = 20, 70
WIDER = 10  # percentiles that are tried where those two are the same value
AT = (10, 20, 30, 50, 70, 80, 90)
FEWEST = 5  # accounts with a value, below which quantiles say nothing
LEAST_SHARE = 10  # percent of the accounts that must have a value for a measure to be proposed
NEAR = 3  # whole numbers with less between Poor and Good leave hardly an Average
STEPS = 12  # a limit is rounded to about so many steps between Poor and Good

_QUANTILES = """
WITH {judged}
SELECT one.place, count(*), count(one.score), count(one.amount), bool_and(one.amount = trunc(one.amount)),
       percentile_cont(%(at)s::float8[]) WITHIN GROUP (ORDER BY one.amount::float8)
FROM wanted, unnest(wanted.measures, wanted.shown) WITH ORDINALITY AS one (score, amount, place)
GROUP BY one.place ORDER BY one.place
"""


@dataclass(frozen=True)
class Quantiles:
    """How a measure is distributed: of `total` accounts `known` can be scored and `valued` have a number on the scale
    of its limits; `points` are the values by percentile (empty by rules), `whole` if all are whole numbers."""

    total: int
    known: int
    valued: int
    whole: bool
    points: Mapping[int, Decimal]


@dataclass(frozen=True)
class Proposed:
    """A measure of the ready-made config with the limits that the accounts suggest, on the scale of its limits (percent
    where both are percentages of one field); None by rules. `skip` says why it is not proposed, else ""."""

    dimension: str
    measure: Measure
    data: Mapping[str, Any]
    quantiles: Quantiles
    good: Decimal | None
    poor: Decimal | None
    skip: str

    @property
    def of(self) -> Field | None:
        """The field that its limits are percentages of."""
        return self.measure.good.of if share_of(self.measure) and self.measure.good else None

    @property
    def coverage(self) -> int:
        """Percent of the accounts that it can score."""
        return round(100 * self.quantiles.known / self.quantiles.total) if self.quantiles.total else 0


def start_for(audience: Audience) -> ReadyMade:
    """The ready-made config that is meant for an audience; the default one if none is."""
    found = ready_made()
    return next((one for one in found if one.rule is not None and one.rule == audience.rule), found[0])


def usable(ready: ReadyMade, reader: Reader) -> dict[str, Any]:
    """A ready-made config as it can be saved here: without the measures whose attributes nobody has defined."""
    definition = read_definition(ready.definition, reader, lenient=True)
    there: dict[str, tuple[Decimal, Decimal] | None] = {one.key: None for one in definition.measures if not one.problem}
    known = {one["key"] for row in ready.bare["dimensions"] for one in row["measures"]}
    return definition_with(ready.definition, there) if there.keys() - known else ready.bare


def propose(ready: Mapping[str, Any], accounts: QuerySet[Account], reader: Reader) -> list[Proposed]:
    """Every measure of a ready-made config with limits from these accounts. Raises core.deadline.TooSlow."""
    definition = read_definition(ready, reader, lenient=True)
    spread = quantiles_of(definition, accounts, reader)
    found, place = [], 0
    for dimension, row in zip(definition.dimensions, ready["dimensions"], strict=True):
        for measure, data in zip(dimension.measures, row["measures"], strict=True):
            found.append(_proposed(dimension.key, measure, data, spread[place]))
            place += 1
    return found


def quantiles_of(definition: Definition, accounts: QuerySet[Account], reader: Reader) -> list[Quantiles]:
    """The distribution of each measure among accounts, in one statement, on the scale of health.scoring.shown_sql."""
    nothing = Quantiles(0, 0, 0, False, {})
    found = [nothing for _ in definition.measures]
    text = judged(definition, accounts, reader.context, shown=True)
    if text is None or not found:
        return found
    values: dict[str, Any] = {"today": reader.moment.today, "at": [percent / 100 for percent in AT]}
    with time_limit(LIMIT_MS), connection.cursor() as cursor:
        cursor.execute(_QUANTILES.format(judged=text), values)
        for place, total, known, valued, whole, points in cursor.fetchall():
            pairs = zip(AT, points or [], strict=False)
            by_percent = {percent: Decimal(str(value)) for percent, value in pairs if value is not None}
            found[place - 1] = Quantiles(total, known, valued, bool(whole), by_percent)
    return found


def _proposed(dimension: str, measure: Measure, data: Mapping[str, Any], quantiles: Quantiles) -> Proposed:
    good = measure.good.number if measure.good else None
    poor = measure.poor.number if measure.poor else None
    skip = _missing(measure, quantiles)
    if measure.field is None or good is None or poor is None or not (fixed(measure) or share_of(measure)):
        return Proposed(dimension, measure, data, quantiles, None, None, skip)
    if not skip and quantiles.valued >= FEWEST:
        limits = limits_from(quantiles, more_is_better=good > poor)
        if limits is None:
            skip = f"Nearly all accounts have the same value, {_said(quantiles.points[50], measure)}."
        else:
            good, poor = limits
    return Proposed(dimension, measure, data, quantiles, good, poor, skip)


def _missing(measure: Measure, quantiles: Quantiles) -> str:
    """Why there is too little to score a measure by; "" if there is not."""
    if measure.problem:
        return measure.problem
    if not quantiles.total:
        return "There is no account to look at."
    if not quantiles.known:
        what = measure.field.label if measure.field else "what it asks for"
        return f"No account has a value for {what}."
    if 100 * quantiles.known < LEAST_SHARE * quantiles.total:
        return f"Only {quantiles.known:,} of {quantiles.total:,} accounts have a value."
    return ""


def _said(value: Decimal, measure: Measure) -> str:
    return f"{value:.0f} %" if share_of(measure) else number_in_words(value, measure)


def limits_from(quantiles: Quantiles, *, more_is_better: bool) -> tuple[Decimal, Decimal] | None:
    """Good and Poor as readable numbers; None where the values differ too little for two limits. Whole numbers that lie
    next to each other are too near where values further out are not."""
    best = None
    for poor_at, good_at in ((POOR_AT, GOOD_AT), (WIDER, 100 - WIDER)):
        if not more_is_better:
            poor_at, good_at = 100 - poor_at, 100 - good_at
        good, poor = quantiles.points[good_at], quantiles.points[poor_at]
        step = readable_step(abs(good - poor) / STEPS)
        if quantiles.whole:
            step = max(step, Decimal(1))
        good, poor = rounded(good, step), rounded(poor, step)
        if best is None or abs(good - poor) > abs(best[0] - best[1]):
            best = good, poor
        if good != poor and (not quantiles.whole or abs(good - poor) >= NEAR):
            break
    return best if best and best[0] != best[1] else None


def readable_step(least: Decimal) -> Decimal:
    """The next of 1, 2, 5, 10, 20, 50, … (or a tenth of them, and so on) that is not smaller."""
    if least <= 0:
        return Decimal(1)
    size = Decimal(10) ** least.adjusted()
    return next(size * n for n in (1, 2, 5, 10) if size * n >= least)


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of a step."""
    return (value / step).to_integral_value(ROUND_HALF_UP) * step


def definition_with(ready: Mapping[str, Any], limits: Mapping[str, tuple[Decimal, Decimal] | None]) -> dict[str, Any]:
    """The ready-made config with only the measures named, at these limits (Good, Poor; None: as they are). A dimension
    without measures is left out, and its weight goes to the others in proportion."""
    dimensions = []
    for row in ready["dimensions"]:
        measures = [_with_limits(one, limits[one["key"]]) for one in row["measures"] if one["key"] in limits]
        if measures:
            dimensions.append({**row, "measures": measures})
    for row, weight in zip(dimensions, _to_hundred([row["weight"] for row in dimensions]), strict=True):
        row["weight"] = weight
    return {**ready, "dimensions": dimensions}


def _with_limits(data: Mapping[str, Any], limits: tuple[Decimal, Decimal] | None) -> dict[str, Any]:
    if limits is None:
        return dict(data)
    sides = dict(zip(("good", "poor"), map(_number, limits), strict=True))
    return {**data, **{side: _like(data[side], number) for side, number in sides.items()}}


def _like(old: Any, number: int | float) -> Any:
    return {**old, "percent": number} if isinstance(old, Mapping) else number


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _to_hundred(weights: Sequence[Any]) -> list[int]:
    """Whole numbers in proportion that add to 100: what is lost in rounding goes to those that lost most."""
    whole = sum(weights)
    if not whole:
        return []
    exact = [Decimal(100) * Decimal(str(weight)) / Decimal(str(whole)) for weight in weights]
    found = [int(one) for one in exact]
    order = sorted(range(len(exact)), key=lambda i: (found[i] - exact[i], i))
    for i in order[: 100 - sum(found)]:
        found[i] += 1
    return found


def begin_config(
    audience: Audience, definition: dict[str, Any], *, author: Any = None, reason: str = ""
) -> HealthConfig:
    """Save a config for an audience, with its segment where it has none; it is version 1. Raises DefinitionError with
    every problem, such as that the audience has a config meanwhile; nothing is kept then."""
    with transaction.atomic():
        segment = segment_for(audience, author)
        name = "" if segment is None else capfirst(segment.name)
        return save_config(None, name=name, definition=definition, segment=segment, author=author, reason=reason)
