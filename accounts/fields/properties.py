"""Conditions on the properties of an event: read in one way and compared in one way, in rules and in traits.

A property has the type of whatever its sender gave, so the comparison and its value say which type is meant. What makes
a property of a name a field is declared by the app that keeps events (`EventSource.field`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.fields.comparing import positive
from accounts.fields.operators import OPERATORS, Operator, operators_for
from accounts.fields.registry import Field, Kind, Vocabulary
from accounts.fields.sql import NotTrue
from accounts.fields.values import Between, read_value
from core.clock import Moment
from core.intake import short
from core.spans import ValueProblem

MOST_NAME = 255
PROPERTY_KINDS = (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN)
OF_ANY_KIND = ("is_set", "is_not_set")


@dataclass(frozen=True)
class PropertyTest:
    """A property compared with a value."""

    field: Field
    op: Operator
    value: Any

    @property
    def words(self) -> str:
        """The comparison in a sentence."""
        value = self.value
        if value is None:
            return f"{self.field.label} {self.op.words}"
        if isinstance(value, Between):
            listed = f"{_said(value.low)} and {_said(value.high)}"
        else:
            listed = " or ".join(map(_said, value if isinstance(value, tuple) else (value,)))
        return f"{self.field.label} {self.op.words} {listed}"

    def compiled(self, moment: Moment, prefix: str = "") -> Any:
        """The condition on an event; a negative one is the exact complement of its positive twin."""
        found = positive(self.op.negates or self.op.key, self.field, self.value, lambda f: f.value(prefix), moment)
        return NotTrue(found) if self.op.negates else found


def _said(value: Any) -> str:
    return f"{value:,f}" if isinstance(value, Decimal) else f"“{value}”"


def property_operators() -> list[Operator]:
    """The comparisons that fit a property."""
    return list({op.key: op for kind in PROPERTY_KINDS for op in operators_for(kind)}.values())


def kind_meant(op: Operator, value: Any) -> Kind:
    """The type that a comparison means: "any of" numbers is about numbers, otherwise texts come first."""
    numbers = isinstance(value, list) and bool(value) and not any(isinstance(item, str) for item in value)
    order = (Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN) if numbers else PROPERTY_KINDS
    return next(kind for kind in order if kind in op.shapes)


def is_name(name: str) -> bool:
    """True for what can be the name of a property."""
    plain = "\x00" not in name and not any("\ud800" <= char <= "\udfff" for char in name)
    return bool(name.strip()) and len(name) <= MOST_NAME and plain


def read_test(name: str, op: Any, value: Any, vocabulary: Vocabulary) -> PropertyTest:
    """A comparison as it was sent or stored; raises ValueProblem with the place below (`/op` or `/value`)."""
    known, fitting = OPERATORS.get(op) if isinstance(op, str) else None, property_operators()
    if known is None or known not in fitting:
        allowed = tuple(item.key for item in fitting)
        code = "unknown-operator" if known is None else "wrong-operator"
        message = f"“{short(op)}” does not fit a property. Use {', '.join(allowed)}."
        raise ValueProblem(message, code=code, below="/op", allowed=allowed)
    kind = kind_meant(known, value)
    field = vocabulary.events.field(name, None if known.key in OF_ANY_KIND else kind)
    try:
        return PropertyTest(field, known, read_value(known.shape(kind), value, field, vocabulary))
    except ValueProblem as problem:
        below = f"/value{problem.below}"
        raise ValueProblem(str(problem), code=problem.code, below=below, allowed=problem.allowed) from problem
