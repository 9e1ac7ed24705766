"""The two public data sets replayed as if their events had come when they happened."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import zoneinfo
from collections.abc import Iterable

from tests.integrations.reading import data_set
from usage.feeds.rhythm import HOUR, learn

UTC = zoneinfo.ZoneInfo("UTC")


def hours_of(moments: Iterable[str]) -> list[dt.datetime]:
    """The hours in which something happened, in order."""
    found = {dt.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in moments}
    return sorted({at.replace(tzinfo=at.tzinfo or dt.UTC, minute=0, second=0, microsecond=0) for at in found})


def alarms(hours: list[dt.datetime]) -> list[tuple[dt.datetime, dt.datetime]]:
    """The pauses between two arrivals that would have been called a silence."""
    found = []
    for place in range(1, len(hours)):
        if hours[place] - hours[place - 1] > dt.timedelta(days=1):
            recent = [hour for hour in hours[max(0, place - 1500) : place] if hours[place - 1] - hour < 64 * 24 * HOUR]
            rhythm = learn(recent, UTC)
            if rhythm is not None and rhythm.silent(hours[place]):
                found.append((hours[place - 1], hours[place]))
    return found


def stops_in_time(hours: list[dt.datetime], within: dt.timedelta) -> None:
    """Stopped at a hundred places of the last years, it is noticed each time that it can be judged."""
    judged = 0
    for place in range(len(hours) // 2, len(hours), max(1, len(hours) // 200)):
        recent = [hour for hour in hours[max(0, place - 1500) : place] if hours[place - 1] - hour < 64 * 24 * HOUR]
        rhythm = learn(recent, UTC)
        if rhythm is not None:
            judged += 1
            assert rhythm.silent(rhythm.last + within), rhythm.words
    assert judged > 50


def test_fifteen_years_of_nova_and_where_it_stops() -> None:
    with gzip.open(data_set("openstack-nova") / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        hours = hours_of(row["timestamp"] for row in csv.DictReader(file))
    found = alarms(hours)
    # A public project pauses over Christmas and, in its first year, for whole weeks; nothing else may be taken for it.
    outside = [pause for pause in found if not (pause[0].month == 12 and pause[0].day >= 20) and pause[0].year > 2011]
    assert outside == [] and len(found) < 10, found
    stops_in_time(hours, dt.timedelta(days=28))  # it misses up to a fifth of its days, and weeks over Christmas


def test_the_usage_of_ravenstack_and_where_it_stops() -> None:
    with (data_set("ravenstack") / "ravenstack_feature_usage.csv").open(encoding="utf-8", newline="") as file:
        days = ("-".join(reversed(row["usage_date"].split("-"))) for row in csv.DictReader(file))
        hours = hours_of(days)
    assert alarms(hours) == []
    stops_in_time(hours, dt.timedelta(days=5))
