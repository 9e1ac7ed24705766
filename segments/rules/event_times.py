"""When what is counted happened: a window of events, and the time around it, as conditions of SQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Value
from django.db.models.functions import TruncDate

from accounts.fields import Kind
from accounts.fields.sql import Infix
from accounts.fields.windows import Window
from core.clock import Moment
from core.spans import ONE_DAY
from segments.rules.homes import Home


@dataclass(frozen=True)
class Times:
    """The window and the time before it as conditions on the day of a daily count or the instant of an event."""

    window: Window
    moment: Moment
    raw: bool
    home: Home

    @property
    def column(self) -> str:
        """When it happened."""
        return "at" if self.raw else "day"

    @property
    def day(self) -> Any:
        """The local day on which it happened."""
        return TruncDate("at", tzinfo=self.moment.zone) if self.raw else F("day")

    def inside(self) -> list[Any]:
        """In the window."""
        if self.window.by_hours:
            start, end = self.window.instants(self.moment)
            return [Infix(F("at"), ">=", Value(start)), Infix(F("at"), "<=", Value(end))]
        first, last = self.window.days(self.moment.today)
        found = [*self._from(first), *self._until(last)]
        if self.window.field is not None:
            found.append(Infix(self.day, ">=", self._since()))
        return found or [Infix(F(self.column), "=", F(self.column))]

    def before(self) -> list[Any]:
        """In the window of the same length just before."""
        if self.window.by_hours:
            start, _ = self.window.instants(self.moment)
            earlier = start - dt.timedelta(hours=self.window.n)
            return [Infix(F("at"), ">=", Value(earlier)), Infix(F("at"), "<", Value(start))]
        days = self.window.days_before(self.moment.today)
        if days is None:
            return [Infix(F(self.column), "<>", F(self.column))]
        return [*self._from(days[0]), *self._until(days[1])]

    def both(self) -> list[Any]:
        """In the window or in the one before."""
        return [self.before()[0], *self.up_to_end()]

    def earlier(self) -> list[Any]:
        """At any time before the window."""
        if self.window.by_hours:
            return [Infix(F("at"), "<", Value(self.window.instants(self.moment)[0]))]
        if self.window.field is not None:
            return [Infix(self.day, "<", self._since())]
        first, _ = self.window.days(self.moment.today)
        assert first is not None
        return self._until(first - ONE_DAY)

    def up_to_end(self) -> list[Any]:
        """In the window or at any time before it."""
        if self.window.by_hours:
            return [Infix(F("at"), "<=", Value(self.window.instants(self.moment)[1]))]
        return self._until(self.window.days(self.moment.today)[1])

    def _from(self, day: dt.date | None) -> list[Any]:
        if day is None:
            return []
        return [Infix(F(self.column), ">=", Value(self._start(day) if self.raw else day))]

    def _until(self, day: dt.date | None) -> list[Any]:
        if day is None:
            return []
        if self.raw:
            return [Infix(F("at"), "<", Value(self._start(day + ONE_DAY)))]
        return [Infix(F("day"), "<=", Value(day))]

    def _start(self, day: dt.date) -> dt.datetime:
        return self.moment.start_of(max(day, dt.date(1, 1, 2)))

    def _since(self) -> Any:
        """The local day of the date; where it is not known there is no window, and so no event in it."""
        field = self.window.field
        assert field is not None
        value = field.value(self.home.prefix(field.owner))
        return TruncDate(value, tzinfo=self.moment.zone) if field.kind is Kind.DATETIME else value
