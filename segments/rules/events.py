"""What is asked of events: operators, measures and windows, each read into a typed form and written back to JSON."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.fields.properties import is_name
from accounts.fields.values import Between, read_number, read_range, write_value
from core.spans import ValueProblem

PROPERTIES = "properties."
COUNTS = ("count", "users", "days")
OF_PROPERTY = ("sum", "avg", "min", "max", "distinct")


@dataclass(frozen=True)
class EventOperator:
    """One thing to ask of an event.

    `shape` is that of the value: number, range, percent or none. `measured` says that it compares a measure, `needs` is
    the window that it needs ("last": it looks at the window before, too; "start": one that begins somewhere).
    """

    key: str
    words: str
    shape: str = "none"
    measured: bool = False
    needs: str = ""


EVENT_OPERATORS: dict[str, EventOperator] = {
    operator.key: operator
    for operator in (
        EventOperator("at_least", "at least", "number", True),
        EventOperator("more_than", "more than", "number", True),
        EventOperator("at_most", "at most", "number", True),
        EventOperator("less_than", "less than", "number", True),
        EventOperator("exactly", "exactly", "number", True),
        EventOperator("between", "between", "range", True),
        EventOperator("never", "never"),
        EventOperator("increased_by", "up by at least", "percent", True, "last"),
        EventOperator("decreased_by", "down by at least", "percent", True, "last"),
        EventOperator("first_time_in", "for the first time", needs="start"),
        EventOperator("stopped", "stopped", needs="last"),
        EventOperator("restarted", "started again", needs="last"),
    )
}
SEQUENCE_OPERATORS: dict[str, EventOperator] = {
    operator.key: operator
    for operator in (EventOperator("then", "and then"), EventOperator("not_then", "and then not"))
}


@dataclass(frozen=True)
class Measure:
    """What is compared: a count (times, users, days), or an aggregate of the property `of`."""

    name: str = "count"
    of: str = ""

    @property
    def of_nothing(self) -> Decimal | None:
        """What it is where nothing happened: 0, but a mean, a minimum or a maximum of nothing is not known."""
        return None if self.name in ("avg", "min", "max") else Decimal(0)


def read_measure(data: Any) -> Measure:
    """ "users", or {"sum": "properties.pages"}; without any, how often it happened."""
    allowed = (*COUNTS, *OF_PROPERTY)
    if data is None:
        return Measure()
    if isinstance(data, str) and data in COUNTS:
        return Measure(data)
    if isinstance(data, dict) and len(data) == 1 and next(iter(data)) in OF_PROPERTY:
        name = next(iter(data))
        return Measure(name, read_property(data[name], f"/{name}"))
    raise ValueProblem(
        "A measure is count, users, days, or like {“sum”: “properties.pages”}.", code="invalid-value", allowed=allowed
    )


def read_property(data: Any, below: str = "") -> str:
    """The name of a property, out of "properties.pages"."""
    name = data.removeprefix(PROPERTIES) if isinstance(data, str) and data.startswith(PROPERTIES) else ""
    if not is_name(name):
        raise ValueProblem("Name a property like “properties.pages”.", code="invalid-value", below=below)
    return name


def read_event_value(op: EventOperator, measure: Measure, data: Any) -> Decimal | Between | None:
    """The value beside an operator: a number, two ends, or a percentage."""
    if op.shape == "none":
        if data is not None:
            raise ValueProblem(f"“{op.words}” takes no value. Remove it.", code="unexpected-value")
        return None
    if data is None:
        raise ValueProblem("A value is missing.", code="required")
    if op.shape == "percent":
        return _percent(op, data)
    value = read_range(data) if op.shape == "range" else read_number(data)
    least = value.low if isinstance(value, Between) else value
    if least < 0 and measure.name in (*COUNTS, "distinct"):
        raise ValueProblem("A count is 0 or more.", code="out-of-range")
    return value


def _percent(op: EventOperator, data: Any) -> Decimal:
    if not isinstance(data, dict) or set(data) != {"percent"}:
        raise ValueProblem("Expected a percentage: {“percent”: 50}.")
    try:
        percent = read_number(data["percent"])
    except ValueProblem as problem:
        raise ValueProblem(str(problem), code=problem.code, below="/percent") from problem
    if percent <= 0 or (op.key == "decreased_by" and percent > 100):
        most = "up to 100" if op.key == "decreased_by" else "above 0"
        raise ValueProblem(f"Give a percentage {most}.", code="out-of-range", below="/percent")
    return percent


def holds_at(op: str, value: Decimal | Between, number: Decimal | None) -> bool:
    """Whether a comparison holds for a number; a number that is not known compares with nothing."""
    if number is None:
        return False
    if isinstance(value, Between):
        return bool(value.low <= number <= value.high)
    return {
        "at_least": number >= value,
        "more_than": number > value,
        "at_most": number <= value,
        "less_than": number < value,
        "exactly": number == value,
    }[op]


def write_event_value(op: EventOperator, value: Decimal | Between | None) -> Any:
    """The JSON form of a value."""
    return {"percent": write_value(value)} if op.shape == "percent" else write_value(value)


def write_measure(measure: Measure) -> Any:
    """The JSON form of a measure."""
    return {measure.name: PROPERTIES + measure.of} if measure.of else measure.name
