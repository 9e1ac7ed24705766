"""The days and instants of a window (`accounts.fields.windows`) for traits, which never look past today."""

from __future__ import annotations

import datetime as dt

from accounts.fields.windows import Window
from core.clock import Moment
from core.spans import ONE_DAY

TICK = dt.timedelta(microseconds=1)


def days_of(window: Window, moment: Moment) -> tuple[dt.date | None, dt.date]:
    """The first local day (None: no bound) and the last, both included."""
    first, last = window.days(moment.today)
    return first, moment.today if last is None else last


def instants_of(window: Window, moment: Moment) -> tuple[dt.datetime | None, dt.datetime]:
    """The first instant, included (None: no bound), and the end, not included."""
    if window.by_hours:
        start, end = window.instants(moment)
        return start, end + TICK
    first, last = days_of(window, moment)
    return (None if first is None else moment.start_of(max(first, dt.date(1, 1, 2)))), moment.start_of(last + ONE_DAY)
