"""The health of an account on its page: measures on their line from Poor to Good, the score over time with what else
than the customer moved it, changes of band with their cause, and what people said by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from accounts.models import Account
from health.conflicts import other_configs_of
from health.definition import GOOD_FROM, POOR_BELOW
from health.editing import default_last_day
from health.explaining import DimensionTold, HealthTold, explain_health
from health.history import Point, daily_scores, marks_of
from health.models import AccountHealth, Band, BandChange, HealthOverride, Pulse
from health.moves import ChangeTold, told_changes
from health.overrides import Told, told_overrides
from segments.questions import Reader
from web.charts import Spark, spark
from web.score_chart import Course, score_course

SPANS = {"90d": ("90 d", 90), "26w": ("26 wk", 182), "12m": ("12 mo", 365)}
WEEKS, CHANGES, HANDS, PULSES = 12, 6, 10, 6


@dataclass(frozen=True)
class Trend:
    """How far the score is from that of some days ago; None where there was none."""

    days: int
    moved: Decimal | None

    @property
    def points(self) -> Decimal | None:
        """How many points, whichever way."""
        return None if self.moved is None else abs(self.moved)


@dataclass(frozen=True)
class HealthWhy:
    """The health of an account now; the four numbers are where the zones of a line begin and how wide they are, in
    percent. `others` counts the configs that fit besides the one that scores."""

    told: HealthTold
    poor: str
    between: str
    good: str
    above: str
    others: int

    @property
    def label(self) -> str:
        """The word for the band."""
        return str(Band(self.told.band).label)


@dataclass(frozen=True, kw_only=True)
class HealthCard(HealthWhy):
    """What the card of the account page draws besides: how it came to this."""

    dimensions: list[tuple[DimensionTold, Spark | None]]
    trends: list[Trend]
    changes: list[ChangeTold]
    hands: list[Told]
    pulses: list[Pulse]
    last_day: dt.date

    @property
    def month(self) -> Trend:
        """Against the score of 30 days ago."""
        return next((trend for trend in self.trends if trend.days == 30), Trend(30, None))


@dataclass(frozen=True)
class CourseSection:
    """The chart of the score with the span that it shows."""

    span: str
    points: list[Point | None]
    course: Course | None
    spans: list[tuple[str, str]]


def health_why(account: Account, reader: Reader) -> HealthWhy:
    """Every measure of an account, scored or not."""
    told = explain_health(account, reader)
    good, poor = limits_of(told)
    others = other_configs_of(account) if told.config else 0
    return HealthWhy(told, f"{poor:f}", f"{good - poor:f}", f"{good:f}", f"{100 - good:f}", others)


def health_card(account: Account, points: Sequence[Point | None], reader: Reader) -> HealthCard:
    """The card of an account, scored or not; `points` are its daily scores, for twelve weeks at least."""
    why = health_why(account, reader)
    weekly = points[::-1][: WEEKS * 7 : 7][::-1]
    changes = list(BandChange.objects.filter(account=account).order_by("-at", "-pk")[:CHANGES])
    pulses = Pulse.objects.filter(account=account).select_related("author__member").order_by("-at")
    return HealthCard(
        **{part.name: getattr(why, part.name) for part in fields(HealthWhy)},
        dimensions=[(one, dimension_line(weekly, one.key)) for one in why.told.dimensions],
        trends=trends_of(why.told.health),
        changes=told_changes(changes, reader),
        hands=told_overrides(HealthOverride.objects.filter(account=account), reader.moment, HANDS),
        pulses=list(pulses[:PULSES]),
        last_day=default_last_day(reader.moment.today),
    )


def trends_of(health: AccountHealth | None) -> list[Trend]:
    """The score against that of 7, 30 and 90 days ago."""
    if health is None:
        return []
    past = {7: health.score_7d, 30: health.score_30d, 90: health.score_90d}
    return [
        Trend(days, None if score is None or health.score is None else health.score - score)
        for days, score in past.items()
    ]


def course_of(account: Account, wanted: str, reader: Reader) -> CourseSection:
    """The score over a span; one that is not known is 26 weeks."""
    span = wanted if wanted in SPANS else "26w"
    today, length = reader.moment.today, SPANS[span][1]
    days = [today - dt.timedelta(days=n) for n in reversed(range(length))]
    points = daily_scores(account, reader.moment, length)
    health = getattr(account, "health", None)
    limits = _limits(health.config.definition if health and health.config else {})
    course = score_course(points, marks_of(account, points, reader.moment), days, limits)
    return CourseSection(span, points, course, [(key, label) for key, (label, _) in SPANS.items()])


def limits_of(told: HealthTold) -> tuple[Decimal, Decimal]:
    """Where Good begins and where Poor ends, by the config that counts."""
    return _limits(told.config.definition if told.config else {})


def _limits(definition: dict[str, dict[str, float]]) -> tuple[Decimal, Decimal]:
    bands = definition.get("bands", {})
    return Decimal(str(bands.get("good", GOOD_FROM))), Decimal(str(bands.get("poor", POOR_BELOW)))


def dimension_line(points: Sequence[Point | None], key: str) -> Spark | None:
    """The weekly scores of a dimension as a line; None for fewer than two."""
    scores = [point.dimensions.get(key) for point in points if point]
    known = [int(score) for score in scores if score is not None]
    return spark(known, unit="of 100") if len(known) > 1 else None
