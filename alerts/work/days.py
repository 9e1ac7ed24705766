"""Days counted in working days, by the workspace's work week (dateutil's recurrence rules, as iCalendar has them)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from dateutil.rrule import DAILY, rrule

from core.models import Workspace

LONGEST = 400  # days ahead, working or not


@dataclass(frozen=True)
class Span:
    """So many days ahead; `working` counts only days on which people work."""

    days: int
    working: bool = True

    def __str__(self) -> str:
        kind = "working day" if self.working else "day"
        return f"{self.days} {kind}{'' if self.days == 1 else 's'}"


def day_after(start: dt.date, span: Span, workspace: Workspace) -> dt.date:
    """The day that lies a span after a day. 0 working days is that day itself, or the next one on which people work."""
    if not span.working:
        return start + dt.timedelta(days=span.days)
    first = dt.datetime.combine(start, dt.time())
    if span.days:  # the first day that is counted is the one after the start
        first += dt.timedelta(days=1)
    rule = rrule(DAILY, dtstart=first, byweekday=workspace.weekdays, count=max(1, span.days))
    return list(rule)[-1].date()
