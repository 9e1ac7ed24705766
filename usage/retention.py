"""How long events are kept. By default for good; a setting in months lets older ones go, a whole month at a time."""

from __future__ import annotations

import datetime as dt

from django.conf import settings

from usage.partitions import month_of
from usage.store import PostgresStore


def first_kept(today: dt.date, months: int) -> dt.date:
    """The first day of the oldest month that is kept whole: this month and so many before it."""
    number = today.year * 12 + today.month - 1 - months
    return dt.date(number // 12, number % 12 + 1, 1)


def prune_events(today: dt.date, months: int | None = None) -> list[str]:
    """Drop the events of months that are older than the setting allows; the names of the tables that are gone.

    Daily counts, first and last signs of life, and receipts stay, so figures are as exact as before and a message that
    comes again is still a repetition. Rules and traits that read properties or hours see no further than the events.
    """
    kept = settings.EVENT_MONTHS if months is None else months
    return PostgresStore().drop_before(first_kept(month_of(today), kept)) if kept else []
