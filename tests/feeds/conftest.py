"""Histories of feeds, and feeds in the database that follow one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from usage.feeds.models import Feed, FeedEvent, FeedHour
from usage.models import EventName

HOUR = dt.timedelta(hours=1)
MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def office_hours(start: dt.datetime, days: int, first: int = 9, last: int = 17) -> list[dt.datetime]:
    """An arrival in every hour of working days."""
    found = [start + dt.timedelta(days=day, hours=hour) for day in range(days) for hour in range(first, last)]
    return [hour for hour in found if hour.weekday() < 5]


def store(source: str, hours: Iterable[dt.datetime], *events: str) -> Feed:
    """A feed of which these hours are known, and that brought these events until its last."""
    known = sorted(hours)
    feed = Feed.objects.create(source=source, first_at=known[0], last_at=known[-1] + HOUR / 2)
    FeedHour.objects.bulk_create([FeedHour(feed=feed, hour=hour, count=3) for hour in known])
    for name in events:
        row, _ = EventName.objects.get_or_create(name=name)
        FeedEvent.objects.create(feed=feed, name_id=row.pk, last_at=feed.last_at)
    return feed
