"""The renewals of the next days and weeks: how many there are in each, what they are worth, and in which health."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, QuerySet

from accounts.models import Account
from core.spans import ONE_DAY
from health.account_fields import band
from health.models import Band
from health.portfolio import AHEAD_DAYS, RENEWING, Rule, Share, meant, mrr_of
from segments.questions import Reader

NONE = Share(0, Decimal(0))
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class RenewalSpan:
    """The renewals from one day to another, both included: a day, a calendar week that begins on Monday, or the part of
    it that lies within the next 90 days. `bands` holds all four."""

    first_day: dt.date
    last_day: dt.date
    bands: dict[str, Share]

    @property
    def whole(self) -> Share:
        """All of them."""
        return _together(list(self.bands.values()))

    @property
    def rules(self) -> list[Rule]:
        """The rule that finds these accounts."""
        days = [self.first_day.isoformat(), self.last_day.isoformat()]
        return [{"field": "account.renews_on", "op": "between", "value": days}]


def renewal_days(accounts: QuerySet[Account], reader: Reader) -> list[RenewalSpan]:
    """Those of the next 90 days on which anything renews, the next one first, in one statement."""
    rows = (
        accounts.order_by()
        .filter(meant(RENEWING, reader))
        .annotate(told_band=band(""))
        .values("renews_on", "told_band")
        .annotate(number=Count("pk"), value=mrr_of())
    )
    found: dict[dt.date, dict[str, Share]] = defaultdict(dict)
    for row in rows:
        if day := row["renews_on"]:
            found[day][row["told_band"]] = Share(row["number"], row["value"])
    return [
        RenewalSpan(day, day, {one.value: found[day].get(one.value, NONE) for one in Band}) for day in sorted(found)
    ]


def weeks_of(days: Sequence[RenewalSpan], today: dt.date) -> list[RenewalSpan]:
    """Every week of the 90 days from today, those without a renewal too."""
    end, monday = today + dt.timedelta(days=AHEAD_DAYS), today - today.weekday() * ONE_DAY
    weeks = []
    while monday <= end:
        held = [one for one in days if monday <= one.first_day < monday + WEEK]
        bands = {one.value: _together([day.bands[one.value] for day in held]) for one in Band}
        weeks.append(RenewalSpan(max(monday, today), min(monday + WEEK - ONE_DAY, end), bands))
        monday += WEEK
    return weeks


def _together(shares: Sequence[Share]) -> Share:
    return Share(sum(one.accounts for one in shares), sum((one.mrr for one in shares), Decimal(0)))
