"""The time that a trait looks at: the last so many days, between two ages, or ever.

Days, weeks and months are calendar days of the workspace's zone, today included: the last 30 days are today and the 29
before. Between 60 and 30 days ago means both of these days and all between. Hours are exact. Nothing looks past today.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from dateutil.relativedelta import relativedelta

from core.clock import Moment

UNITS = ("day", "week", "month", "hour")
MOST = {"hour": 8_760, "day": 3_650, "week": 520, "month": 120}
ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """From `oldest` units ago to `newest` units ago; without `oldest` it is ever, without `newest` it ends now."""

    unit: str = "day"
    oldest: int | None = None
    newest: int | None = None

    def instants(self, moment: Moment) -> tuple[dt.datetime | None, dt.datetime]:
        """The first instant, included (None: no bound), and the end, not included."""
        tick = dt.timedelta(microseconds=1)
        if self.oldest is not None and self.unit == "hour":
            end = moment.now - dt.timedelta(hours=self.newest or 0)
            return moment.now - dt.timedelta(hours=self.oldest), end + tick
        first, last = self.days(moment)
        return (None if first is None else moment.start_of(first)), moment.start_of(last + ONE_DAY)

    def days(self, moment: Moment) -> tuple[dt.date | None, dt.date]:
        """The first local day (None: no bound) and the last, both included; of hours there are none."""
        if self.oldest is None:
            return None, moment.today
        first = _back(moment.today, self.oldest, self.unit)
        if self.newest is None:
            return first + ONE_DAY, moment.today
        return first, _back(moment.today, self.newest, self.unit)

    @property
    def words(self) -> str:
        """The window in a sentence."""
        if self.oldest is None:
            return "ever"
        if self.newest is None:
            return f"in the last {self.oldest:,} {self.unit}{'' if self.oldest == 1 else 's'}"
        return f"between {self.oldest:,} and {self.newest:,} {self.unit}s ago"


def _back(day: dt.date, n: int, unit: str) -> dt.date:
    return day - relativedelta(**{f"{unit}s": n})  # type: ignore[arg-type]
