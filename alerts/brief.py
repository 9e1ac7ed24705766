"""The brief: what changed in some accounts since an instant, each with its cause; what is most at stake comes first.

Accounts are ordered by value at risk (the MRR of an account that is Poor and renews within 90 days, as on Portfolio),
then by the points that the health score fell, then by the days to the renewal. Changes that come of a new definition
are none of the customer's and are left out. To add a kind of change, put a source into `SOURCES`.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import (
    Case,
    Count,
    DecimalField,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce

from accounts.models import Account
from alerts.models import Alert, MilestoneChange
from alerts.reasons import reason_of
from core.clock import Moment
from health.models import Band, BandChange
from health.moves import told_changes
from health.portfolio import RENEWING, SILENT_DAYS, meant
from segments.models import AccountMembership, Segment
from segments.questions import Reader

SHOWN, MOST_ITEMS = 8, 6
MILESTONE_NEWS = ("reached", "rewon", "lost", "overdue")
LONGEST = dt.timedelta(days=31)  # a brief reaches back no further
RENEWS_IN = (90, 60, 30, 14, 7, 1, 0)
_AMOUNT = DecimalField(max_digits=20, decimal_places=2)
_POINTS = DecimalField(max_digits=5, decimal_places=1)


@dataclass(frozen=True)
class Item:
    """One change: its kind, when, what, why."""

    kind: str
    at: dt.datetime
    what: str
    why: str = ""


@dataclass
class AccountBrief:
    """An account with what changed, the newest first. `at_risk` is money a month, `fell` points of the score, `days`
    those to the renewal if it lies ahead."""

    account: Account
    band: str
    at_risk: Decimal
    fell: Decimal
    days: int | None
    items: list[Item] = field(default_factory=list)
    more: int = 0

    @property
    def label(self) -> str:
        """The word for the band."""
        return str(Band(self.band).label)


@dataclass(frozen=True)
class Brief:
    """The accounts with most at stake, and how many changed in all."""

    since: dt.datetime
    total: int
    shown: list[AccountBrief]


@dataclass(frozen=True)
class Asked:
    """What every source is asked with: since when, and the present."""

    since: dt.datetime
    reader: Reader

    @property
    def now(self) -> Moment:
        """The present."""
        return self.reader.moment

    @cached_property
    def segments(self) -> list[int]:
        """The segments whose members are told of."""
        return list(Segment.objects.filter(visible=True, active=True).order_by().values_list("pk", flat=True))

    @property
    def first_day(self) -> dt.date:
        """The local day of the beginning, which does not count itself."""
        return self.since.astimezone(self.now.zone).date()


@dataclass(frozen=True)
class Source:
    """A kind of change: which accounts had one (a condition for accounts), and what it was, by account."""

    key: str
    changed: Callable[[Asked], Q]
    items: Callable[[Sequence[Account], Asked], list[tuple[int, Item]]]


def brief_of(accounts: QuerySet[Account], since: dt.datetime, reader: Reader, limit: int = SHOWN) -> Brief:
    """What changed in these accounts after an instant, in a fixed number of statements."""
    asked = Asked(max(since, reader.moment.now - LONGEST), reader)
    any_of = Q(pk__in=[])
    for source in SOURCES:
        any_of |= source.changed(asked)
    # All of them are looked at once, for their number and their order; only those that are shown are read whole.
    ranked = _ranked(accounts.order_by().filter(any_of), asked).annotate(of_all=Window(Count("pk")))
    first = list(ranked.values_list("pk", "of_all")[:limit])
    total = first[0][1] if first else 0
    chosen = _ranked(Account.objects.filter(pk__in=[pk for pk, _ in first]), asked) if first else ()
    found = {account.pk: _of(account, asked.now) for account in chosen}
    told: dict[int, list[Item]] = defaultdict(list)
    for source in SOURCES if found else ():
        for pk, item in source.items([one.account for one in found.values()], asked):
            told[pk].append(item)
    for pk, one in found.items():
        items = sorted(told[pk], key=lambda item: item.at, reverse=True)
        one.items, one.more = items[:MOST_ITEMS], max(0, len(items) - MOST_ITEMS)
    return Brief(asked.since, total, list(found.values()))


def _ranked(accounts: QuerySet[Account], asked: Asked) -> QuerySet[Account]:
    moves = BandChange.objects.filter(account=OuterRef("pk"), at__gt=asked.since, cause__in=_OWN).order_by()
    lowest = moves.values("account").annotate(by=Min(F("score_after") - F("score_before"), output_field=_POINTS))
    zero = Value(Decimal(0))
    at_risk = Case(
        When(meant(RENEWING, asked.reader) & Q(health__band=Band.POOR), then=Coalesce(F("mrr"), zero)),
        default=zero, output_field=_AMOUNT,
    )  # fmt: skip
    today = asked.now.today
    found = accounts.select_related("health", "usage").annotate(
        at_risk=at_risk,
        fell=Coalesce(Subquery(lowest.values("by")), zero, output_field=_POINTS),
        ahead=Case(When(renews_on__gte=today, then=F("renews_on"))),
    )
    worth = F("mrr").desc(nulls_last=True)
    return found.order_by("-at_risk", "fell", F("ahead").asc(nulls_last=True), worth, "name_folded", "pk")


def _of(account: Any, now: Moment) -> AccountBrief:
    health = getattr(account, "health", None)
    days = (account.ahead - now.today).days if account.ahead else None
    fell = max(Decimal(0), -account.fell)
    return AccountBrief(account, health.band if health else Band.NONE.value, account.at_risk, fell, days)


_OWN = (BandChange.Cause.DATA, BandChange.Cause.TIME, BandChange.Cause.OVERRIDE)


def _band_moved(asked: Asked) -> Q:
    rows = BandChange.objects.filter(at__gt=asked.since, cause__in=_OWN)
    return Q(pk__in=rows.order_by().values("account"))


def _bands(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    rows = BandChange.objects.filter(account__in=accounts, at__gt=asked.since, cause__in=_OWN)
    told = told_changes(list(rows.order_by("-at", "-pk")[: MOST_ITEMS * len(accounts)]), asked.reader)
    return [(one.change.account_id, Item("health", one.change.at, one.title, one.line)) for one in told]


def _alert_moved(asked: Asked) -> Q:
    rows = Alert.objects.filter(Q(opened_at__gt=asked.since) | Q(ended_at__gt=asked.since))
    return Q(pk__in=rows.exclude(ending=Alert.Ending.DEFINITION).order_by().values("account"))


def _alerts(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    rows = Alert.objects.filter(Q(opened_at__gt=asked.since) | Q(ended_at__gt=asked.since), account__in=accounts)
    found = []
    for alert in rows.exclude(ending=Alert.Ending.DEFINITION).select_related("rule"):
        name = alert.rule.name
        if alert.opened_at > asked.since:
            why = alert.message or reason_of(alert.why)
            found.append((alert.account_id, Item("alert", alert.opened_at, f"Alert: {name}", why)))
        if alert.ended_at and alert.ended_at > asked.since:
            how = str(alert.get_outcome_display() or alert.get_ending_display())
            found.append((alert.account_id, Item("alert", alert.ended_at, f"Alert ended: {name}", how)))
    return found


def _milestone_changes(asked: Asked) -> QuerySet[MilestoneChange]:
    """Milestones reached, lost or overdue, but for what a new definition did."""
    rows = MilestoneChange.objects.filter(milestone__active=True, noted_at__gt=asked.since, kind__in=MILESTONE_NEWS)
    return rows.exclude(origin=MilestoneChange.Origin.DEFINITION)


def _milestone_moved(asked: Asked) -> Q:
    return Q(pk__in=_milestone_changes(asked).order_by().values("account"))


def _milestones(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    rows = _milestone_changes(asked).filter(account__in=accounts).select_related("milestone")
    words = {kind: str(label) for kind, label in MilestoneChange.Kind.choices}
    return [
        (row.account_id, Item("milestone", row.noted_at, f"{words[row.kind]}: {row.milestone}", row.reason))
        for row in rows.order_by("-pk")[: MOST_ITEMS * len(accounts)]
    ]


def _stays(asked: Asked) -> QuerySet[AccountMembership]:
    """Stays in public segments that began or ended, but for those that a new rule began or ended."""
    began = Q(entered_at__gt=asked.since) & ~Q(opened_by__new_definition=True)
    ended = Q(left_at__gt=asked.since) & ~Q(closed_by__new_definition=True)
    # Said once more of the stay and its segment alone, so that indexes find the few and no other is looked at.
    mine = Q(segment__in=asked.segments)
    lately = mine & Q(entered_at__gt=asked.since) | mine & Q(left_at__gt=asked.since)
    return AccountMembership.objects.filter(lately).filter(began | ended)


def _segment_moved(asked: Asked) -> Q:
    return Q(pk__in=_stays(asked).order_by().values("account"))


def _segments(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    rows = _stays(asked).filter(account__in=accounts).select_related(
        "segment", "opened_by", "closed_by", "opened_pin", "closed_pin"
    )  # fmt: skip
    found = []
    for row in rows.order_by("-entered_at"):
        name = row.segment.name
        changed = bool(row.opened_by and row.opened_by.new_definition)
        if row.entered_at > asked.since and not changed:
            why = f"By hand: {row.opened_pin.reason}" if row.opened_pin else ""
            found.append((row.account_id, Item("segment", row.entered_at, f"Joined {name}", why)))
        changed = bool(row.closed_by and row.closed_by.new_definition)
        if row.left_at and row.left_at > asked.since and not changed:
            why = f"By hand: {row.closed_pin.reason}" if row.closed_pin else ""
            found.append((row.account_id, Item("segment", row.left_at, f"Left {name}", why)))
    return found


def _renewal_near(asked: Asked) -> Q:
    """So many days before the renewal were reached since."""
    found, today = Q(pk__in=[]), asked.now.today
    for days in RENEWS_IN:
        ahead = dt.timedelta(days=days)
        found |= Q(renews_on__gt=asked.first_day + ahead, renews_on__lte=today + ahead)
    return found & Q(renews_on__gte=today)


def _renewals(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    today, found = asked.now.today, []
    for account in accounts:
        day = account.renews_on
        if day is None or day < today:
            continue
        reached = [n for n in RENEWS_IN if asked.first_day < day - dt.timedelta(days=n) <= today]
        if reached:
            at = max(asked.since, asked.now.start_of(day - dt.timedelta(days=reached[-1])))
            left = (day - today).days
            what = "Renews today" if left == 0 else f"Renews in {left} day{'' if left == 1 else 's'}"
            found.append((account.pk, Item("renewal", at, what, f"on {day.day} {day:%b %Y}")))
    return found


def _silent_since(asked: Asked) -> Q:
    """The last of the days of silence passed since."""
    end = asked.now.start_of(asked.now.today - dt.timedelta(days=SILENT_DAYS))
    begin = asked.now.start_of(asked.first_day - dt.timedelta(days=SILENT_DAYS))
    quiet = Q(usage__last_seen_at__gte=begin, usage__last_seen_at__lt=end)
    return quiet & (Q(stage__isnull=True) | ~Q(stage__kind="cancelled"))


def _silences(accounts: Sequence[Account], asked: Asked) -> list[tuple[int, Item]]:
    end = asked.now.start_of(asked.now.today - dt.timedelta(days=SILENT_DAYS))
    begin = asked.now.start_of(asked.first_day - dt.timedelta(days=SILENT_DAYS))
    rows = Account.objects.filter(_silent_since(asked), pk__in=[one.pk for one in accounts]).select_related("usage")
    found = []
    for account in rows:
        seen = account.usage.last_seen_at
        if seen and begin <= seen < end:
            day = seen.astimezone(asked.now.zone).date()
            at = asked.now.start_of(day + dt.timedelta(days=SILENT_DAYS + 1))
            what, why = f"Nobody seen for {SILENT_DAYS} days", f"last on {day.day} {day:%b %Y}"
            found.append((account.pk, Item("silence", max(at, asked.since), what, why)))
    return found


SOURCES: list[Source] = [
    Source("health", _band_moved, _bands),
    Source("alert", _alert_moved, _alerts),
    Source("milestone", _milestone_moved, _milestones),
    Source("segment", _segment_moved, _segments),
    Source("renewal", _renewal_near, _renewals),
    Source("silence", _silent_since, _silences),
]
