"""The score of an account over time: rows are kept for days on which something changed, and hold until the next one."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from core.clock import Moment
from health.models import HealthConfigVersion, HealthDay


@dataclass(frozen=True)
class Point:
    """The score at the end of a day: whole, by dimension, and the config and version that gave it."""

    day: dt.date
    score: Decimal | None
    dimensions: dict[str, float | None]
    config_id: int | None
    version: int


def scores_on(account: Account, days: Sequence[dt.date]) -> list[Point | None]:
    """The point that counted on each of the days (in their order); None before the first score."""
    rows = list(HealthDay.objects.filter(account=account, day__lte=max(days)).order_by("day")) if days else []
    starts = [row.day for row in rows]
    found: list[Point | None] = []
    for day in days:
        place = bisect_right(starts, day) - 1
        row = rows[place] if place >= 0 else None
        found.append(Point(day, row.score, row.dimensions, row.config_id, row.version) if row else None)
    return found


def weekly_scores(account: Account, now: Moment, weeks: int = 12) -> list[Point | None]:
    """The points of today and of the weeks before, oldest first."""
    return scores_on(account, [now.today - dt.timedelta(weeks=n) for n in reversed(range(weeks))])


def version_marks(points: Sequence[Point | None]) -> list[tuple[dt.date, str]]:
    """The days on which another config, or another version of it, began to count, with why it was saved."""
    marks: list[tuple[dt.date, str]] = []
    known = [point for point in points if point is not None]
    reasons = {
        (row.config_id, row.number): row.reason
        for row in HealthConfigVersion.objects.filter(config_id__in={point.config_id for point in known})
    }
    for before, after in zip(known, known[1:], strict=False):
        if (before.config_id, before.version) != (after.config_id, after.version):
            marks.append(
                (after.day, reasons.get((after.config_id or 0, after.version), "") or f"version {after.version}")
            )
    return marks
