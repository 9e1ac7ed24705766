"""The score of an account over time: rows are kept for days on which something changed, and hold until the next one."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from core.clock import Moment
from health.models import HealthConfigVersion, HealthDay, HealthOverride

# One look into the index for each account and day, however long the history.
_NEWEST = """
SELECT d.*, w.day AS asked
FROM unnest(%s::bigint[], %s::date[]) AS w (account, day)
CROSS JOIN LATERAL (
    SELECT * FROM health_healthday AS one WHERE one.account_id = w.account AND one.day <= w.day
    ORDER BY one.day DESC LIMIT %s
) AS d
"""
VERSION, CONFIG, HAND = "version", "config", "hand"


@dataclass(frozen=True)
class Point:
    """The score at the end of a day: whole, by dimension, and the config and version that gave it."""

    day: dt.date
    score: Decimal | None
    dimensions: dict[str, float | None]
    config_id: int | None
    version: int
    band: str


@dataclass(frozen=True)
class CourseMark:
    """A day on which something else than the customer decided: a version of the config, another config, a hand."""

    day: dt.date
    kind: str
    title: str
    text: str


def newest_rows(wanted: Iterable[tuple[int, dt.date]], number: int = 1) -> dict[tuple[int, dt.date], list[HealthDay]]:
    """The newest rows of accounts (primary keys) up to a day each, the newest first, in one statement."""
    asked = sorted(set(wanted))
    found: dict[tuple[int, dt.date], list[HealthDay]] = defaultdict(list)
    if asked:
        rows = HealthDay.objects.raw(_NEWEST, [[one for one, _ in asked], [day for _, day in asked], number])
        for row in rows:
            found[row.account_id, row.asked].append(row)  # type: ignore[attr-defined]  # the day of the statement
    return {key: sorted(rows, key=lambda row: row.day, reverse=True) for key, rows in found.items()}


def scores_on(account: Account, days: Sequence[dt.date]) -> list[Point | None]:
    """The point that counted on each of the days (in their order); None before the first score."""
    if not days:
        return []
    before = newest_rows([(account.pk, min(days))]).get((account.pk, min(days)), [])
    later = HealthDay.objects.filter(account=account, day__gt=min(days), day__lte=max(days)).order_by("day")
    rows = [*before, *later]
    starts = [row.day for row in rows]
    found: list[Point | None] = []
    for day in days:
        place = bisect_right(starts, day) - 1
        row = rows[place] if place >= 0 else None
        point = row and Point(day, row.score, row.dimensions, row.config_id, row.version, row.band)
        found.append(point or None)
    return found


def daily_scores(account: Account, now: Moment, days: int) -> list[Point | None]:
    """The points of today and of the days before, oldest first."""
    return scores_on(account, [now.today - dt.timedelta(days=n) for n in reversed(range(days))])


def marks_of(account: Account, points: Sequence[Point | None], now: Moment) -> list[CourseMark]:
    """What changed the health over these points besides the customer, oldest first, in two statements."""
    known = [point for point in points if point is not None]
    if not known:
        return []
    pairs = [
        (before, after)
        for before, after in zip(known, known[1:], strict=False)
        if (before.config_id, before.version) != (after.config_id, after.version)
    ]
    ids = {after.config_id for _, after in pairs if after.config_id}
    versions = HealthConfigVersion.objects.filter(config_id__in=ids).select_related("config") if ids else []
    said = {(row.config_id, row.number): row for row in versions}
    marks = [_of_config(before, after, said) for before, after in pairs]
    since = now.start_of(known[0].day)
    hands = HealthOverride.objects.filter(account=account, created_at__gte=since).select_related("author__member")
    for hand in hands:
        day = hand.created_at.astimezone(now.zone).date()
        marks.append(CourseMark(day, HAND, f"{hand.get_band_display()} by hand, by {hand.who}", hand.reason))
    return sorted(marks, key=lambda mark: mark.day)


def _of_config(before: Point, after: Point, said: dict[tuple[int, int], HealthConfigVersion]) -> CourseMark:
    row = said.get((after.config_id or 0, after.version))
    if before.config_id == after.config_id:
        return CourseMark(after.day, VERSION, f"Version {after.version} of the config", row.reason if row else "")
    name = row.config.name if row else ""
    return CourseMark(after.day, CONFIG, f"Scored with {name}" if name else "Scored with no config", "")
