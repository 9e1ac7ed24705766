"""The book of a colleague, a team or everybody in figures: health with its value, renewals, silence, movers, changes.

A renewal, and silence, are rules of the one rule language, so that a figure and the list behind it are the same
accounts. Money is a month's worth in the workspace's currency; an account without a value adds none.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BooleanField, Case, Count, DecimalField, ExpressionWrapper, F, QuerySet, Sum, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from accounts.models import Account, Assignment, Team, TeamMember
from core.intake import BadValue, short
from health.account_fields import band
from health.models import Band, BandChange
from health.moves import ChangeTold, reasons_of_moves, told_changes
from segments.questions import Reader
from segments.rules.compiler import compile_rule

AHEAD_DAYS, SILENT_DAYS, LATELY_DAYS = 90, 30, 7
PERIODS = (7, 30, 90)
SHOWN = 8
Rule = dict[str, Any]
RENEWING: list[Rule] = [{"field": "account.renews_on", "op": "within_next", "value": {"n": AHEAD_DAYS, "unit": "day"}}]
# Never seen is as silent as not seen for long; whoever has cancelled is expected to be silent.
SILENT: list[Rule] = [
    {
        "match": "any",
        "rules": [
            {"field": "account.last_seen_at", "op": "more_than_ago", "value": {"n": SILENT_DAYS, "unit": "day"}},
            {"field": "account.last_seen_at", "op": "is_not_set"},
        ],
    },
    {"match": "none", "rules": [{"field": "account.stage_type", "op": "is", "value": "cancelled"}]},
]
_LATELY: Rule = {"field": "health.band_since", "op": "within_last", "value": {"n": LATELY_DAYS, "unit": "day"}}
# Of the newest change of the band: who was Poor on one day and is not on the next has left. A first score is no change.
JOINED_POOR: list[Rule] = [
    {"field": "health.band", "op": "is", "value": "poor"},
    _LATELY,
    {"field": "health.change_cause", "op": "is_not", "value": "first"},
]
LEFT_POOR: list[Rule] = [
    {"field": "health.band", "op": "is_not", "value": "poor"},
    _LATELY,
    {"field": "health.band_before", "op": "is", "value": "poor"},
]


@dataclass(frozen=True)
class Whose:
    """Whose book: a colleague's, a team's, or everybody's if neither is given."""

    member: TeamMember | None = None
    team: Team | None = None

    @property
    def name(self) -> str:
        """For titles."""
        return str(self.member or self.team or "Everybody")

    def accounts(self, seen: QuerySet[Account]) -> QuerySet[Account]:
        """Among the accounts that may be seen, those in which they play a part today."""
        if self.member is None and self.team is None:
            return seen
        parts = Assignment.objects.filter(ended_at__isnull=True).order_by()
        mine = parts.filter(member=self.member) if self.member else parts.filter(member__team=self.team)
        return seen.filter(pk__in=mine.values("account"))


@dataclass(frozen=True)
class Share:
    """Some accounts with their MRR."""

    accounts: int
    mrr: Decimal


@dataclass(frozen=True)
class Figures:
    """The book in numbers. `bands` holds all four, Good first; at risk is what is Poor and renews within 90 days;
    joined and left are those whose band became Poor, or ceased to be, within 7 days."""

    whole: Share
    bands: dict[str, Share]
    renewing: Share
    renewing_weak: Share
    at_risk: Share
    silent: Share
    joined_poor: Share
    left_poor: Share


def figures_of(accounts: QuerySet[Account], reader: Reader) -> Figures:
    """All numbers of a book in one statement."""
    rules = {"renewing": RENEWING, "silent": SILENT, "joined": JOINED_POOR, "left": LEFT_POOR}
    # Accounts that every rule says the same of are one group, so that each is asked once of an account.
    rows = list(
        accounts.order_by()
        .annotate(told_band=band(""), **{f"is_{name}": said(rule, reader) for name, rule in rules.items()})
        .values("told_band", *(f"is_{name}" for name in rules))
        .annotate(number=Count("pk"), value=mrr_of())
    )

    def share(rule: str = "", *bands: str) -> Share:
        mine = [row for row in rows if (not bands or row["told_band"] in bands) and (not rule or row[f"is_{rule}"])]
        return Share(sum(row["number"] for row in mine), sum((row["value"] for row in mine), Decimal(0)))

    weak = (Band.POOR.value, Band.AVERAGE.value)
    return Figures(
        share(),
        {one.value: share("", one.value) for one in Band},
        share("renewing"),
        share("renewing", *weak),
        share("renewing", Band.POOR.value),
        share("silent"),
        share("joined"),
        share("left"),
    )


def said(rules: list[Rule], reader: Reader) -> Case:
    """Whether an account meets a condition, as a value of its row; never null."""
    return Case(When(meant(rules, reader), then=Value(True)), default=Value(False), output_field=BooleanField())


def meant(rules: list[Rule], reader: Reader) -> Any:
    """A condition for queries of accounts, as the rule language means it."""
    return compile_rule(reader.read({"match": "all", "rules": rules}).rule, reader.context)


def mrr_of(only: Any = None) -> Combinable:
    """The MRR of accounts added up; 0 of none."""
    amount = DecimalField(max_digits=20, decimal_places=2)
    return Coalesce(Sum("mrr", filter=only), Value(Decimal(0)), output_field=amount)


@dataclass(frozen=True)
class Line:
    """An account of one of the lists, with the points that its score moved where that is asked, and why."""

    account: Account
    band: str
    score: Decimal | None
    moved: Decimal | None = None
    why: str = ""

    @property
    def label(self) -> str:
        """The word for the band."""
        return str(Band(self.band).label)

    @property
    def points(self) -> Decimal | None:
        """By how many points the score moved, whichever way."""
        return None if self.moved is None else abs(self.moved)


def weak_renewals(accounts: QuerySet[Account], reader: Reader, limit: int = SHOWN) -> list[Line]:
    """Accounts with a renewal within 90 days that are Poor or Average, the next one first."""
    weak = accounts.filter(meant(RENEWING, reader), health__band__in=(Band.POOR, Band.AVERAGE))
    return _lines(weak.order_by("renews_on", F("mrr").desc(nulls_last=True), "pk"), limit)


def silent_accounts(accounts: QuerySet[Account], reader: Reader, limit: int = SHOWN) -> list[Line]:
    """Accounts of which nobody was seen for 30 days, the most valuable first."""
    silent = accounts.filter(meant(SILENT, reader)).select_related("usage")
    return _lines(silent.order_by(F("mrr").desc(nulls_last=True), "pk"), limit)


def _lines(accounts: QuerySet[Account], limit: int) -> list[Line]:
    return [_line(account) for account in accounts.select_related("health")[:limit]]


def _line(account: Account, why: str = "") -> Line:
    health = getattr(account, "health", None)
    moved = getattr(account, "moved", None)
    return Line(account, health.band if health else Band.NONE, health.score if health else None, moved, why)


@dataclass(frozen=True)
class Movers:
    """The largest falls and rises over so many days, at least one point each."""

    days: int
    falls: list[Line]
    rises: list[Line]


def movers_of(accounts: QuerySet[Account], days: int, reader: Reader, limit: int = 5) -> Movers:
    """Who moved most since 7, 30 or 90 days ago, with the measure that moved them; five statements."""
    moved = ExpressionWrapper(
        F("health__score") - F(f"health__score_{days}d"), output_field=DecimalField(max_digits=5, decimal_places=1)
    )
    moving = accounts.annotate(moved=moved)
    worth = F("mrr").desc(nulls_last=True)
    # All of them are looked at for who moved most; only those are read whole.
    first = [
        list(side.values_list("pk", flat=True)[:limit])
        for side in (
            moving.filter(moved__lte=-1).order_by("moved", worth, "pk"),
            moving.filter(moved__gte=1).order_by("-moved", worth, "pk"),
        )
    ]
    whole = moving.order_by().select_related("health").in_bulk([pk for side in first for pk in side])
    falls, rises = ([whole[pk] for pk in side if pk in whole] for side in first)
    why = reasons_of_moves([*falls, *rises], days, reader)
    told = [[_line(account, why.get(account.pk, "")) for account in side] for side in (falls, rises)]
    return Movers(days, *told)


@dataclass(frozen=True)
class Changes:
    """How many accounts changed their band since an instant, and the newest changes with why."""

    since: dt.datetime
    total: int
    shown: list[ChangeTold]


def changes_since(accounts: QuerySet[Account], since: dt.datetime, reader: Reader, limit: int = SHOWN) -> Changes:
    """Changes of band after an instant; a first score is none."""
    mine = BandChange.objects.filter(account__in=accounts.order_by().values("pk"), at__gt=since)
    mine = mine.exclude(cause=BandChange.Cause.FIRST)
    shown = list(mine.select_related("account").order_by("-at", "-pk")[:limit])
    total = mine.count() if len(shown) == limit else len(shown)
    return Changes(since, total, told_changes(shown, reader))


def read_whose(text: str, *, me: TeamMember | None, may_choose: bool) -> Whose:
    """Whose book a word means: `me` (or nothing), `everybody`, `member:KEY`, `team:ID`.

    Whoever may not choose has their own book and no other; a log-in without a colleague has everybody's. Raises
    BadValue.
    """
    kind, _, name = text.partition(":")
    mine = Whose(me) if me else Whose()
    if text in ("", "me") or (kind == "member" and me is not None and name == me.key):
        return mine
    if not may_choose:
        raise BadValue("Only managers and administrators may look at the portfolio of others.")
    if text == "everybody":
        return Whose()
    member = TeamMember.objects.filter(key=name).first() if kind == "member" else None
    team = Team.objects.filter(pk=int(name)).first() if kind == "team" and re.fullmatch(r"[0-9]{1,9}", name) else None
    if member is None and team is None:
        raise BadValue(f"There is no colleague or team “{short(text, 60)}”.")
    return Whose(member, team)
