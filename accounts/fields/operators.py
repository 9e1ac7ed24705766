"""The operator table: which comparisons there are, for which kinds of field, with which shape of value.

Form controls, validation, SQL, the plain-English line, the API's list and the manual are all derived from this table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from accounts.fields import Kind


class Shape(enum.StrEnum):
    """What must be given beside the operator."""

    NONE = "none"
    TEXT = "text"
    TEXTS = "texts"
    PATTERN = "pattern"
    NUMBER = "number"
    NUMBERS = "numbers"
    RANGE = "range"
    DATE = "date"
    DATES = "dates"
    SPAN = "span"
    CHOICE = "choice"
    CHOICES = "choices"


@dataclass(frozen=True)
class Operator:
    """One comparison.

    `negates` names the positive twin of which this is the exact complement, so it is true where the value is missing.
    `clock` says that the answer can change with time alone, without any new data.
    """

    key: str
    words: str
    shapes: Mapping[Kind, Shape]
    negates: str = ""
    clock: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of field it fits."""
        return tuple(self.shapes)

    def shape(self, kind: Kind) -> Shape:
        """The shape of its value for a kind of field."""
        return self.shapes[kind]


_TEXT = (Kind.TEXT, Kind.LINK)
_NUMERIC = (Kind.NUMBER, Kind.MONEY, Kind.PERCENT)
_DATE = (Kind.DATE, Kind.DATETIME)
_ONE = dict.fromkeys(_TEXT, Shape.TEXT) | {Kind.CHOICE: Shape.CHOICE, Kind.PERSON: Shape.CHOICE}
_SEVERAL = dict.fromkeys(_TEXT, Shape.TEXTS) | {Kind.CHOICE: Shape.CHOICES, Kind.PERSON: Shape.CHOICES}
_SEVERAL_NUMBERS = _SEVERAL | dict.fromkeys(_NUMERIC, Shape.NUMBERS)


def _all(kinds: tuple[Kind, ...], shape: Shape) -> dict[Kind, Shape]:
    return dict.fromkeys(kinds, shape)


_PERIODS = [
    Operator(f"{when}_{unit}", f"is {when} {unit}", _all(_DATE, Shape.NONE), clock=True)
    for unit in ("week", "month", "quarter", "year")
    for when in ("this", "last", "next")
]

_TABLE = [
    Operator("is", "is", _ONE),
    Operator("is_not", "is not", _ONE, negates="is"),
    Operator("any_of", "is any of", _SEVERAL_NUMBERS),
    Operator("none_of", "is none of", _SEVERAL_NUMBERS, negates="any_of"),
    Operator("contains", "contains", _all(_TEXT, Shape.TEXT)),
    Operator("not_contains", "does not contain", _all(_TEXT, Shape.TEXT), negates="contains"),
    Operator("starts_with", "starts with", _all(_TEXT, Shape.TEXT)),
    Operator("ends_with", "ends with", _all(_TEXT, Shape.TEXT)),
    Operator("matches", "matches the pattern", _all(_TEXT, Shape.PATTERN)),
    Operator("not_matches", "does not match the pattern", _all(_TEXT, Shape.PATTERN), negates="matches"),
    Operator("at_least", "is at least", _all(_NUMERIC, Shape.NUMBER)),
    Operator("more_than", "is more than", _all(_NUMERIC, Shape.NUMBER)),
    Operator("at_most", "is at most", _all(_NUMERIC, Shape.NUMBER)),
    Operator("less_than", "is less than", _all(_NUMERIC, Shape.NUMBER)),
    Operator("equals", "is equal to", _all(_NUMERIC, Shape.NUMBER)),
    Operator("not_equals", "is not equal to", _all(_NUMERIC, Shape.NUMBER), negates="equals"),
    Operator("between", "is between", _all(_NUMERIC, Shape.RANGE) | _all(_DATE, Shape.DATES)),
    Operator("not_between", "is not between", _all(_NUMERIC, Shape.RANGE), negates="between"),
    Operator("is_true", "is yes", {Kind.BOOLEAN: Shape.NONE}),
    Operator("is_false", "is no", {Kind.BOOLEAN: Shape.NONE}),
    Operator("within_next", "is in the next", _all(_DATE, Shape.SPAN), clock=True),
    Operator("within_last", "is in the last", _all(_DATE, Shape.SPAN), clock=True),
    Operator("more_than_ago", "is more than … ago", _all(_DATE, Shape.SPAN), clock=True),
    Operator("more_than_ahead", "is more than … ahead", _all(_DATE, Shape.SPAN), clock=True),
    Operator("on", "is on", _all(_DATE, Shape.DATE)),
    Operator("before", "is before", _all(_DATE, Shape.DATE)),
    Operator("after", "is after", _all(_DATE, Shape.DATE)),
    Operator("on_or_before", "is on or before", _all(_DATE, Shape.DATE)),
    Operator("on_or_after", "is on or after", _all(_DATE, Shape.DATE)),
    *_PERIODS,
    Operator("includes_any", "includes any of", {Kind.LIST: Shape.TEXTS}),
    Operator("includes_all", "includes all of", {Kind.LIST: Shape.TEXTS}),
    Operator("includes_none", "includes none of", {Kind.LIST: Shape.TEXTS}, negates="includes_any"),
    Operator("is_me", "is me", {Kind.PERSON: Shape.NONE}),
    Operator("is_unassigned", "is not assigned", {Kind.PERSON: Shape.NONE}, negates="is_set"),
    Operator("is_set", "has a value", _all(tuple(Kind), Shape.NONE)),
    Operator("is_not_set", "has no value", _all(tuple(Kind), Shape.NONE), negates="is_set"),
]

OPERATORS: dict[str, Operator] = {operator.key: operator for operator in _TABLE}


def operators_for(kind: Kind) -> list[Operator]:
    """The comparisons that fit a kind of field, in the order in which a menu shows them."""
    return [operator for operator in _TABLE if kind in operator.shapes]
