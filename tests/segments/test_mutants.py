"""The judge is judged: an engine with a planted mistake must be caught, or the comparison would prove nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db.models import DecimalField, FloatField, Func, Q, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.fields import Kind, Rows, Vocabulary, comparing, dates, sql
from accounts.fields.attributes import TypedKey
from accounts.fields.values import Between
from accounts.models import Account
from accounts.models.account import AccountQuerySet
from core.clock import Moment
from core.spans import Span
from segments.rules import compiler
from segments.rules.compiler import Negated, Some, _Compiler
from tests.segments.judging import draws_survived

pytestmark = [pytest.mark.django_db, pytest.mark.once]
Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]
MUTANTS: dict[str, Mutant] = {}
RIGHT = "the engine as it is"


def mutant(name: str) -> Callable[[Mutant], Mutant]:
    """Register a mistake under its name."""

    def keep(plant: Mutant) -> Mutant:
        MUTANTS[name] = plant
        return plant

    return keep


def replace_text(op: str, make: Callable[[Any, str], Any]) -> Mutant:
    """A mutant that gets one text operator wrong."""

    def plant(patch: Patch) -> None:
        right = comparing._text
        patch.setattr(
            comparing, "_text", lambda o, left, v: make(left, comparing.fold(v)) if o == op else right(o, left, v)
        )

    return plant


def like(left: Any, *parts: Any) -> Any:
    """LIKE as it is written by those who forget its wildcards."""
    return sql.Infix(left, "LIKE", Concat(*parts, output_field=TextField()))


ANY = Value("%")
MUTANTS["contains is an unescaped LIKE"] = replace_text("contains", lambda left, v: like(left, ANY, Value(v), ANY))
MUTANTS["starts with is an unescaped LIKE"] = replace_text("starts_with", lambda left, v: like(left, Value(v), ANY))
MUTANTS["ends with is contains"] = replace_text("ends_with", lambda left, v: like(left, ANY, Value(v), ANY))


@mutant("at least is more than")
def _(patch: Patch) -> None:
    patch.setitem(comparing._COMPARE, "at_least", ">")


@mutant("at most is less than")
def _(patch: Patch) -> None:
    patch.setitem(comparing._COMPARE, "at_most", "<")


@mutant("the value is not folded")
def _(patch: Patch) -> None:
    patch.setattr(comparing, "fold", lambda text: text)


@mutant("texts are read as they were written, with their case")
def _(patch: Patch) -> None:
    def as_written(field: Any, prefix: str) -> Any:
        texts = field.is_text and ".custom." not in field.key and field.shown
        return field.shown(prefix) if texts else field.value(prefix)

    right = _Compiler.__init__

    def init(self: _Compiler, context: Any) -> None:
        right(self, context)
        object.__setattr__(self.context, "binding", as_written)

    patch.setattr(_Compiler, "__init__", init)


@mutant("is not is <>, which loses the missing")
def _(patch: Patch) -> None:
    patch.setattr(sql.NotTrue, "template", "(NOT (%(expressions)s))")


@mutant("no user does needs a user")
def _(patch: Patch) -> None:
    right = _Compiler.quantified

    def wrong(self: _Compiler, node: Any, inside: Any) -> Any:
        rows = self.context.vocabulary.row_sets[node.rows]
        some, found = compiler.Exists(compiler.rows_of(rows, "pk")), right(self, node, inside)
        return sql.all_of([some, self.sql(found)]) if node.quantifier == "none" else found

    patch.setattr(_Compiler, "quantified", wrong)


def quantified(change: Callable[[_Compiler, Any], Any]) -> Mutant:
    """A mutant that gets "all" wrong."""

    def plant(patch: Patch) -> None:
        right = _Compiler.quantified
        patch.setattr(
            _Compiler, "quantified", lambda s, n, i: change(s, n) if n.quantifier == "all" else right(s, n, i)
        )

    return plant


def _some(self: _Compiler, node: Any, wrap: Callable[[Any], Any] = lambda where: where) -> Some:
    rows = self.context.vocabulary.row_sets[node.rows]
    return Some(rows, None, wrap(self.sql(self.group(node.where, rows))))


MUTANTS["every user is some user"] = quantified(_some)
MUTANTS["every user holds without any user"] = quantified(lambda s, n: Negated(_some(s, n, sql.NotTrue)))


@mutant("a group without quantifier is all where it says any")
def _(patch: Patch) -> None:
    right = _Compiler.group

    def wrong(self: _Compiler, group: Any, inside: Any) -> Any:
        return right(self, type(group)("any" if group.match == "all" else group.match, group.rules), inside)

    patch.setattr(_Compiler, "group", wrong)


@mutant("none of is not all of")
def _(patch: Patch) -> None:
    right = _Compiler.group

    def wrong(self: _Compiler, group: Any, inside: Any) -> Any:
        if group.match != "none":
            return right(self, group, inside)
        return sql.NotTrue(self.sql(right(self, type(group)("all", group.rules), inside)))

    patch.setattr(_Compiler, "group", wrong)


@mutant("the conditions on users are about any user each")
def _(patch: Patch) -> None:
    right = _Compiler.quantified

    def wrong(self: _Compiler, node: Any, inside: Any) -> Any:
        if node.quantifier != "any" or node.where.match != "all":
            return right(self, node, inside)
        each = [type(node)(node.rows, "any", None, type(node.where)("all", (one,))) for one in node.where.rules]
        return sql.all_of([self.sql(right(self, one, inside)) for one in each])

    patch.setattr(_Compiler, "quantified", wrong)


@mutant("between leaves out its ends")
def _(patch: Patch) -> None:
    right = comparing._number

    def wrong(op: str, left: Any, value: Any, bind: Any) -> Any:
        if isinstance(value, Between):
            return sql.all_of([sql.Infix(left, ">", Value(value.low)), sql.Infix(left, "<", Value(value.high))])
        return right(op, left, value, bind)

    patch.setattr(comparing, "_number", wrong)


@mutant("numbers are compared as binary fractions")
def _(patch: Patch) -> None:
    right = comparing._number

    def wrong(op: str, left: Any, value: Any, bind: Any) -> Any:
        return right(op, Cast(left, FloatField()), value, lambda field: Cast(bind(field), FloatField()))

    patch.setattr(comparing, "_number", wrong)


@mutant("a percentage of a missing number is a percentage of nothing")
def _(patch: Patch) -> None:
    right = comparing._number

    def wrong(op: str, left: Any, value: Any, bind: Any) -> Any:
        def zero(field: Any) -> Any:
            return Func(bind(field), Value(0), function="coalesce", output_field=DecimalField())

        return right(op, left, value, zero)

    patch.setattr(comparing, "_number", wrong)


@mutant("days begin at midnight of UTC")
def _(patch: Patch) -> None:
    patch.setattr(Moment, "start_of", lambda self, day: dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC))


@mutant("today is the day of UTC")
def _(patch: Patch) -> None:
    patch.setattr(Moment, "today", property(lambda self: self.now.astimezone(dt.UTC).date()))


@mutant("days are 24 hours")
def _(patch: Patch) -> None:
    right = comparing._in_time

    def wrong(op: str, kind: Kind, left: Any, value: Any, moment: Moment) -> Any:
        if isinstance(value, Span) and value.unit == "day" and kind is Kind.DATETIME:
            value = Span(value.n * 24, "hour")
        return right(op, kind, left, value, moment)

    patch.setattr(comparing, "_in_time", wrong)


@mutant("the last instant of a day is left out")
def _(patch: Patch) -> None:
    right = comparing._within
    patch.setattr(
        comparing,
        "_within",
        lambda left, first, last, end: right(left, first, last and last - dt.timedelta.resolution, end),
    )  # of a date, nothing is taken away


@mutant("months are 30 days")
def _(patch: Patch) -> None:
    right = dates.shifted

    def wrong(day: dt.date, span: Span, sign: int) -> dt.date:
        return right(day, Span(span.n * 30, "day") if span.unit == "month" else span, sign)

    patch.setattr(dates, "shifted", wrong)


@mutant("weeks begin on Sunday")
def _(patch: Patch) -> None:
    patch.setattr(dates, "MO", dates.MO.__class__(6))


def ended_rows_of(name: Rows) -> Mutant:
    """A mutant that counts the rows that have ended too."""

    def plant(patch: Patch) -> None:
        right = compiler.rows_of

        def wrong(rows: Any, of: str, narrowed: Any = None) -> Any:
            if rows.name is not name:
                return right(rows, of, narrowed)
            found = rows.rows().model._default_manager.filter(**{rows.link: compiler.OuterRef(of)})
            return found.filter(narrowed) if narrowed is not None else found

        patch.setattr(compiler, "rows_of", wrong)

    return plant


MUTANTS["relationships that have ended count"] = ended_rows_of(Rows.USERS)
MUTANTS["assignments that have ended count"] = ended_rows_of(Rows.ASSIGNMENTS)


@mutant("who left a segment is still in it")
def _(patch: Patch) -> None:
    right = _Compiler.segment

    def wrong(self: _Compiler, node: Any, inside: Any) -> Any:
        found = right(self, node, inside)
        some = found.some if isinstance(found, Negated) else found
        wider = Some(some.rows, some.narrowed, Q()) if not node.op.span else some
        return Negated(wider) if isinstance(found, Negated) else wider

    patch.setattr(_Compiler, "segment", wrong)


@mutant("the negation is pushed into the rows")
def _(patch: Patch) -> None:
    def wrong(self: Negated) -> Any:
        return Some(self.some.rows, self.some.narrowed, sql.NotTrue(self.some.condition)).exists()

    patch.setattr(Negated, "exists", wrong)


@mutant("siblings about other rows share one EXISTS")
def _(patch: Patch) -> None:
    right = _Compiler.group

    def wrong(self: _Compiler, node: Any, inside: Any) -> Any:
        found = [self.node(child, inside) for child in node.rules]
        some = [part for part in found if isinstance(part, Some) and part.narrowed is None]
        if (
            node.match == "all"
            and len(some) > 1
            and len({part.rows.name for part in some}) == 1
            and len(some) == len(found)
        ):
            return Some(some[0].rows, None, sql.all_of([part.condition for part in some]))
        return right(self, node, inside)

    patch.setattr(_Compiler, "group", wrong)


@mutant("includes all is includes any")
def _(patch: Patch) -> None:
    right = comparing._list
    patch.setattr(comparing, "_list", lambda op, left, value: right("includes_any", left, value))


@mutant("archived accounts count")
def _(patch: Patch) -> None:
    patch.setattr(AccountQuerySet, "live", lambda self: self)


@mutant("money is compared in the currency it was given in")
def _(patch: Patch) -> None:
    right = Vocabulary.__getitem__

    def wrong(self: Vocabulary, key: str) -> Any:
        field = right(self, key)
        if field.kind is not Kind.MONEY or ".custom." not in key:
            return field
        name = key.split(".")[2]
        return replace(field, value=lambda p: TypedKey(p + "attributes", name, "amount", kind=Kind.NUMBER))

    patch.setattr(Vocabulary, "__getitem__", wrong)


@pytest.fixture(scope="module")
def survived(furniture: None) -> dict[str, int | None | Exception]:
    return draws_survived(MUTANTS | {RIGHT: lambda patch: None})


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_caught(name: str, survived: dict[str, int | None | Exception]) -> None:
    assert survived[name] is not None, f"nobody noticed that {name}"
    assert isinstance(survived[name], int), f"it cannot answer, which is no way to be caught: {survived[name]!r}"


def test_the_engine_as_it_is_differs_nowhere_in_the_same_worlds(survived: dict[str, int | None | Exception]) -> None:
    assert survived[RIGHT] is None
    assert Account.objects.count() == 0
