"""The health of many accounts over time: how many were in which band on each day, and their mean score.

Who belongs to a segment on a past day is read from the intervals of membership, and what an account's health was from
the row that counted then, so a line never shows today's members with yesterday's dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import MrrDay
from core.clock import Moment
from core.deadline import time_limit
from health.mixes import mixes_of
from health.models import AccountHealth, Band, HealthConfig, HealthConfigVersion, HealthDay, HealthMix
from segments.models import AccountMembership, Segment

LIMIT_MS = 8_000
MOST_LOOKS = 250_000  # accounts times days that one drawing may look up: a second or two of work
FEWEST_POINTS = 8

# The newest row of an account up to a day is one look into the index of its history.
_LATEST = """(
    SELECT h.band, h.score, h.config_id FROM {days} AS h
    WHERE h.account_id = who.account_id AND h.day <= d.day ORDER BY h.day DESC LIMIT 1
) AS was"""
_STATEMENT = """
SELECT d.day, coalesce(was.band, 'none'), count(*), sum(was.score), count(was.score), {mrr}
FROM unnest(%(days)s::date[], %(until)s::timestamptz[]) AS d (day, until)
{who}
WHERE (NOT %(some)s OR who.account_id = ANY(%(ids)s))
GROUP BY 1, 2
"""
_WORTH = """
LEFT JOIN LATERAL (
    SELECT m.mrr FROM {worths} AS m
    WHERE m.account_id = who.account_id AND m.day <= d.day ORDER BY m.day DESC LIMIT 1
) AS worth ON true"""
_MEMBERS = """JOIN {memberships} AS who ON who.segment_id = %(segment)s AND who.entered_at < d.until
    AND (who.left_at IS NULL OR who.left_at >= d.until)
LEFT JOIN LATERAL {latest} ON true"""
_SCORED = """JOIN (SELECT id AS account_id, archived_at FROM accounts_account) AS who
    ON who.archived_at IS NULL OR who.archived_at >= d.until
JOIN LATERAL {latest} ON %(config)s::bigint IS NULL OR was.config_id = %(config)s"""


@dataclass(frozen=True)
class TrendDay:
    """The end of a day: accounts by band (all four keys), and the mean of the scores; None if nobody was scored. `mrr`
    has their MRR by band where that was asked for."""

    day: dt.date
    bands: dict[str, int]
    mean: Decimal | None
    mrr: dict[str, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many accounts there were."""
        return sum(self.bands.values())

    @property
    def scored(self) -> int:
        """How many of them had a band."""
        return self.total - self.bands[str(Band.NONE)]

    def share(self, band: str) -> int:
        """Percent of the accounts in a band."""
        return round(100 * self.bands[band] / self.total) if self.total else 0


@dataclass
class _Sums:
    bands: dict[str, int] = field(default_factory=lambda: {str(band): 0 for band in Band.values})
    score: Decimal = Decimal(0)
    scored: int = 0
    mrr: dict[str, Decimal] = field(default_factory=lambda: {str(band): Decimal(0) for band in Band.values})

    def told(self, day: dt.date, worth: bool) -> TrendDay:
        """As the day of a drawing."""
        mean = round(self.score / self.scored, 1) if self.scored else None
        return TrendDay(day, self.bands, mean, self.mrr if worth else {})


@dataclass(frozen=True)
class VersionMark:
    """A version of a config that began to count on a day, with the line that was given for it."""

    day: dt.date
    config: str
    number: int
    reason: str


def trend_days(now: Moment, span: int) -> list[dt.date]:
    """The days that a drawing of a span shows, oldest first, today last: every day of a month, weeks of anything
    longer."""
    apart = 1 if span <= 31 else 7
    return [now.today - dt.timedelta(days=back) for back in range(span - span % apart, -1, -apart)]


def trend_of(
    span: int,
    now: Moment,
    size: int,
    *,
    segment: Segment | None = None,
    config: HealthConfig | None = None,
    seen: Collection[int] | None = None,
    worth: bool = False,
) -> list[TrendDay]:
    """The health over a span of days for about `size` accounts, as `health_trend` tells it. Where so many would take
    too long to look up, past days are those that were kept; of days before the first kept one, some are left out."""
    days = trend_days(now, span)
    kept: dict[dt.date, HealthMix] = {}
    if seen is None and len(days) * size > MOST_LOOKS:
        kept = mixes_of(days, segment=segment, config=config, worth=worth)
    rest = [day for day in days if day not in kept]
    fewest = 1 if kept else FEWEST_POINTS
    while len(rest) > fewest and len(rest) * size > MOST_LOOKS:
        rest = rest[::-1][::2][::-1]
    looked_up = health_trend(rest, now, segment=segment, config=config, seen=seen, worth=worth)
    told = {one.day: one for one in looked_up} | {day: _kept(row, worth) for day, row in kept.items()}
    found = [told[day] for day in sorted(told)]
    first = next((place for place, one in enumerate(found) if one.scored), len(found))
    return found[first:]


def _kept(row: HealthMix, worth: bool) -> TrendDay:
    bands = {str(band): int(getattr(row, band)) for band in Band.values}
    mrr = {str(band): getattr(row, f"{band}_mrr") for band in Band.values} if worth else {}
    return TrendDay(row.day, bands, round(row.score / row.scored, 1) if row.scored else None, mrr)


def health_trend(
    days: Sequence[dt.date],
    now: Moment,
    *,
    segment: Segment | None = None,
    config: HealthConfig | None = None,
    seen: Collection[int] | None = None,
    worth: bool = False,
) -> list[TrendDay]:
    """The health at the end of each of the days, in one statement: of the members that a segment had then, of those
    whom a config scored then, else of everybody. `seen` are the only accounts that may be counted (None: all). With
    `worth` their MRR of then is counted too. Days before the first score are left out. Raises core.deadline.TooSlow.
    """
    latest = _LATEST.format(days=HealthDay._meta.db_table)
    who = (_MEMBERS if segment else _SCORED).format(memberships=AccountMembership._meta.db_table, latest=latest)
    if worth:
        who += _WORTH.format(worths=MrrDay._meta.db_table)
    statement = _STATEMENT.format(who=who, mrr="coalesce(sum(worth.mrr), 0)" if worth else "0")
    ends = [now.start_of(day + dt.timedelta(days=1)).isoformat() if day < now.today else "infinity" for day in days]
    values: dict[str, Any] = {
        "days": list(days),
        "until": ends,
        "segment": segment.pk if segment else None,
        "config": config.pk if config else None,
        "some": seen is not None,
        "ids": list(seen or []),
    }  # fmt: skip
    found: dict[dt.date, _Sums] = {day: _Sums() for day in days}
    with time_limit(LIMIT_MS), connection.cursor() as cursor:
        cursor.execute(statement, values)
        for day, band, number, score, scored, mrr in cursor.fetchall():
            sums = found[day]
            sums.bands[band] += number
            sums.score += score or 0
            sums.scored += scored
            sums.mrr[band] += mrr
    told = [sums.told(day, worth) for day, sums in found.items()]
    first = next((place for place, day in enumerate(told) if day.scored), len(told))
    return told[first:]


def version_days(
    since: dt.date, now: Moment, *, segment: Segment | None = None, config: HealthConfig | None = None
) -> list[VersionMark]:
    """The versions that were saved since a day, oldest first: of a config, of those that score a segment's members,
    else of all."""
    rows = HealthConfigVersion.objects.filter(created_at__gte=now.start_of(since)).select_related("config")
    if config is not None:
        rows = rows.filter(config=config)
    elif segment is not None:
        inside = AccountMembership.objects.filter(segment=segment, left_at__isnull=True).values("account_id")
        rows = rows.filter(config_id__in=AccountHealth.objects.filter(account__in=inside).values("config_id"))
    return [
        VersionMark(row.created_at.astimezone(now.zone).date(), row.config.name, row.number, row.reason)
        for row in rows.order_by("created_at", "pk")[:20]
    ]
