"""What became of accounts whose health a person set by hand, and whether the person or the score was nearer to it.

An override is compared with what happened within 90 days of the day on which it was set:

* cancelled: the lifecycle stage became one of the type Cancelled, the account has a date of churn in that time, or its
  last active subscription ended;
* renewed: a renewal date of one of its subscriptions moved further ahead;
* silent: it had used the product before, and nobody did in the last 30 of those days;
* stayed: none of these. Until the 90 days are over it is open.

Where the person and the score said different bands, the lower of the two was right if the account was cancelled or fell
silent, the higher one if it renewed or stayed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import (
    Case,
    CharField,
    Count,
    DateField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)  # fmt: skip
from django.db.models.functions import Cast, Least, TruncDate

from accounts.models import Account, AttributeChange, LifecycleStage, Subject, Subscription, SubscriptionStatus
from core.clock import Moment
from health.definition import GOOD_FROM, POOR_BELOW
from health.history import newest_rows
from health.models import Band, HealthConfigVersion, HealthOverride
from usage.models import DailyUsage

AFTER = dt.timedelta(days=90)
SILENT = dt.timedelta(days=30)
OUTCOMES = {
    "cancelled": "Cancelled", "renewed": "Renewed", "silent": "Fell silent", "stayed": "Stayed",
    "open": "Not known yet",
}  # fmt: skip
VERDICTS = {
    "person": "The person was nearer", "score": "The score was nearer", "same": "Both said the same",
    "unscored": "There was no score", "open": "",
}  # fmt: skip
_RANKS = [(Band.POOR, 0), (Band.AVERAGE, 1), (Band.GOOD, 2)]


def compared(overrides: QuerySet[HealthOverride], now: Moment) -> QuerySet[HealthOverride]:
    """The overrides with `outcome` and `verdict` (keys of OUTCOMES and VERDICTS), as they are known at a moment."""
    end = ExpressionWrapper(F("set_on") + Value(AFTER), output_field=DateField())
    day = Cast(Value(now.today), DateField())
    used = DailyUsage.objects.active().filter(account=OuterRef("account"), day__lte=OuterRef("seen_to"))
    rows = (
        overrides.alias(set_on=TruncDate("created_at", tzinfo=now.zone))
        .alias(until_day=Cast(end, DateField()))
        .alias(seen_to=Least(F("until_day"), day))
        .alias(used_on=Subquery(used.order_by("-day").values("day")[:1]))
        .alias(was_lower=_rank("band"), was_higher=_rank("computed_band"))
    )
    silent_since = ExpressionWrapper(F("until_day") - Value(SILENT), output_field=DateField())
    outcome = Case(
        When(_cancelled(now), then=Value("cancelled")),
        When(_renewed(), then=Value("renewed")),
        When(until_day__gte=now.today, then=Value("open")),
        When(used_on__lte=Cast(silent_since, DateField()), then=Value("silent")),
        default=Value("stayed"),
        output_field=CharField(),
    )
    gone, lower = Q(outcome__in=("cancelled", "silent")), Q(was_lower__lt=F("was_higher"))
    verdict = Case(
        When(outcome="open", then=Value("open")),
        When(computed_band=Band.NONE, then=Value("unscored")),
        When(band=F("computed_band"), then=Value("same")),
        When((gone & lower) | (~gone & ~lower), then=Value("person")),
        default=Value("score"),
        output_field=CharField(),
    )
    return rows.annotate(outcome=outcome).annotate(verdict=verdict)


def _rank(name: str) -> Case:
    return Case(*(When(**{name: band}, then=Value(place)) for band, place in _RANKS), default=Value(-1))


def _in_time(column: str) -> dict[str, object]:
    return {f"{column}__gt": OuterRef("created_at"), f"{column}__lte": OuterRef("created_at") + AFTER}


def _cancelled(now: Moment) -> Q:
    gone = LifecycleStage.objects.filter(kind=LifecycleStage.Kind.CANCELLED, key=OuterRef("became"))
    became = Func(F("new"), template="%(expressions)s #>> '{}'", output_field=TextField())
    moved = AttributeChange.objects.alias(became=became).filter(
        Exists(gone), **_in_time("at"), subject=Subject.ACCOUNT, object_id=OuterRef("account_id"), key="stage",
        old__isnull=False,
    )  # fmt: skip
    sold = Subscription.objects.filter(account=OuterRef("account")).exclude(status__kind=SubscriptionStatus.Kind.FUTURE)
    ended = sold.filter(ends_on__gte=OuterRef("set_on"), ends_on__lte=OuterRef("until_day"), ends_on__lt=now.today)
    going = sold.exclude(status__kind=SubscriptionStatus.Kind.CANCELLED).filter(
        Q(ends_on__isnull=True) | Q(ends_on__gt=OuterRef("until_day"))
    )
    churned = Q(account__churned_on__gte=F("set_on"), account__churned_on__lte=F("until_day"))
    return Q(Exists(moved)) | churned | (Q(Exists(ended)) & ~Q(Exists(going)))


def _renewed() -> Q:
    mine = Subscription.objects.filter(account=OuterRef(OuterRef("account_id"))).order_by().values("pk")
    moved = AttributeChange.objects.filter(
        **_in_time("at"), subject=Subject.SUBSCRIPTION, key="renews_on", object_id__in=mine, old__isnull=False,
        new__gt=F("old"),
    )  # fmt: skip
    return Q(Exists(moved))


@dataclass(frozen=True)
class Told:
    """An override with the score's band then and at its end, what happened, and who was nearer."""

    override: HealthOverride
    ended: dt.date | None
    score_then: str
    score_at_end: str
    outcome: str
    verdict: str

    @property
    def is_open(self) -> bool:
        """Whether it counts today."""
        return self.ended is None


def told_overrides(overrides: QuerySet[HealthOverride], now: Moment, limit: int, first: int = 0) -> list[Told]:
    """A page of overrides, the newest first, compared with what happened; three statements."""
    newest = compared(overrides, now).select_related("account", "author__member").order_by("-id")
    rows = list(newest[first : first + limit])
    if not rows:
        return []
    ends = {row.pk: last_day(row, now) for row in rows}
    bands = _bands_on([(row.account_id, ends[row.pk] or now.today) for row in rows])
    found = []
    for row in rows:
        end = ends[row.pk]
        after = bands.get((row.account_id, end or now.today), str(Band.NONE))
        outcome, verdict = row.outcome, row.verdict  # type: ignore[attr-defined]  # annotated
        found.append(
            Told(row, end, Band(row.computed_band).label, Band(after).label, OUTCOMES[outcome], VERDICTS[verdict])
        )
    return found


def end_of(override: HealthOverride, now: Moment) -> dt.datetime | None:
    """When an override ended, by hand or after its last day; None while it counts."""
    over = now.start_of(override.until + dt.timedelta(days=1)) if override.until else None
    known = [at for at in (override.ended_at, over) if at is not None and at <= now.now]
    return min(known) if known else None


def last_day(override: HealthOverride, now: Moment) -> dt.date | None:
    """The last local day on which an override counted; None while it counts."""
    end = end_of(override, now)
    if end is None:
        return None
    day = end.astimezone(now.zone).date()
    return override.until if override.until and override.until < day else day


def _bands_on(wanted: list[tuple[int, dt.date]]) -> dict[tuple[int, dt.date], str]:
    """The band that the score alone gave accounts on days, whatever people said."""
    rows = {key: found[0] for key, found in newest_rows(wanted).items()}
    versions = HealthConfigVersion.objects.filter(config__in={row.config_id for row in rows.values() if row.config_id})
    limits = {(one.config_id, one.number): one.definition.get("bands", {}) for one in versions}
    return {key: _band(row.score, limits.get((row.config_id or 0, row.version), {})) for key, row in rows.items()}


def _band(score: Decimal | None, limits: dict[str, float]) -> str:
    if score is None:
        return str(Band.NONE)
    good, poor = (Decimal(str(limits.get(name, usual))) for name, usual in (("good", GOOD_FROM), ("poor", POOR_BELOW)))
    return str(Band.GOOD if score >= good else Band.POOR if score < poor else Band.AVERAGE)


@dataclass(frozen=True)
class Record:
    """How a colleague's overrides compare: how many, how many count today, and how often who was nearer."""

    name: str
    total: int
    in_force: int
    person: int
    score: int
    same: int
    open: int

    @property
    def differed(self) -> int:
        """The overrides that can be judged: known by now, and another band than the score's."""
        return self.person + self.score


def records(seen: QuerySet[Account], now: Moment) -> list[Record]:
    """Each colleague's record over the accounts that may be seen, most overrides first, in one statement."""
    mine = HealthOverride.objects.filter(account__in=seen.order_by())
    rows = (
        compared(mine, now)
        .order_by()
        .values("author__member__name", "author__username")
        .annotate(
            total=Count("pk"),
            counting=Count("pk", filter=Q(ended_at=None) & (Q(until=None) | Q(until__gte=now.today))),
            person=Count("pk", filter=Q(verdict="person")), score=Count("pk", filter=Q(verdict="score")),
            same=Count("pk", filter=Q(verdict__in=("same", "unscored"))), open=Count("pk", filter=Q(verdict="open")),
        )
        .order_by("-total", "author__member__name")
    )  # fmt: skip
    return [
        Record(
            row["author__member__name"] or row["author__username"] or "Somebody who left",
            row["total"], row["counting"], row["person"], row["score"], row["same"], row["open"],
        )
        for row in rows
    ]  # fmt: skip
