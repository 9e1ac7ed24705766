"""The SQL of each positive operator; a negative one is the complement of its twin and needs none of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Func, IntegerField, Subquery, TextField, Value

from accounts.fields import Field, Kind
from accounts.fields.dates import days_meant, instants_meant
from accounts.fields.rows import OnlyRow
from accounts.fields.sql import Call, EndsWith, In, Infix, Known, Truth, all_of
from accounts.fields.values import Between, Percent
from core.clock import Moment
from core.intake import fold
from core.spans import ONE_DAY, Span

Bind = Callable[[Field], Any]

_COMPARE = {"at_least": ">=", "more_than": ">", "at_most": "<=", "less_than": "<", "equals": "="}
_INTEGER = 2**31


class Share(Truth):
    """A number beside a part of another one. Multiplied, not divided: a licence count of 0 is a value like any other.

    Two whole numbers are compared as such, which takes a fifth of the time that decimals take.
    """

    def __init__(self, left: Any, operator: str, whole: Any, part: Decimal) -> None:
        self.operator, self.part = operator, part
        super().__init__(left, whole)

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`left * d >= whole * n` for a part of n/d, or `left >= whole * part`."""
        (left, given), (whole, of) = (compiler.compile(part) for part in self.source_expressions)
        above, below = self.part.as_integer_ratio()
        if max(abs(above), below) < _INTEGER and all(map(_is_integer, self.source_expressions)):
            sql = f"({left}::bigint * %s::bigint {self.operator} {whole}::bigint * %s::bigint)"
            return sql, [*given, below, *of, above]
        return f"({left} {self.operator} {whole} * %s)", [*given, *of, self.part]


def _is_integer(expression: Any) -> bool:
    """True for a column of at most 32 bits, so that a product with another such number fits into 64."""
    field = expression.output_field
    return isinstance(field, IntegerField) and not isinstance(field, BigIntegerField)


def positive(op: str, field: Field, value: Any, bind: Bind, moment: Moment) -> Any:
    """The condition of a positive operator.

    `bind` gives the expression of a field in the row at hand (base tables, or a facts table), so that the same operator
    serves both. The result may be NULL where the value is missing, which counts as false.
    """
    left = bind(field)
    if op == "is_set":
        return left.between(None, None, "<=") if isinstance(left, OnlyRow) else Known(left)
    if op in ("is_true", "is_false"):
        return Infix(left, "=", Value(op == "is_true"))
    if field.kind in (Kind.DATE, Kind.DATETIME):
        return _in_time(op, field.kind, left, value, moment)
    if field.kind.numeric:
        return _number(op, left, value, bind)
    if field.kind is Kind.LIST:
        return _list(op, left, value)
    if field.kind in (Kind.CHOICE, Kind.PERSON):
        # The parser has already turned what was written into one of the field's own values, whose case may matter.
        return In(left, value if op == "any_of" else [value])
    return _text(op, left, value)


def _text(op: str, left: Any, value: Any) -> Any:
    """Texts and links: both sides are folded, and no character of the value is special."""
    if op == "any_of":
        return In(left, [fold(item) for item in value])
    if op == "matches":
        # The database folds ASCII alike everywhere, but other letters by its locale; no letter beyond ASCII is syntax.
        return Infix(left, "~*", Value("".join(char if char.isascii() else char.casefold() for char in value)))
    wanted = Value(fold(value), output_field=TextField())
    if op == "is":
        return Infix(left, "=", wanted)
    if op == "contains":
        return Infix(Func(left, wanted, function="strpos"), ">", Value(0))
    return Call("starts_with", left, wanted) if op == "starts_with" else EndsWith(left, wanted)


def _number(op: str, left: Any, value: Any, bind: Bind) -> Any:
    if op == "any_of":
        return In(left, value)
    if isinstance(value, Between):
        return all_of([Infix(left, ">=", Value(value.low)), Infix(left, "<=", Value(value.high))])
    if isinstance(value, Percent):
        return Share(left, _COMPARE[op], bind(value.of), value.percent / Decimal(100))
    return Infix(left, _COMPARE[op], Value(value))


def _list(op: str, left: Any, value: tuple[str, ...]) -> Any:
    items = [fold(item) for item in value]
    return Infix(left, "?|" if op == "includes_any" else "?&", Value(items))


def _in_time(op: str, kind: Kind, left: Any, value: Any, moment: Moment) -> Any:
    """Dates by their day; instants by the local day they fall on, except that hours are exact."""
    first: dt.date | dt.datetime | None
    last: dt.date | dt.datetime | None
    if isinstance(value, Span) and value.unit == "hour":
        first, last = instants_meant(op, value, moment.now)
        return _within(left, first, last, "<=")
    first, last = days_meant(op, value, moment.today)
    if kind is Kind.DATE:
        return _within(left, first, last, "<=")
    start = None if first is None else _start(moment, first)
    # Up to the first instant of the next day, so that the last microsecond of the day is in.
    end = None if last is None or last == dt.date.max else _start(moment, last + ONE_DAY)
    return _within(left, start, end, "<")


def _start(moment: Moment, day: dt.date) -> dt.datetime:
    """The first instant of a day; the calendar's own first year has none in every zone."""
    return moment.start_of(max(day, dt.date(1, 1, 2)))


def _within(left: Any, first: Any, last: Any, at_end: str) -> Any:
    """Between two ends. A value that costs a query of its own is compared as part of a range, so it is fetched once."""
    if isinstance(left, OnlyRow):
        return left.between(first, last, at_end)
    if first is not None and last is not None and isinstance(left, Subquery):
        function = "tstzrange" if isinstance(first, dt.datetime) else "daterange"
        ends = Value("[]" if at_end == "<=" else "[)")
        return Infix(left, "<@", Func(Value(first), Value(last), ends, function=function))
    parts = [Infix(left, ">=", Value(first))] if first is not None else []
    parts += [Infix(left, at_end, Value(last))] if last is not None else []
    return all_of(parts) if parts else Known(left)
