"""What a health config is made of: dimensions of measures, weights, bands. Read here, and nowhere else.

The grammar (the manual's page on health says it in full):
    {"dimensions": [{"key": "adoption", "name": "Product adoption", "weight": 40, "measures": [measure, …]}, …],
     "bands": {"good": 70, "poor": 40}, "least_coverage": 50}
    measure by number  {"key", "name", "weight", "field": "account.active_users_30d", "good": limit, "poor": limit}
                       and "better": "higher" or "lower" where the limits are of two kinds
    measure by rules   {"key", "name", "weight", "good": rule, "poor": rule}
    limit              75, or {"percent": 70, "of": "account.licences"}; of a date, days since it (ahead: negative)

A number scores 0 at its poor limit, 100 at its good one, and in a straight line between; beyond them it stays there.
Which way is better is the same for every account; where an account's limits cross or meet, its measure is missing.
Rules score 100 where the Good one holds, 0 where the Poor one does, 50 in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from accounts.fields import Field, Kind, Owner, Stage, Vocabulary
from core.intake import BadValue, clean_number, clean_text, short
from core.refusals import Problem, Unusable
from segments.models import Segment
from segments.questions import Question, Reader
from segments.rules.nodes import Condition, InSegment, fields_of, walk
from segments.rules.tree import RuleError
from segments.stages import stages_of

MOST_DIMENSIONS, MOST_MEASURES = 8, 40
GOOD_FROM, POOR_BELOW, LEAST_COVERAGE = Decimal(70), Decimal(40), Decimal(50)


class DefinitionError(Unusable):
    """The definition cannot be used."""


@dataclass(frozen=True)
class Limit:
    """A number, or so many percent of another numeric field of the same account."""

    number: Decimal
    of: Field | None = None

    @property
    def whole(self) -> str:
        """The key of the field that it is a percentage of; "" for a number."""
        return self.of.key if self.of else ""


@dataclass(frozen=True)
class Measure:
    """One thing that is looked at. By number: `field` with two limits; by rules: two questions. The other is None.

    `better` is "higher" or "lower", for a measure by number.
    `problem` says why it cannot be scored now (a field that is gone); it is then left out like missing data.
    """

    key: str
    name: str
    weight: Decimal
    field: Field | None = None
    good: Limit | None = None
    poor: Limit | None = None
    good_rule: Question | None = None
    poor_rule: Question | None = None
    better: str = ""
    problem: str = ""

    @property
    def in_days(self) -> bool:
        """Whether its number is days since a date."""
        return self.field is not None and self.field.kind in (Kind.DATE, Kind.DATETIME)

    @property
    def mixed(self) -> bool:
        """Whether its limits are of two kinds, so that which of them is larger depends on the account."""
        return self.good is not None and self.poor is not None and self.good.whole != self.poor.whole


@dataclass(frozen=True)
class Dimension:
    """Measures that speak of the same side of an account; `weight` is its percentage of the whole."""

    key: str
    name: str
    weight: Decimal
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Definition:
    """All of it. A score is Good from `good` on, Poor below `poor`, Average between; below `least_coverage` percent of
    the weights with data an account is not scored."""

    dimensions: tuple[Dimension, ...]
    good: Decimal = GOOD_FROM
    poor: Decimal = POOR_BELOW
    least_coverage: Decimal = LEAST_COVERAGE

    @property
    def measures(self) -> list[Measure]:
        """Every measure in the order in which scores are stored."""
        return [measure for dimension in self.dimensions for measure in dimension.measures]

    def but(self, change: Callable[[Measure], Measure]) -> Definition:
        """The same with each measure as `change` makes it."""
        rows = (replace(one, measures=tuple(map(change, one.measures))) for one in self.dimensions)
        return replace(self, dimensions=tuple(rows))


UNSCORED = Definition(())
HIGHER, LOWER = "higher", "lower"


def usual_direction(field: Field | None, good: Limit, poor: Limit) -> str:
    """Which way is better by the limits. Limits of one kind say it. Of two kinds: the fewer days since a date the
    better; else the side that is a percentage is the larger one, and the larger of two percentages."""
    if good.whole != poor.whole:
        if field is not None and field.kind in (Kind.DATE, Kind.DATETIME):
            return LOWER
        if good.of is None or poor.of is None:
            return LOWER if good.of is None else HIGHER
    return HIGHER if good.number >= poor.number else LOWER


def read_definition(data: Any, reader: Reader, *, lenient: bool = False) -> Definition:
    """A definition as it was sent or stored. Raises DefinitionError with every problem found.

    `lenient` is for scoring what was saved: a measure that cannot be read any more is kept with its problem, so that
    the rest is scored.
    """
    reading = _Reading(reader, lenient)
    found = reading.definition(data)
    if reading.problems:
        raise DefinitionError(reading.problems)
    return found


class _Reading:
    """One pass over a definition; what is wrong is collected."""

    def __init__(self, reader: Reader, lenient: bool) -> None:
        self.reader, self.lenient = reader, lenient
        self.problems: list[Problem] = []
        self.keys: set[str] = set()

    def fail(self, pointer: str, code: str, message: str, allowed: Iterable[str] = ()) -> None:
        self.problems.append(Problem(pointer, code, message, tuple(allowed)))

    def definition(self, data: Any) -> Definition:
        data = self.object(data, "", {"dimensions", "bands", "least_coverage"})
        rows = data.get("dimensions")
        if not isinstance(rows, list) or not rows:
            self.fail("/dimensions", "required", "A config needs at least one dimension.")
            return UNSCORED
        if len(rows) > MOST_DIMENSIONS:
            self.fail("/dimensions", "too-many", f"At most {MOST_DIMENSIONS} dimensions.")
        found = tuple(self.dimension(row, f"/dimensions/{i}") for i, row in enumerate(rows[:MOST_DIMENSIONS]))
        total = sum(one.weight for one in found)
        if not self.problems and total != 100:
            self.fail("/dimensions", "weights", f"The weights of the dimensions add to {total:g} %, not to 100 %.")
        if sum(len(one.measures) for one in found) > MOST_MEASURES:
            self.fail("/dimensions", "too-many", f"At most {MOST_MEASURES} measures.")
        bands = self.object(data.get("bands", {}), "/bands", {"good", "poor"})
        good = self.number(bands.get("good", GOOD_FROM), "/bands/good", 0, 100)
        poor = self.number(bands.get("poor", POOR_BELOW), "/bands/poor", 0, 100)
        if good <= poor:
            text = f"Good begins at {good:g} and Poor ends at {poor:g}: the bands overlap. Good must begin above Poor."
            self.fail("/bands/good", "bands-overlap", text)
        least = self.number(data.get("least_coverage", LEAST_COVERAGE), "/least_coverage", 0, 100)
        return Definition(found, good, poor, least)

    def dimension(self, data: Any, at: str) -> Dimension:
        data = self.object(data, at, {"key", "name", "weight", "measures"})
        key, name = self.named(data, at)
        weight = self.weight(data, at)
        rows = data.get("measures")
        if not isinstance(rows, list) or not rows:
            self.fail(f"{at}/measures", "required", f"{name or 'The dimension'} needs at least one measure.")
            rows = []
        return Dimension(
            key, name, weight, tuple(self.measure(row, f"{at}/measures/{i}") for i, row in enumerate(rows))
        )

    def measure(self, data: Any, at: str) -> Measure:
        data = self.object(data, at, {"key", "name", "weight", "field", "good", "poor", "better"})
        key, name = self.named(data, at)
        weight = self.weight(data, at, default=1)
        before = len(self.problems)
        if "field" in data:
            found = self.by_number(data, at, key, name, weight)
        else:
            found = self.by_rules(data, at, key, name, weight)
        if self.lenient and len(self.problems) > before:
            message = self.problems[before].message
            del self.problems[before:]
            return Measure(key, name, weight, problem=message)
        return found

    def by_number(self, data: Mapping[str, Any], at: str, key: str, name: str, weight: Decimal) -> Measure:
        field = self.field(data["field"], f"{at}/field", dates=True)
        good, poor = (self.limit(data.get(side), f"{at}/{side}") for side in ("good", "poor"))
        if good and poor and good == poor:
            self.fail(f"{at}/good", "bands-overlap", "Good and Poor have the same limit, which leaves no way between.")
        better = self.better(data.get("better"), f"{at}/better", field, good, poor)
        return Measure(key, name, weight, field=field, good=good, poor=poor, better=better)

    def better(self, given: Any, at: str, field: Field | None, good: Limit | None, poor: Limit | None) -> str:
        if given not in (None, HIGHER, LOWER):
            self.fail(at, "invalid-choice", "Say “higher” or “lower”.", (HIGHER, LOWER))
        if good is None or poor is None:
            return ""
        usual = usual_direction(field, good, poor)
        if given is None or given == usual or good.whole != poor.whole:
            return given or usual
        self.fail(at, "wrong-direction", f"By its limits {usual} is better. Remove this, or swap Good and Poor.")
        return usual

    def by_rules(self, data: Mapping[str, Any], at: str, key: str, name: str, weight: Decimal) -> Measure:
        good, poor = (self.rule(data.get(side), f"{at}/{side}") for side in ("good", "poor"))
        if "better" in data:
            self.fail(f"{at}/better", "unknown-key", "Only a measure by number has a direction. Remove it.")
        return Measure(key, name, weight, good_rule=good, poor_rule=poor)

    def rule(self, data: Any, at: str) -> Question | None:
        try:
            found = self.reader.read(data)
        except RuleError as error:
            self.problems += [Problem(at + p.pointer, p.code, p.message, p.allowed) for p in error.problems]
            return None
        if not found.rule.rules:
            self.fail(at, "empty-group", "The rule has no condition. Add one.")
        for node in walk(found.rule):
            if isinstance(node, Condition) and node.field.stage >= Stage.HEALTH:
                self.fail(at + node.pointer, "later-stage", f"{node.field.label} is only known after health is scored.")
            if isinstance(node, InSegment) and node.key in self.later:
                self.fail(at + node.pointer, "later-stage", "That segment reads health, so health cannot read it.")
        return found

    @cached_property
    def later(self) -> set[str]:
        """The segments that are refreshed after health, because their rules read it."""
        stages = stages_of(Segment.everything.all(), self.reader.vocabulary)
        return {key for key, stage in stages.items() if stage >= Stage.HEALTH}

    def field(self, value: Any, at: str, *, dates: bool = False) -> Field | None:
        vocabulary: Vocabulary = self.reader.vocabulary
        found = vocabulary.get(value) if isinstance(value, str) else None
        if value in (None, ""):
            self.fail(at, "required", "Choose a field.")
        elif found is None:
            self.fail(at, "unknown-field", f"There is no field {short(value)}. It may have been deleted.")
        elif found.stage >= Stage.HEALTH:
            self.fail(at, "later-stage", f"{found.label} is only known after health is scored.")
        elif found.owner is not Owner.ACCOUNT or not (
            found.kind.numeric or (dates and found.kind in (Kind.DATE, Kind.DATETIME))
        ):
            kinds = "a number or a date" if dates else "a number"
            self.fail(at, "wrong-field", f"{found.label} is not {kinds} of the account.")
        else:
            return found
        return None

    def limit(self, value: Any, at: str) -> Limit | None:
        if isinstance(value, Mapping):
            value = self.object(value, at, {"percent", "of"})
            percent = self.number(value.get("percent"), f"{at}/percent", 0, 1_000_000)
            of = self.field(value.get("of"), f"{at}/of")
            return Limit(percent, of) if of else None
        if value is None:
            self.fail(at, "required", "Give a number, or a percentage of another field.")
            return None
        return Limit(self.number(value, at, -(10**12), 10**12))

    def named(self, data: Mapping[str, Any], at: str) -> tuple[str, str]:
        """Key and name; keys are unique in a config, because history is told by them."""
        try:
            name = clean_text(data.get("name") or "", 80)
            key = clean_text(data.get("key") or "", 60)
        except BadValue as error:
            self.fail(f"{at}/name", "invalid-text", str(error))
            return "", ""
        if not name:
            self.fail(f"{at}/name", "required", "The name is missing.")
        if not key or not key.replace("-", "").replace("_", "").isalnum() or not key.isascii():
            self.fail(f"{at}/key", "invalid-key", "The key is made of letters, digits, - and _.")
        elif key in self.keys:
            self.fail(f"{at}/key", "key-taken", f"The key {key} stands twice.")
        self.keys.add(key)
        return key, name

    def weight(self, data: Mapping[str, Any], at: str, default: int | None = None) -> Decimal:
        found = self.number(data.get("weight", default), f"{at}/weight", 0, 100)
        if found == 0 and not any(problem.pointer == f"{at}/weight" for problem in self.problems):
            self.fail(f"{at}/weight", "weight-zero", "Nothing counts with a weight of zero. Give it one, or remove it.")
        return found

    def number(self, value: Any, at: str, low: int, high: int) -> Decimal:
        try:
            found = clean_number(value)
        except BadValue as error:
            self.fail(at, "invalid-number", str(error))
            return Decimal(0)
        if found is None or not low <= found <= high:
            self.fail(at, "out-of-range", f"Give a number from {low:,} to {high:,}.")
            return Decimal(0)
        return found

    def object(self, value: Any, at: str, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.fail(at, "invalid-type", f"Expected an object, got {short(value)}.")
            return {}
        for extra in sorted(set(map(str, value)) - known):
            self.fail(f"{at}/{short(extra)}", "unknown-key", f"“{short(extra)}” is not known here. Remove it.", known)
        return value


def fields_of_measure(measure: Measure) -> set[str]:
    """The keys of every field that a measure names."""
    limits = [side.of for side in (measure.good, measure.poor) if side is not None]
    found = {one.key for one in (measure.field, *limits) if one is not None}
    for question in (measure.good_rule, measure.poor_rule):
        found |= fields_of(question.rule) if question else set()
    return found
