"""The monthly partitions of the event table: made on demand or ahead, dropped when their time is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import connection, transaction

from core.locks import xact_lock
from usage.models import PrunedMonth


def month_of(at: dt.datetime | dt.date) -> dt.date:
    """The first day of the month (of an instant: in UTC, as the table is cut)."""
    day = at.astimezone(dt.UTC).date() if isinstance(at, dt.datetime) else at
    return day.replace(day=1)


def next_month(month: dt.date) -> dt.date:
    """The first day of the month after."""
    return (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)


def partition_name(month: dt.date) -> str:
    """The table that holds a month's events."""
    return f"usage_event_y{month.year:04d}m{month.month:02d}"


def existing_partitions() -> set[str]:
    """The names of the partitions there are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_event'::regclass")
        return {name for (name,) in cursor.fetchall()}


def _are_there(names: list[str]) -> bool:
    """True if all these tables exist: a quicker question than which partitions there are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) AS name", [names])
        return bool(cursor.fetchone()[0])


def ensure_months(months: Iterable[dt.date]) -> list[str]:
    """Make the partitions that are missing, one maker at a time; must run in a transaction. Returns what it made."""
    wanted = {partition_name(month): month for month in months}
    if not wanted or _are_there(list(wanted)):
        return []
    xact_lock("usage.partitions")
    missing = sorted(wanted.keys() - existing_partitions())
    with connection.cursor() as cursor:
        for name in missing:
            start, end = wanted[name], next_month(wanted[name])
            bounds = f"FROM ('{start} 00:00:00+00') TO ('{end} 00:00:00+00')"
            cursor.execute(f"CREATE TABLE {name} PARTITION OF usage_event FOR VALUES {bounds}")
    return missing


@transaction.atomic
def prepare_ahead(today: dt.date, months: int = 2) -> list[str]:
    """Make this month's partition and those of the months to come, so that ingestion finds them."""
    wanted = [month_of(today)]
    for _ in range(months):
        wanted.append(next_month(wanted[-1]))
    return ensure_months(wanted)


@transaction.atomic
def drop_before(month: dt.date) -> list[str]:
    """Drop the partitions of the months before this one and return their names.

    Daily counts, first and last signs of life and receipts stay. An event that comes later still is new if its receipt
    is missing, and adds to the counts that are there; a repetition is one as before. The months are noted, so that
    their days are never counted anew from what is left.
    """
    xact_lock("usage.partitions")
    limit = partition_name(month_of(month))
    names = sorted(name for name in existing_partitions() if name < limit)
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE {name}")
    for name in names:
        PrunedMonth.objects.update_or_create(month=dt.date(int(name[-7:-3]), int(name[-2:]), 1))
    return names
