"""What a date comparison means today: a first and a last local day, either of which may be open.

With t = today, `within_last n` is t - n <= d <= t and `more_than_ago n` is d < t - n, so the two never overlap and
leave no gap; the same ahead. Months clamp (31 March less one month is 28 or 29 February). Weeks begin on Monday.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from dateutil.relativedelta import MO, relativedelta

from accounts.fields.values import Between
from core.spans import ONE_DAY, Span, shifted

Days = tuple[dt.date | None, dt.date | None]
_LENGTH = {
    "week": relativedelta(weeks=1),
    "month": relativedelta(months=1),
    "quarter": relativedelta(months=3),
    "year": relativedelta(years=1),
}


def period(when: str, unit: str, today: dt.date) -> Days:
    """This, last or next week, month, quarter or year."""
    if unit == "week":
        start = today + relativedelta(weekday=MO(-1))
    elif unit == "year":
        start = today.replace(month=1, day=1)
    else:
        first = today.month if unit == "month" else 3 * ((today.month - 1) // 3) + 1
        start = today.replace(month=first, day=1)
    start = {"this": start, "last": start - _LENGTH[unit], "next": start + _LENGTH[unit]}[when]
    return start, start + _LENGTH[unit] - ONE_DAY


def days_meant(op: str, value: Any, today: dt.date) -> Days:
    """The days for which a date operator holds, both ends included; None is an open end."""
    if isinstance(value, Between):
        return value.low, value.high
    if isinstance(value, Span):
        return {
            "within_last": lambda: (shifted(today, value, -1), today),
            "within_next": lambda: (today, shifted(today, value, 1)),
            "more_than_ago": lambda: (None, shifted(today, value, -1) - ONE_DAY),
            "more_than_ahead": lambda: (shifted(today, value, 1) + ONE_DAY, None),
        }[op]()
    if isinstance(value, dt.date):
        return {
            "on": (value, value),
            "before": (None, value - ONE_DAY),
            "after": (value + ONE_DAY, None),
            "on_or_before": (None, value),
            "on_or_after": (value, None),
        }[op]
    when, unit = op.split("_")
    return period(when, unit, today)


def instants_meant(op: str, value: Span, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The same for a span of hours, which is exact: first and last instant, both included, None for an open end."""
    hours = dt.timedelta(hours=value.n)
    tick = dt.timedelta(microseconds=1)
    return {
        "within_last": (now - hours, now),
        "within_next": (now, now + hours),
        "more_than_ago": (None, now - hours - tick),
        "more_than_ahead": (now + hours + tick, None),
    }[op]
