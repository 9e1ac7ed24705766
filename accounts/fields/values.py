"""The value beside an operator: read into a typed form, written back to JSON.

A value that does not fit raises `ValueProblem` with a code, a sentence and what would do; nothing is guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Kind, Vocabulary
from accounts.fields.operators import Shape
from core.intake import BadValue, clean_date, clean_number, clean_text, fold, short
from core.spans import MAX_SPAN, UNITS, Span, ValueProblem

MAX_ITEMS, MAX_TEXT, MAX_PATTERN = 1000, 1000, 200


@dataclass(frozen=True)
class Percent:
    """So many percent of another numeric field of the same row."""

    percent: Decimal
    of: Field


@dataclass(frozen=True)
class Between:
    """Two ends, both included."""

    low: Any
    high: Any


def read_value(shape: Shape, data: Any, field: Field, vocabulary: Vocabulary) -> Any:
    """The typed form of a value: None, str, Decimal, Percent, date, Span, Between, or a tuple of str or Decimal."""
    if shape is Shape.NONE:
        if data is not None:
            raise ValueProblem("This comparison takes no value. Remove it.", code="unexpected-value")
        return None
    if data is None:
        raise ValueProblem("A value is missing.", code="required")
    if shape is Shape.NUMBER:
        return _operand(data, field, vocabulary)
    if shape is Shape.SPAN:
        return read_span(data, hours=field.kind is Kind.DATETIME)
    if shape is Shape.DATE:
        return read_date(data)
    if shape in (Shape.RANGE, Shape.DATES):
        return _between(data, read_date if shape is Shape.DATES else read_number)
    if shape is Shape.PATTERN:
        return _pattern(read_text(data))
    if shape in (Shape.TEXTS, Shape.CHOICES, Shape.NUMBERS):
        return _several(data, shape, field)
    return _choice(data, field) if shape is Shape.CHOICE else read_text(data)


def read_text(data: Any) -> str:
    """A text that is not empty."""
    try:
        text = clean_text(data, MAX_TEXT)
    except BadValue as problem:
        raise ValueProblem(str(problem)) from problem
    if not fold(text):
        raise ValueProblem("The text is empty. To ask for a missing value, use “has no value”.", code="required")
    return text


def read_number(data: Any) -> Decimal:
    """A decimal; the text "1" is not the number 1."""
    if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
        raise ValueProblem(f"Expected a number, got {short(repr(data))}.")
    try:
        return clean_number(data)
    except BadValue as problem:
        raise ValueProblem(str(problem), code="out-of-range") from problem


def read_date(data: Any) -> dt.date:
    """A calendar date like "2026-11-22"."""
    if not isinstance(data, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", data):
        raise ValueProblem(f"Expected a date like 2026-11-22, got {short(repr(data))}.")
    try:
        return clean_date(data)
    except BadValue as problem:
        raise ValueProblem(str(problem), code="out-of-range") from problem


def read_span(data: Any, *, hours: bool) -> Span:
    """{"n": 30, "unit": "day"}."""
    units = (("hour",) if hours else ()) + UNITS
    if not isinstance(data, dict) or set(data) != {"n", "unit"}:
        raise ValueProblem("Expected a length of time: {“n”: 30, “unit”: “day”}.")
    n, unit = data["n"], data["unit"]
    if not isinstance(unit, str) or unit not in units:
        raise ValueProblem(f"The unit is one of {', '.join(units)}.", below="/unit", allowed=units)
    if isinstance(n, bool) or not isinstance(n, int):
        raise ValueProblem(f"Enter a number of {unit}s, for example 90.", below="/n")
    if not 1 <= n <= MAX_SPAN[unit]:
        raise ValueProblem(f"Enter a number from 1 to {MAX_SPAN[unit]:,}.", code="out-of-range", below="/n")
    return Span(n, unit)


def _operand(data: Any, field: Field, vocabulary: Vocabulary) -> Decimal | Percent:
    """A number, or so many percent of another number of the same row."""
    if not isinstance(data, dict):
        return read_number(data)
    if set(data) != {"percent", "of"}:
        raise ValueProblem("Expected a number, or {“percent”: 70, “of”: “account.licences”}.")
    other = vocabulary.get(data["of"]) if isinstance(data["of"], str) else None
    if other is None or not other.kind.numeric:
        raise ValueProblem(f"“{short(data['of'])}” is not a numeric field.", code="unknown-field", below="/of")
    if other.owner != field.owner or other.rows != field.rows:
        raise ValueProblem(
            f"{field.label} and {other.label} do not belong to the same {field.owner}.", code="wrong-field", below="/of"
        )
    try:
        return Percent(read_number(data["percent"]), other)
    except ValueProblem as problem:
        raise ValueProblem(str(problem), code=problem.code, below="/percent") from problem


def read_range(data: Any) -> Between:
    """Two numbers, the lower one first."""
    return _between(data, read_number)


def _between(data: Any, read: Any) -> Between:
    if not isinstance(data, list) or len(data) != 2:
        raise ValueProblem("Expected two values: [from, to].")
    ends = []
    for place, item in enumerate(data):
        try:
            ends.append(read(item))
        except ValueProblem as problem:
            raise ValueProblem(str(problem), code=problem.code, below=f"/{place}") from problem
    if ends[0] > ends[1]:
        raise ValueProblem("The first value is above the second. Swap them.", code="out-of-range")
    return Between(*ends)


def _several(data: Any, shape: Shape, field: Field) -> tuple[Any, ...]:
    if not isinstance(data, list) or not data:
        raise ValueProblem("Expected a list with at least one value.")
    if len(data) > MAX_ITEMS:
        raise ValueProblem(
            f"The list has {len(data):,} values; at most {MAX_ITEMS:,} are allowed.", code="out-of-range"
        )
    found = []
    for place, item in enumerate(data):
        try:
            one = read_number(item) if shape is Shape.NUMBERS else read_text(item)
            found.append(_choice(one, field) if shape is Shape.CHOICES else one)
        except ValueProblem as problem:
            raise ValueProblem(str(problem), code=problem.code, below=f"/{place}", allowed=problem.allowed) from problem
    return tuple(found)


def _choice(data: Any, field: Field) -> str:
    """A choice by its value or its label; a choice of people may also name one who has left the list."""
    text = read_text(data)
    choices = field.choices()
    for choice in choices:
        if fold(text) in (fold(choice.value), fold(choice.label)):
            return choice.value
    allowed = tuple(choice.value for choice in choices[:50])
    raise ValueProblem(f"“{short(text)}” is not a value of {field.label}.", code="unknown-choice", allowed=allowed)


def _pattern(text: str) -> str:
    """A PostgreSQL regular expression: bounded, and without back references, which can run for ever."""
    if len(text) > MAX_PATTERN:
        raise ValueProblem(f"The pattern is longer than {MAX_PATTERN} characters.", code="out-of-range")
    if re.search(r"\\[1-9]", text):
        raise ValueProblem("Back references such as \\1 are not allowed.", code="invalid-regex")
    return text


def write_value(value: Any) -> Any:
    """The JSON form of a typed value."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Span):
        return {"n": value.n, "unit": value.unit}
    if isinstance(value, Percent):
        return {"percent": write_value(value.percent), "of": value.of.key}
    if isinstance(value, Between):
        return [write_value(value.low), write_value(value.high)]
    if isinstance(value, tuple):
        return [write_value(item) for item in value]
    return value
