"""The rhythm of a feed, learned from the hours in which something came, and whether the present silence breaks it.

Weekly slots: of each of the 168 hours of the week (local time) over the last eight weeks before the last arrival, the
slot is *expected* if something came in it in more than half of the weeks, that is, if the median of its weekly volumes
is not 0. The median is what makes weekends, nights and a holiday harmless (robust statistics: P. J. Huber, "Robust
Statistics", 1981, on the median's breakdown point of one half). A feed with fewer than twenty expected hours a week, or
one that misses more than a tenth of them, is judged by weekdays in the same way, and must then keep four fifths.

Silence: the expected slots that passed since the last arrival without anything are counted. With p the share of
expected slots that were kept (Jeffreys' estimate (k + 1/2) / (n + 1), H. Jeffreys, "Theory of Probability", 1961), a
run of m missed slots has the probability (1 - p)^m (geometric law); of a longer run in the past two misses count, so
that an old outage does not look like a habit. Silent is a run longer than

    allowed = max(floor, ln(0.0001) / ln(1 - p)), or twice the longest run seen, at most four times that value

`floor` is 6 hours for a feed that never rests (150 expected hours a week or more), two of its usual days for one that
does, and 2 expected days by weekdays. So a feed round the clock is noticed after 7 silent hours, one of office hours
after its third silent working day has begun, a nightly one after its third missed night, if nothing longer was usual.
A feed must have been known for 21 days before it is judged at all.
"""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WEEKS, KNOWN_DAYS = 8, 21
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
CHANCE = 1e-4
FEWEST_HOURS, ROUND_THE_CLOCK = 20, 150
KEPT_HOURS, KEPT_DAYS = 0.9, 0.8
FLOOR_HOURS, FLOOR_DAYS = 6.0, 2.0


@dataclass(frozen=True)
class Rhythm:
    """What is regular: by hours or by days, the slots of a week in which something is expected ((weekday, hour) or
    weekday, Monday 0), the share of them that was kept, and how many may be missed in a row."""

    hourly: bool
    slots: frozenset[Any]
    share: float
    allowed: float
    last: dt.datetime
    zone: zoneinfo.ZoneInfo

    @property
    def words(self) -> str:
        """In a sentence without its full stop."""
        if self.hourly:
            often = "round the clock" if len(self.slots) >= ROUND_THE_CLOCK else f"in {len(self.slots)} hours a week"
            return f"Data {often}; silent after {math.floor(self.allowed) + 1} such hours without any"
        days = "every day" if len(self.slots) == 7 else f"on {len(self.slots)} day{'s' * (len(self.slots) > 1)} a week"
        return f"Data {days}; silent after {math.floor(self.allowed) + 1} such days without any"

    def missed(self, now: dt.datetime) -> int:
        """The expected slots that have passed completely since the last arrival."""
        if self.hourly:
            return sum(_hour_slot(hour, self.zone) in self.slots for hour in _hours(self.last + HOUR, now))
        today = now.astimezone(self.zone).date()
        days = _days(self.last.astimezone(self.zone).date() + DAY, today)
        return sum(day.weekday() in self.slots for day in days)

    def silent(self, now: dt.datetime) -> bool:
        """Whether so long a silence breaks the rhythm."""
        return self.missed(now) > self.allowed


def learn(hours: Collection[dt.datetime], zone: zoneinfo.ZoneInfo) -> Rhythm | None:
    """The rhythm of a feed from the beginnings (UTC) of the hours in which something came; None for a feed that is too
    new, or not regular."""
    if not hours:
        return None
    last, first = max(hours), min(hours)
    if last - first < dt.timedelta(days=KNOWN_DAYS):
        return None
    start = max(first, last - dt.timedelta(weeks=WEEKS))
    known = {hour for hour in hours if hour >= start}
    walked = [(_hour_slot(hour, zone), hour in known) for hour in _hours(start, last + HOUR)]
    found = _judge(walked, KEPT_HOURS, FEWEST_HOURS, _floor_of_hours)
    if found:
        return Rhythm(True, *found, last, zone)
    local = {hour.astimezone(zone).date() for hour in known}
    days = _days(start.astimezone(zone).date(), last.astimezone(zone).date() + DAY)
    found = _judge([(day.weekday(), day in local) for day in days], KEPT_DAYS, 1, lambda _: FLOOR_DAYS)
    return Rhythm(False, *found, last, zone) if found else None


def _judge(
    walked: list[tuple[Any, bool]], kept: float, fewest: int, floor: Any
) -> tuple[frozenset[Any], float, float] | None:
    """Expected slots, the share of them that was kept, and how many may be missed in a row."""
    seen, hit = Counter(slot for slot, _ in walked), Counter(slot for slot, there in walked if there)
    slots = frozenset(slot for slot in seen if hit[slot] * 2 > seen[slot])
    if len(slots) < fewest:
        return None
    came = [there for slot, there in walked if slot in slots]
    missed = sum(min(run, 2) for run in _runs(came))  # an outage is one event, not a hundred misses
    share = (sum(came) + 0.5) / (sum(came) + missed + 1)
    if share < kept:
        return None
    base = max(floor(slots), math.log(CHANCE) / math.log(1 - share))
    return slots, share, max(base, min(2.0 * max(_runs(came), default=0), 4 * base))


def _floor_of_hours(slots: frozenset[Any]) -> float:
    if len(slots) >= ROUND_THE_CLOCK:
        return FLOOR_HOURS
    by_day = sorted(Counter(day for day, _ in slots).values())
    return max(FLOOR_HOURS, 2.0 * by_day[len(by_day) // 2])


def _runs(came: list[bool]) -> list[int]:
    """The lengths of the runs of slots without anything."""
    return [len(list(run)) for there, run in groupby(came) if not there]


def slots_between(
    start: dt.datetime, end: dt.datetime, rhythm: Rhythm
) -> Iterator[tuple[Any, dt.datetime, dt.datetime]]:
    """The expected slots that lie in a span completely: which of the week, its beginning and its end (UTC)."""
    if rhythm.hourly:
        for hour in _hours(start, end):
            slot = _hour_slot(hour, rhythm.zone)
            if slot in rhythm.slots:
                yield slot, hour, hour + HOUR
        return
    first, today = start.astimezone(rhythm.zone).date() + DAY, end.astimezone(rhythm.zone).date()
    for day in _days(first, today):
        if day.weekday() in rhythm.slots:
            yield day.weekday(), _midnight(day, rhythm.zone), _midnight(day + DAY, rhythm.zone)


def _midnight(day: dt.date, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The beginning of a local day, to the hour before if the zone is off by a part of one."""
    found = dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
    return found.replace(minute=0)


def _hour_slot(hour: dt.datetime, zone: zoneinfo.ZoneInfo) -> tuple[int, int]:
    local = hour.astimezone(zone)
    return local.weekday(), local.hour


def _hours(start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """The hours that lie in a span completely."""
    while start + HOUR <= end:
        yield start
        start += HOUR


def _days(start: dt.date, end: dt.date) -> Iterator[dt.date]:
    while start < end:
        yield start
        start += DAY
