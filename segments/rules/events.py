"""What is asked of events: operators, measures and windows, each read into a typed form and written back to JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Kind, Owner, Vocabulary
from core.clock import Moment
from core.intake import short
from segments.rules.dates import ONE_DAY, shifted
from segments.rules.values import MAX_SPAN, UNITS, Between, Span, ValueProblem, read_number, read_range, write_value

PROPERTIES = "properties."
COUNTS = ("count", "users", "days")
OF_PROPERTY = ("sum", "avg", "min", "max", "distinct")
WINDOW_UNITS = ("hour", *UNITS)


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


@dataclass(frozen=True)
class Window:
    """The time in which events count: the last `n` units, from `n` to `to` units ago, since a date, or ever."""

    kind: str
    n: int = 0
    unit: str = "day"
    to: int = 0
    field: Field | None = None

    @property
    def by_hours(self) -> bool:
        """True if it is exact to the instant; all others are whole local days."""
        return self.unit == "hour"

    def days(self, today: dt.date) -> tuple[dt.date | None, dt.date | None]:
        """First and last local day, both included; None is an open end."""
        if self.kind == "last":
            return shifted(today, Span(self.n, self.unit), -1) + ONE_DAY, today
        if self.kind == "between":
            return shifted(today, Span(self.n, self.unit), -1), shifted(today, Span(self.to, self.unit), -1)
        return None, today if self.kind == "since" else None

    def instants(self, moment: Moment) -> tuple[dt.datetime, dt.datetime]:
        """First and last instant of a window by hours, both included."""
        return moment.now - dt.timedelta(hours=self.n), moment.now - dt.timedelta(hours=self.to)


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
    if not name.strip() or len(name) > 255 or "\x00" in name or any("\ud800" <= char <= "\udfff" for char in name):
        raise ValueProblem("Name a property like “properties.pages”.", code="invalid-value", below=below)
    return name


def read_window(data: Any, vocabulary: Vocabulary) -> Window:
    """The typed form of a window; without any, ever."""
    if data is None or data == "ever":
        return Window("ever")
    if isinstance(data, dict) and set(data) == {"last", "unit"}:
        unit = _unit(data["unit"])
        return Window("last", _count(data["last"], unit, 1, "/last"), unit)
    if isinstance(data, dict) and set(data) == {"between", "unit"}:
        unit, ends = _unit(data["unit"]), data["between"]
        if not isinstance(ends, list) or len(ends) != 2:
            raise ValueProblem("Expected two ages: [60, 30].", below="/between")
        far, near = (_count(end, unit, 0, f"/between/{place}") for place, end in enumerate(ends))
        if far < near:
            raise ValueProblem("The older age comes first. Swap them.", code="out-of-range", below="/between")
        return Window("between", far, unit, near)
    if isinstance(data, dict) and set(data) == {"since"}:
        return Window("since", field=_since(data["since"], vocabulary))
    raise ValueProblem(
        "A window is {“last”: 30, “unit”: “day”}, {“between”: [60, 30], …}, {“since”: a date} or “ever”."
    )


def _unit(data: Any) -> str:
    if not isinstance(data, str) or data not in WINDOW_UNITS:
        raise ValueProblem(f"The unit is one of {', '.join(WINDOW_UNITS)}.", below="/unit", allowed=WINDOW_UNITS)
    return data


def _count(data: Any, unit: str, least: int, below: str) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise ValueProblem(f"Enter a number of {unit}s, for example 30.", below=below)
    if not least <= data <= MAX_SPAN[unit]:
        raise ValueProblem(f"Enter a number from {least} to {MAX_SPAN[unit]:,}.", code="out-of-range", below=below)
    return data


def _since(key: Any, vocabulary: Vocabulary) -> Field:
    found = vocabulary.get(key) if isinstance(key, str) else None
    if found is None or found.owner is not Owner.ACCOUNT or found.kind not in (Kind.DATE, Kind.DATETIME):
        message = f"“{short(key)}” is not a date of the account."
        raise ValueProblem(message, code="unknown-field", below="/since", allowed=tuple(dates_of(vocabulary)))
    return found


def dates_of(vocabulary: Vocabulary) -> Iterable[str]:
    """The keys of the fields that a window may begin with."""
    dates = (Kind.DATE, Kind.DATETIME)
    return [key for key, item in vocabulary.items() if item.owner is Owner.ACCOUNT and item.kind in dates]


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


def write_window(window: Window) -> Any:
    """The JSON form of a window."""
    if window.kind == "last":
        return {"last": window.n, "unit": window.unit}
    if window.kind == "between":
        return {"between": [window.n, window.to], "unit": window.unit}
    return {"since": window.field.key} if window.field else "ever"
