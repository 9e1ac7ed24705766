"""Lengths of time in calendar units, and what is wrong with a part of a JSON value."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from dateutil.relativedelta import relativedelta

UNITS = ("day", "week", "month", "year")
MAX_SPAN = {"hour": 87_600, "day": 36_500, "week": 5_200, "month": 1_200, "year": 100}
ONE_DAY = dt.timedelta(days=1)


class ValueProblem(ValueError):
    """What is wrong with a value; `below` is the JSON pointer under it, `code` is stable."""

    def __init__(
        self, message: str, *, code: str = "wrong-type", below: str = "", allowed: tuple[str, ...] = ()
    ) -> None:
        self.code, self.below, self.allowed = code, below, allowed
        super().__init__(message)


@dataclass(frozen=True)
class Span:
    """A length of time in calendar units (hours are exact)."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n:,} {self.unit}{'' if self.n == 1 else 's'}"


def shifted(day: dt.date, span: Span, sign: int) -> dt.date:
    """The day that lies a span before (-1) or after (1) another, as far as calendars reach."""
    try:
        return day + relativedelta(**{f"{span.unit}s": sign * span.n})  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return dt.date.min if sign < 0 else dt.date.max
