"""The form of the health wizard: each proposed measure with its two limits as people type them, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.http import QueryDict

from core.intake import BadValue, clean_number
from health.definition import Definition
from health.effect import Effect
from health.proposing import Proposed, definition_with
from web.health_effect import EffectView, SpreadView, effect_view

SIDES = ("poor", "good")


@dataclass
class LimitField:
    """One limit as it is typed. Days ahead are typed as positive numbers, though they are stored as negative ones."""

    side: str
    text: str
    value: Decimal | None
    problem: str = ""


@dataclass
class MeasureField:
    """One measure of the form; `limits` are empty for a measure by rules."""

    proposed: Proposed
    use: bool
    limits: list[LimitField] = field(default_factory=list)
    problem: str = ""
    spread: SpreadView | None = None

    @property
    def key(self) -> str:
        """Names its controls."""
        return self.proposed.measure.key

    @property
    def ahead(self) -> bool:
        """Whether its limits are days ahead of today."""
        numbers = (self.proposed.good, self.proposed.poor)
        return self.proposed.measure.in_days and all(n is not None and n <= 0 for n in numbers)

    @property
    def unit(self) -> str:
        """What stands behind its limits."""
        measure = self.proposed.measure
        if self.proposed.of is not None:
            return f"% of {self.proposed.of.label}"
        if measure.in_days:
            return "days ahead" if self.ahead else "days ago"
        return measure.field.unit if measure.field else ""

    @property
    def possible(self) -> bool:
        """Whether anything could be scored by it."""
        return bool(self.proposed.quantiles.known) and not self.proposed.measure.problem

    @property
    def spoken(self) -> str:
        """Its quantiles in words."""
        points = self.proposed.quantiles.points
        if not points or not self.limits:
            return ""
        sign = -1 if self.ahead else 1
        few, half, many = sorted(sign * points[at] for at in (20, 50, 80))
        return f"A fifth up to {typed(few)}, half up to {typed(half)}, four fifths up to {typed(many)}"

    @property
    def fault(self) -> bool:
        """Whether anything is wrong with it."""
        return bool(self.problem) or any(limit.problem for limit in self.limits)


@dataclass
class WizardForm:
    """All measures, dimension by dimension, and what is wrong with the whole."""

    ready: dict[str, Any]
    measures: list[MeasureField]
    problems: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[dict[str, Any], list[MeasureField]]]:
        """Each dimension of the ready-made config with its measures."""
        return [
            (row, [one for one in self.measures if one.proposed.dimension == row["key"]])
            for row in self.ready["dimensions"]
        ]

    @property
    def faulty(self) -> bool:
        """Whether anything must be mended."""
        return bool(self.problems) or any(one.fault for one in self.measures)

    @property
    def used(self) -> list[MeasureField]:
        """The measures that are ticked, in the order of the config."""
        return [one for one in self.measures if one.use]

    def definition(self) -> dict[str, Any]:
        """The config as the form stands."""
        limits: dict[str, tuple[Decimal, Decimal] | None] = {}
        for one in self.used:
            numbers = {limit.side: limit.value for limit in one.limits}
            good, poor = numbers.get("good"), numbers.get("poor")
            limits[one.key] = (good, poor) if good is not None and poor is not None else None
        return definition_with(self.ready, limits)

    def show(self, effect: Effect, definition: Definition) -> EffectView:
        """Give every measure that is used its distribution, and return the whole."""
        view = effect_view(effect, definition, {one.key: one.key for one in definition.measures})
        for one, spread in zip(self.used, view.spreads, strict=True):
            one.spread = spread
        return view


def typed(value: Decimal) -> str:
    """A number as it stands in a control, or in a sentence about it."""
    rounded = round(value, 1) if abs(value) < 100 else round(value)
    return f"{Decimal(rounded):f}".removesuffix(".0")


def wizard_form(ready: dict[str, Any], proposed: Sequence[Proposed], data: QueryDict | None) -> WizardForm:
    """The form as it was sent (`data`), else as it is proposed."""
    sent = data if data is not None and data.get("shown") else None
    return WizardForm(ready, [_measure(one, sent) for one in proposed])


def _measure(proposed: Proposed, sent: QueryDict | None) -> MeasureField:
    found = MeasureField(proposed, not proposed.skip)
    if sent is not None:
        found.use = found.possible and bool(sent.get(f"use-{found.key}"))
    if proposed.good is None or proposed.poor is None:
        return found
    sign = -1 if found.ahead else 1
    for side in SIDES:
        number = proposed.good if side == "good" else proposed.poor
        text = typed(sign * number)
        if sent is not None and found.possible:
            text = sent.get(f"{side}-{found.key}", "")[:40]
        found.limits.append(_limit(side, text, sign, wanted=found.use))
    numbers = [limit.value for limit in found.limits]
    if found.use and None not in numbers and numbers[0] == numbers[1]:
        found.problem = "Poor and Good have the same limit. Change one of them."
    return found


def _limit(side: str, text: str, sign: int, *, wanted: bool) -> LimitField:
    try:
        number = clean_number(text.strip() or None)
    except BadValue:
        number = None
    if number is None or abs(number) >= 10**12:
        return LimitField(side, text, None, "Enter a number, for example 30." if wanted else "")
    return LimitField(side, text, sign * number)
