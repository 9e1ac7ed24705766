"""The widget for the value beside a comparison: what it offers and what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from accounts.fields import Choice, Field, Kind, Vocabulary
from accounts.fields.operators import Shape
from core.intake import fold
from core.spans import UNITS

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


@dataclass
class Control:
    """The widget for a value: its shape and what it holds, as texts."""

    shape: str
    value: str = ""
    chosen: str = ""
    values: list[tuple[int, str, str]] = field(default_factory=list)
    low: str = ""
    high: str = ""
    unit: str = ""
    units: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    percent: bool = False
    of: str = ""
    others: list[Field] = field(default_factory=list)
    before: str = ""
    after: str = ""


def control_for(shape: Shape, found: Field, value: Any, vocabulary: Vocabulary, currency: str) -> Control:
    """The widget for a value of this shape, whatever may be wrong with it."""
    control = Control(shape.value, after=found.unit, choices=found.choices())
    if found.kind is Kind.MONEY:
        control.before, control.after = _SYMBOLS.get(currency, currency), ""
    elif found.kind is Kind.PERCENT:
        control.after = "%"
    if shape is Shape.NUMBER:
        control.others = [
            other for other in vocabulary.values()
            if other.kind.numeric and other.key != found.key
            and (other.owner, other.rows) == (found.owner, found.rows)
        ]  # fmt: skip
    if isinstance(value, dict) and "percent" in value:
        control.percent, control.of, control.value = True, str(value.get("of")), plain(value.get("percent"))
    elif shape is Shape.SPAN:
        fill_span(control, value, hours=found.kind is Kind.DATETIME)
    elif shape in (Shape.RANGE, Shape.DATES):
        ends = value if isinstance(value, list) and len(value) == 2 else [None, None]
        control.low, control.high = plain(ends[0]), plain(ends[1])
    elif isinstance(value, list):
        labels = {fold(choice.value): choice.label for choice in control.choices}
        control.values = [(i, plain(v), labels.get(fold(str(v)), plain(v))) for i, v in enumerate(value)]
    else:
        control.value = plain(value)
    return control


def fill_span(control: Control, value: Any, *, hours: bool) -> None:
    """What a length of time holds."""
    control.units = [*(["hour"] if hours else []), *UNITS]
    span = value if isinstance(value, dict) else {}
    control.value, control.unit = plain(span.get("n")), str(span.get("unit") or "day")


def plain(value: Any) -> str:
    """A value as it stands in an input."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
