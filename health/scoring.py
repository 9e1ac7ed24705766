"""From a definition to the SQL that scores: what each measure reads, and the arithmetic over it. Pure: runs nothing.

The rules of a measure and the fields of its limits are the engine's own expressions, so a measure means what the same
condition means in a segment. The arithmetic is written once here, over the columns that they yield.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Case, DateField, DecimalField, Func, IntegerField, Value, When
from django.db.models.functions import Cast, TruncDate

from accounts.fields import Field, Kind, Owner
from accounts.fields.sql import Known, NotTrue, any_of
from health.definition import LOWER, Definition, Limit, Measure
from segments.questions import Question
from segments.rules.compiler import Context, compile_rule
from segments.rules.nodes import Condition, Group, Node

NUMBER = DecimalField(max_digits=30, decimal_places=6)


class DaysSince(Func):
    """Whole days from a date to today; negative for a date ahead."""

    template = "(%(expressions)s)"
    arg_joiner = " - "
    output_field = IntegerField()  # type: ignore[assignment]


def columns(definition: Definition, context: Context) -> dict[str, Any]:
    """What is read of an account for each measure, as annotations: `v0, g0, p0` by number, `g0, p0, k0` by rules.

    A measure that cannot be scored has none.
    """
    found: dict[str, Any] = {}
    for i, measure in enumerate(definition.measures):
        if measure.problem:
            continue
        if measure.field is not None:
            assert measure.good and measure.poor
            found[f"v{i}"] = number(measure.field, context)
            found[f"g{i}"], found[f"p{i}"] = limit(measure.good, context), limit(measure.poor, context)
        else:
            assert measure.good_rule and measure.poor_rule
            found[f"g{i}"], found[f"p{i}"] = truth(measure.good_rule, context), truth(measure.poor_rule, context)
            found[f"k{i}"] = known(measure, context)
    return found


def number(field: Field, context: Context) -> Any:
    """The number of a field: itself, or the days since a date."""
    value = context.value(field, "")
    if field.kind is Kind.DATETIME:
        value = TruncDate(value, tzinfo=context.moment.zone)
    if field.kind in (Kind.DATE, Kind.DATETIME):
        value = DaysSince(Cast(Value(context.moment.today), DateField()), value)
    return Cast(value, NUMBER)


def limit(given: Limit, context: Context) -> Any:
    """The number that a limit means for an account; missing where the field it is a percentage of is."""
    if given.of is None:
        return Cast(Value(given.number), NUMBER)
    return Cast(Cast(context.value(given.of, ""), NUMBER) * Value(given.number / Decimal(100)), NUMBER)


def truth(question: Question, context: Context) -> Any:
    """Whether a rule holds, as a column; never NULL."""
    return Case(When(compile_rule(question.rule, context), then=Value(True)), default=Value(False))


def known(measure: Measure, context: Context) -> Any:
    """Whether anything is known of what the rules ask of the account itself.

    A rule over other rows (users, subscriptions, events) is always known: that there is none is an answer.
    """
    fields: dict[str, Field] = {}
    for question in (measure.good_rule, measure.poor_rule):
        assert question is not None
        if not _own_fields(question.rule, fields):
            return Value(True)
    values = [Known(context.value(field, "")) for field in fields.values()]
    return Case(When(NotTrue(any_of(values)), then=Value(False)), default=Value(True))


def _own_fields(node: Node, found: dict[str, Field]) -> bool:
    """Gather the fields of a rule; False if it asks for anything else than fields of the account."""
    if isinstance(node, Group):
        return all([_own_fields(child, found) for child in node.rules])
    if isinstance(node, Condition) and node.field.owner is Owner.ACCOUNT:
        found[node.field.key] = node.field
        return True
    return False


@dataclass(frozen=True)
class Arithmetic:
    """The SQL expressions of a definition over the columns above: measures' scores and values, dimensions, whole."""

    measures: Sequence[str]
    values: Sequence[str]
    dimensions: Sequence[tuple[str, str]]
    score: str
    coverage: str


def measure_sql(i: int, measure: Measure) -> tuple[str, str]:
    """The score of a measure, 0 to 100 or NULL, and the number it is made of."""
    if measure.problem:
        return "NULL::numeric", "NULL::numeric"
    if measure.field is None:
        return f"CASE WHEN NOT k{i} THEN NULL WHEN p{i} THEN 0.0 WHEN g{i} THEN 100.0 ELSE 50.0 END", "NULL::numeric"
    line = f"least(100, greatest(0, 100 * (v{i} - p{i}) / nullif(g{i} - p{i}, 0)))"
    crossed = f"g{i} >= p{i}" if measure.better == LOWER else f"g{i} <= p{i}"
    return f"CASE WHEN v{i} IS NULL OR g{i} - p{i} IS NULL OR {crossed} THEN NULL ELSE round({line}, 1) END", f"v{i}"


def by_rules(definition: Definition) -> dict[int, Measure]:
    """The measures by rules that can be scored, by their place."""
    return {i: one for i, one in enumerate(definition.measures) if one.good_rule is not None and not one.problem}


def overlapping_sql(definition: Definition) -> str:
    """For how many accounts of `read` both rules hold, as an array in the order of `by_rules`."""
    counts = ", ".join(f"count(*) FILTER (WHERE k{i} AND g{i} AND p{i})" for i in by_rules(definition))
    return f"(SELECT ARRAY[{counts}] FROM read)" if counts else "NULL::bigint[]"  # noqa: S608  # numbers of places


def share_of(measure: Measure) -> bool:
    """Whether both limits are percentages of the same field, so that its number can be told as a percentage too."""
    return bool(measure.good and measure.good.of and not measure.mixed)


def fixed(measure: Measure) -> bool:
    """Whether both limits are the same numbers for every account."""
    return bool(measure.good and measure.good.of is None and not measure.mixed)


def shown_sql(i: int, measure: Measure) -> str:
    """What a distribution of a measure is drawn of, so that its limits are the same for every account: its number; as a
    percentage where both limits are percentages of one field; else its score. NULL by rules."""
    if measure.problem or measure.field is None:
        return "NULL::numeric"
    if fixed(measure):
        return f"v{i}"
    if share_of(measure):
        assert measure.good and measure.poor
        limit, column = (measure.good, "g") if measure.good.number else (measure.poor, "p")
        return f"round(v{i} * {plain(limit.number)} / nullif({column}{i}, 0), 1)"
    return measure_sql(i, measure)[0]


def arithmetic(definition: Definition) -> Arithmetic:
    """How measures make dimensions, and dimensions the whole; what has no data is left out of both sums.

    The names of the columns: m0, m1, … hold the measures' scores, d0, d1, … the dimensions'.
    """
    made = [measure_sql(i, measure) for i, measure in enumerate(definition.measures)]
    dimensions, coverage, place = [], [], 0
    for dimension in definition.dimensions:
        weights = [(place + i, measure.weight) for i, measure in enumerate(dimension.measures)]
        place += len(weights)
        dimensions.append((dimension.key, _mean([(f"m{i}", weight) for i, weight in weights])))
        whole = sum(weight for _, weight in weights)
        shares = " + ".join(f"CASE WHEN m{i} IS NULL THEN 0 ELSE {plain(weight)} END" for i, weight in weights)
        coverage.append(f"{plain(dimension.weight)} * ({shares}) / {plain(whole)}")
    score = _mean([(f"d{i}", dimension.weight) for i, dimension in enumerate(definition.dimensions)])
    return Arithmetic([m for m, _ in made], [v for _, v in made], dimensions, score, " + ".join(coverage) or "0")


def _mean(parts: Sequence[tuple[str, Decimal]]) -> str:
    """The weighted mean of the columns that are not NULL; NULL if all are."""
    if not parts:
        return "NULL::numeric"
    above = " + ".join(f"coalesce({column} * {plain(weight)}, 0)" for column, weight in parts)
    below = " + ".join(f"CASE WHEN {column} IS NULL THEN 0 ELSE {plain(weight)} END" for column, weight in parts)
    return f"round(({above}) / nullif({below}, 0), 1)"


def plain(value: Decimal | int) -> str:
    """A number that was checked, written so that PostgreSQL reads a numeric."""
    return f"{Decimal(value):f}::numeric"
