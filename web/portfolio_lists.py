"""The parts of Portfolio that are a picture or a short list, each with the addresses of the lists behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse

from alerts.work.due import TasksDue
from health.models import Band
from health.portfolio import Rule, Share, Whose
from health.renewing import RenewalSpan
from health.trends import TrendDay
from web.charts import Mix, mix
from web.portfolio import band_is, list_of, nodes_of
from web.templatetags.csbox import day_text, money_short
from web.value_columns import Column, Columns, value_columns


@dataclass(frozen=True)
class BandCell:
    """A band of a row: its number and money, and the list of its accounts."""

    key: str
    label: str
    share: Share
    url: str


@dataclass(frozen=True)
class WeekRow:
    """The renewals of a week with the lists behind its numbers."""

    first_day: dt.date
    last_day: dt.date
    whole: Share
    url: str
    cells: list[BandCell]


@dataclass(frozen=True)
class Renewals:
    """The picture of the weeks to come, and those in which anything renews."""

    chart: Columns | None
    rows: list[WeekRow]


def renewals_of(weeks: Sequence[RenewalSpan], whose: Whose, currency: str) -> Renewals:
    """Weeks as columns by health, and as rows with their lists."""
    mine = nodes_of(whose)
    columns = [
        Column(f"{week.first_day.day} {week.first_day:%b}", {key: one.mrr for key, one in week.bands.items()})
        for week in weeks
    ]
    rows = [_week_row(week, mine) for week in weeks if week.whole.accounts]
    return Renewals(value_columns(columns, _renewals_said(rows, currency), currency), rows)


def _week_row(week: RenewalSpan, mine: list[Rule]) -> WeekRow:
    cells = [
        BandCell(
            one.value, str(one.label), week.bands[one.value], list_of(*mine, *week.rules, band_is(one.value))
        )
        for one in (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)
    ]  # fmt: skip
    return WeekRow(week.first_day, week.last_day, week.whole, list_of(*mine, *week.rules), cells)


def _renewals_said(rows: Sequence[WeekRow], currency: str) -> str:
    if not rows:
        return "Nothing renews."
    total = sum((row.whole.mrr for row in rows), Decimal(0))
    most = max(rows, key=lambda row: row.whole.mrr)
    poor = sum((row.cells[0].share.mrr for row in rows), Decimal(0))
    money = [str(money_short(amount, currency)) for amount in (total, most.whole.mrr, poor)]
    return f"{money[0]} of MRR renews, most of it ({money[1]}) from {day_text(most.first_day)}; {money[2]} is Poor."


@dataclass(frozen=True)
class TaskRow:
    """Some tasks: what they are called, how many, the list of them."""

    label: str
    number: int
    url: str


def task_mix(due: TasksDue) -> Mix:
    """The same as a bar."""
    return mix([("late", "overdue", due.overdue), ("today", "today", due.today), ("soon", "in 7 days", due.soon)])


def task_rows(due: TasksDue, whose: Whose) -> list[TaskRow]:
    """Late, today and later, each with the list on the page of tasks; that of later days goes on beyond a week."""
    who = f"team:{whose.team.pk}" if whose.team else whose.member.key if whose.member else "everybody"
    pages = (("Overdue", due.overdue, "overdue"), ("Today", due.today, "today"), ("In 7 days", due.soon, "later"))
    return [
        TaskRow(label, number, f"{reverse('tasks')}?{urlencode({'view': view, 'who': who})}")
        for label, number, view in pages
    ]


@dataclass(frozen=True)
class Balance:
    """Who joined Poor, to the left of the middle, and who left it, to the right; in percent of the width."""

    joined: str
    joined_x: str
    left: str


def balance_of(joined: int, left: int) -> Balance:
    """Both bars on one scale."""
    most = max(joined, left, 1)
    return Balance(f"{50 * joined / most:.1f}", f"{50 - 50 * joined / most:.1f}", f"{50 * left / most:.1f}")


@dataclass(frozen=True)
class CourseRow:
    """A week of a book: its last day, what it was worth, and each band with the accounts of then."""

    day: dt.date
    whole: Share
    url: str
    cells: list[BandCell]


@dataclass(frozen=True)
class Course:
    """The picture of 26 weeks, and its rows, the newest first."""

    chart: Columns | None
    rows: list[CourseRow]


def course_view(days: Sequence[TrendDay], chosen: str, currency: str) -> Course:
    """Weeks as columns, and as rows with the accounts of each band; `chosen` is the word for the book."""
    columns = [Column(f"{one.day.day} {one.day:%b}", one.mrr) for one in days]
    rows = [_course_row(one, chosen) for one in reversed(days)]
    return Course(value_columns(columns, _course_said(days, currency), currency), rows)


def _course_row(day: TrendDay, chosen: str) -> CourseRow:
    cells = [
        BandCell(one.value, str(one.label), Share(day.bands[one.value], day.mrr[one.value]), day_of(day, chosen, one))
        for one in (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)
    ]
    whole = Share(day.total, sum(day.mrr.values(), Decimal(0)))
    return CourseRow(day.day, whole, day_of(day, chosen), cells)


def day_of(day: TrendDay, chosen: str, band: Band | None = None) -> str:
    """The address of the accounts of a day."""
    asked = {"who": chosen, "day": day.day.isoformat()} | ({"band": band.value} if band else {})
    return f"{reverse('portfolio_day')}?{urlencode(asked)}"


def _course_said(days: Sequence[TrendDay], currency: str) -> str:
    if not days:
        return ""
    first, last = days[0], days[-1]
    said = [str(money_short(day.mrr[Band.POOR.value], currency)) for day in (first, last)]
    wholes = [str(money_short(sum(day.mrr.values(), Decimal(0)), currency)) for day in (first, last)]
    return (
        f"MRR at Poor was {said[0]} of {wholes[0]} on {day_text(first.day)} and is {said[1]} of {wholes[1]} "
        f"on {day_text(last.day)}."
    )
