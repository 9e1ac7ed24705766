"""The renewals of a book as a calendar: the months of the next 90 days, each day with what renews and how it stands."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from health.models import Band
from health.portfolio import AHEAD_DAYS, Rule, Share, Whose
from health.renewing import RenewalSpan
from web.portfolio import list_of, nodes_of

WORST_FIRST = (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)


@dataclass(frozen=True)
class DayCell:
    """A day of the calendar: what renews with its list, the worst health among it; none of these on other days.

    `ahead` says whether it lies within the 90 days.
    """

    day: dt.date
    ahead: bool
    share: Share | None = None
    worst: str = ""
    said: str = ""
    url: str = ""


@dataclass(frozen=True)
class Month:
    """A month: its first day, what renews in it, and its weeks from Monday to Sunday, None outside of the month."""

    first_day: dt.date
    accounts: int
    weeks: list[list[DayCell | None]]


def months_of(days: Sequence[RenewalSpan], whose: Whose, today: dt.date) -> list[Month]:
    """The months in which the 90 days from today lie; weeks that are over before today are left out."""
    mine, held = nodes_of(whose), {one.first_day: one for one in days}
    end, first, found = today + dt.timedelta(days=AHEAD_DAYS), today.replace(day=1), []
    while first <= end:
        weeks = [
            [_cell(day, held.get(day), mine, today <= day <= end) if day.month == first.month else None for day in week]
            for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
            if any(day.month == first.month and today <= day <= end for day in week)
        ]
        found.append(Month(first, sum(one.whole.accounts for one in days if _within(one, first)), weeks))
        first = (first + dt.timedelta(days=31)).replace(day=1)
    return found


def _within(span: RenewalSpan, first: dt.date) -> bool:
    return (span.first_day.year, span.first_day.month) == (first.year, first.month)


def _cell(day: dt.date, span: RenewalSpan | None, mine: list[Rule], ahead: bool) -> DayCell:
    if span is None:
        return DayCell(day, ahead)
    numbers = [(one, span.bands[one.value].accounts) for one in WORST_FIRST if span.bands[one.value].accounts]
    said = ", ".join(f"{number:,} {one.label}" for one, number in numbers)
    return DayCell(day, ahead, span.whole, numbers[0][0].value, said, list_of(*mine, *span.rules))
