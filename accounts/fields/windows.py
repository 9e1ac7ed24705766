"""The time in which events count: one meaning and one way to write it, for the rules of segments and for traits.

Days, weeks, months and years are calendar days of the workspace's zone, today included: the last 30 days are today and
the 29 before. Between 60 and 30 days ago means both of these days and all between. Hours are exact.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from accounts.fields.registry import Field, Kind, Owner, Vocabulary
from core.clock import Moment
from core.intake import short
from core.spans import MAX_SPAN, ONE_DAY, UNITS, Span, ValueProblem, shifted

WINDOW_UNITS = ("hour", *UNITS)
DATES = (Kind.DATE, Kind.DATETIME)
OF_ACCOUNT = (Owner.ACCOUNT,)
_WHOSE = {Owner.ACCOUNT: "the account", Owner.USER: "the user", Owner.RELATIONSHIP: "the user in the account"}


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

    def days_before(self, today: dt.date) -> tuple[dt.date, dt.date] | None:
        """First and last local day of the window of the same length just before; None if this one has no length."""
        first, last = self.days(today)
        if first is None or last is None:
            return None
        return first - (last - first) - ONE_DAY, first - ONE_DAY

    def instants(self, moment: Moment) -> tuple[dt.datetime, dt.datetime]:
        """First and last instant of a window by hours, both included."""
        return moment.now - dt.timedelta(hours=self.n), moment.now - dt.timedelta(hours=self.to)


def read_window(data: Any, vocabulary: Vocabulary, owners: Collection[Owner] = OF_ACCOUNT) -> Window:
    """The typed form of a window; without any, ever. It may begin with a date that one of the owners has."""
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
        return Window("since", field=_since(data["since"], vocabulary, owners))
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


def _since(key: Any, vocabulary: Vocabulary, owners: Collection[Owner]) -> Field:
    found = vocabulary.get(key) if isinstance(key, str) else None
    if found is None or found.owner not in owners or found.kind not in DATES:
        message = f"“{short(key)}” is not a date of {' or of '.join(_WHOSE[owner] for owner in owners)}."
        if found is not None and found.owner in _WHOSE and found.kind in DATES:
            message += " Such a window stands inside a group about users, or in a rule about users."
        allowed = tuple(dates_of(vocabulary, owners))
        raise ValueProblem(message, code="unknown-field", below="/since", allowed=allowed)
    return found


def dates_of(vocabulary: Vocabulary, owners: Collection[Owner] = OF_ACCOUNT) -> Iterable[str]:
    """The keys of the fields that a window may begin with, by their owners."""
    return [key for own in owners for key, item in vocabulary.items() if item.owner is own and item.kind in DATES]


def write_window(window: Window) -> Any:
    """The JSON form of a window."""
    if window.kind == "last":
        return {"last": window.n, "unit": window.unit}
    if window.kind == "between":
        return {"between": [window.n, window.to], "unit": window.unit}
    return {"since": window.field.key} if window.field else "ever"


def window_words(window: Window) -> str:
    """ "in the last 30 days"."""
    if window.kind == "last":
        return f"in the last {_units(window.n, window.unit)}"
    if window.kind == "between":
        return f"between {window.n:,} and {_units(window.to, window.unit)} ago"
    if window.field is None:
        return "ever"
    if window.field.owner is Owner.ACCOUNT:
        return f"since {_lower(window.field.label)}"
    return f"since “{window.field.label}” of {_WHOSE[window.field.owner]}"  # an account has dates of the same name


def _units(n: int, unit: str) -> str:
    return f"{n:,} {unit}{'' if n == 1 else 's'}"


def _lower(label: str) -> str:
    return label if label[:2].isupper() else label[:1].lower() + label[1:]
