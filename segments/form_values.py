"""The inputs of one node of the rule builder's form, and the values that they say, each by the shape of its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from accounts.fields.operators import Shape


@dataclass
class Entry:
    """The inputs of one node as they came, and those of the nodes below it."""

    values: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, Entry] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The first value of an input, trimmed."""
        return (self.values.get(name) or [""])[0].strip()

    def several(self, name: str) -> list[str]:
        """The values of an input that are not empty."""
        return [item.strip() for item in self.values.get(name, []) if item.strip()]


def read_typed_number(text: str) -> Any:
    """A number as people type it (8,000 or 12.5); what is none stays text and is refused by the parser."""
    plain = text.replace(",", "").replace("\u00a0", "").replace(" ", "").replace("\u2212", "-")
    try:
        number = Decimal(plain) if len(plain) <= 40 else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number.adjusted() > 30:
        return text or None
    return int(number) if number == number.to_integral_value() and abs(number) < 10**20 else float(number)


def typed_span(entry: Entry) -> Any:
    """A length of time."""
    return {"n": read_typed_number(entry.one("value")), "unit": entry.one("unit") or "day"}


def _operand(entry: Entry) -> Any:
    if entry.one("mode") == "percent":
        return {"percent": read_typed_number(entry.one("value")), "of": entry.one("of")}
    return read_typed_number(entry.one("value"))


def _text(entry: Entry) -> Any:
    return entry.one("value") or None


def typed_ends(read: Callable[[str], Any]) -> Callable[[Entry], Any]:
    """A reader of two ends; without either there is no value."""

    def ends(entry: Entry) -> Any:
        low, high = read(entry.one("low")), read(entry.one("high"))
        return None if low is None and high is None else [low, high]

    return ends


READ_SHAPE: dict[Shape, Callable[[Entry], Any]] = {
    Shape.NONE: lambda entry: None,
    Shape.TEXT: _text,
    Shape.PATTERN: _text,
    Shape.DATE: _text,
    Shape.CHOICE: _text,
    Shape.NUMBER: _operand,
    Shape.SPAN: typed_span,
    Shape.RANGE: typed_ends(read_typed_number),
    Shape.DATES: typed_ends(lambda text: text or None),
    Shape.TEXTS: lambda entry: list(dict.fromkeys(entry.several("value"))) or None,
    Shape.CHOICES: lambda entry: list(dict.fromkeys(entry.several("value"))) or None,
    Shape.NUMBERS: lambda entry: [read_typed_number(item) for item in entry.several("value")] or None,
}
