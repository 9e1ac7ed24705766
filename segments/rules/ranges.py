"""Whether several comparisons of one value can hold together: numbers and dates as ranges, texts as sets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from accounts.fields import Kind
from accounts.fields.dates import days_meant
from accounts.fields.values import Between, Percent
from core.intake import fold
from core.spans import Span
from segments.rules.nodes import Condition

_TEXTUAL: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


@dataclass(frozen=True)
class Bounds:
    """From `low` to `high`, None for an open end; `above` and `below` say that the end itself is out."""

    low: Any = None
    high: Any = None
    above: bool = False
    below: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a value lies inside."""
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return False
        return not (self.high is not None and (value > self.high or (self.below and value == self.high)))

    def within(self, other: Bounds) -> Bounds:
        """What both leave."""
        low = self if _later(self, other) else other
        high = self if _sooner(self, other) else other
        return Bounds(low.low, high.high, low.above, high.below)

    @property
    def empty(self) -> bool:
        """Whether nothing is inside."""
        if self.low is None or self.high is None:
            return False
        return bool(self.low > self.high or (self.low == self.high and (self.above or self.below)))


def _later(one: Bounds, other: Bounds) -> bool:
    """Whether the lower end of one shuts out more."""
    if one.low is None or other.low is None:
        return other.low is None
    return bool(one.low > other.low or (one.low == other.low and one.above))


def _sooner(one: Bounds, other: Bounds) -> bool:
    if one.high is None or other.high is None:
        return other.high is None
    return bool(one.high < other.high or (one.high == other.high and one.below))


def can_hold(conditions: Sequence[Condition], today: dt.date) -> bool:
    """Whether one value (or a missing one) can meet all conditions on a field; True where that is not known."""
    return holding(conditions, today) is not False


def holding(conditions: Sequence[Condition], today: dt.date) -> bool | None:
    """Whether one value (or a missing one) meets all conditions on a field: True if one surely does, False if none can,
    None where that is not known.

    Relative dates are compared with relative ones, fixed dates with fixed ones, and percentages with percentages of the
    same field: what is impossible for a mixture today need not be tomorrow. Percentages that leave nothing between are
    not known to be impossible, because of nought every percentage is nought.
    """
    if any(one.op.key in ("is_not_set", "is_unassigned") for one in conditions):
        # A missing value meets the negative comparisons and no other one.
        return all(one.op.negates for one in conditions)
    bounds = [found for one in conditions if (found := _bounds(one, today)) is not None]
    scales = {scale for scale, _ in bounds}
    if len(scales) > 1:
        return None
    left = Bounds()
    for _, limits in bounds:
        left = left.within(limits)
    of_a_field = any(isinstance(scale, str) for scale in scales)
    if left.empty:
        return None if of_a_field else False
    values = _values(conditions)
    if values is None:
        understood = len(bounds) == sum(one.op.key != "is_set" for one in conditions)
        return True if understood and (of_a_field or _inhabited(left)) else None
    if not any(left.holds(value) and _allowed(value, conditions) for value in values):
        return False
    return True if all(_judged(one, today) for one in conditions) else None


def _inhabited(left: Bounds) -> bool:
    """Whether a range holds a value whatever kind of number it is of: between 5 and 6 there is no whole one."""
    if not isinstance(left.low, Decimal) or not isinstance(left.high, Decimal):
        return True
    first = left.low.to_integral_value(ROUND_CEILING)
    return left.holds(first) or left.holds(first + 1) or left.low == left.high


def _bounds(one: Condition, today: dt.date) -> tuple[bool | str, Bounds] | None:
    """The range of a comparison, and its scale: whether it moves with the clock, or the key of what it is a percentage
    of."""
    if one.op.negates:
        return None
    kind, op, value = one.field.kind, one.op.key, one.value
    if kind.numeric:
        scale: bool | str = value.of.key if isinstance(value, Percent) else False
        limits = _number(op, value.percent if isinstance(value, Percent) else value)
        return None if limits is None else (scale, limits)
    if kind not in (Kind.DATE, Kind.DATETIME) or op in ("is_set", "is_not_set"):
        return None
    if isinstance(value, Span) and value.unit == "hour":
        return None
    low, high = days_meant(op, value, today)
    return one.op.clock, Bounds(low, high)


def _number(op: str, value: Any) -> Bounds | None:
    if isinstance(value, Between):
        return Bounds(value.low, value.high)
    if not isinstance(value, Decimal):
        return None
    found = {
        "at_least": Bounds(low=value),
        "more_than": Bounds(low=value, above=True),
        "at_most": Bounds(high=value),
        "less_than": Bounds(high=value, below=True),
        "equals": Bounds(value, value),
    }
    return found.get(op)


def _values(conditions: Sequence[Condition]) -> set[Any] | None:
    """The values that the comparisons with single values leave; None if there is no such comparison."""
    found: set[Any] | None = None
    for one in conditions:
        named = _named(one) if not one.op.negates else None
        if named is not None:
            found = named if found is None else found & named
    return found


def _named(one: Condition) -> set[Any] | None:
    """The values that a comparison (or its positive twin) names one by one."""
    op = one.op.negates or one.op.key
    if op in ("is_true", "is_false"):
        return {op == "is_true"}
    if op not in ("is", "any_of"):
        return None
    items = one.value if isinstance(one.value, tuple) else (one.value,)
    return {fold(item) if one.field.is_text else item for item in items}


def _allowed(value: Any, conditions: Sequence[Condition]) -> bool:
    """Whether the other comparisons let a single value through."""
    for one in conditions:
        if one.op.negates:
            if one.op.key != "is_unassigned" and value in (_named(one) or ()):
                return False
        elif one.field.is_text and one.op.key in _TEXTUAL and not _TEXTUAL[one.op.key](value, fold(one.value)):
            return False
    return True


def _judged(one: Condition, today: dt.date) -> bool:
    """Whether it is known of a single value if it meets a comparison."""
    if one.op.key == "is_set" or _named(one) is not None or _bounds(one, today) is not None:
        return True
    return one.field.is_text and one.op.key in _TEXTUAL
