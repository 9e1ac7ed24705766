"""Health as fields: known once health is scored, for segments, filters, columns and alerts after it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from django.db.models import (
    Case,
    DecimalField,
    ExpressionWrapper,
    F,
    OuterRef,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import GreaterThanOrEqual, IsNull, LessThan

from accounts.fields import Category, Choice, Field, Kind, Owner, Stage, provide, register
from accounts.fields.attributes import column
from accounts.fields.expressions import local_day
from core.clock import Moment
from health import editing
from health.definition import GOOD_FROM, POOR_BELOW
from health.models import Band, BandChange, HealthConfig, HealthDay, Pulse
from health.scoring import DaysSince

USES = (editing.configs_of_segments, editing.configs_that_read)  # importing it declares what uses a segment or a field
SCORE = DecimalField(max_digits=5, decimal_places=1)


def bands() -> list[Choice]:
    """The four words for health."""
    return [Choice(value, str(label)) for value, label in Band.choices]


def band(prefix: str) -> Combinable:
    """The band of an account; one that was never scored is Not scored."""
    return Coalesce(f"{prefix}health__band", Value("none"), output_field=TextField())


def change(days: int) -> Callable[[str], Combinable]:
    """How many points the score has risen in so many days; missing where there was no score then."""
    return lambda prefix: ExpressionWrapper(
        F(f"{prefix}health__score") - F(f"{prefix}health__score_{days}d"), output_field=SCORE
    )


def days_in_band(prefix: str, moment: Moment | None = None) -> Combinable:
    """How many midnights of the workspace have passed since the band became what it is; at present without a moment."""
    return DaysSince(local_day(None, moment), local_day(F(f"{prefix}health__band_since"), moment))


def newest_change(name: str) -> Callable[[str], Combinable]:
    """A column of the newest change of an account's band."""
    return lambda prefix: Subquery(
        BandChange.objects.filter(account=OuterRef(f"{prefix}pk")).order_by("-at", "-pk").values(name)[:1]
    )


def causes() -> list[Choice]:
    """Why a band changes."""
    return [Choice(value, str(label)) for value, label in BandChange.Cause.choices]


def newest_pulse(name: str) -> Callable[[str], Combinable]:
    """A column of the newest pulse of an account."""
    return lambda prefix: Subquery(
        Pulse.objects.filter(account=OuterRef(f"{prefix}pk")).order_by("-at").values(name)[:1]
    )


def overridden(prefix: str) -> Combinable:
    """Whether a person has given the band by hand."""
    return Case(When(**{f"{prefix}health__overridden": True}, then=Value(True)), default=Value(False))


def of_dimension(key: str) -> Callable[[str], Combinable]:
    """The score of a dimension; missing where the account's config has none of this key, or no data for it."""
    return lambda prefix: Cast(KeyTextTransform(key, f"{prefix}health__dimensions"), SCORE)


def band_of_dimension(key: str) -> Callable[[str], Combinable]:
    """The word for the score of a dimension, by the bands of the config that scores the account."""

    def value(prefix: str) -> Combinable:
        score = of_dimension(key)(prefix)

        def limit(name: str, usual: Decimal) -> Combinable:
            given = KeyTextTransform(name, KeyTransform("bands", f"{prefix}health__config__definition"))
            return Coalesce(Cast(given, SCORE), Value(usual), output_field=SCORE)

        return Case(
            When(IsNull(score, True), then=Value("none")),
            When(GreaterThanOrEqual(score, limit("good", GOOD_FROM)), then=Value("good")),
            When(LessThan(score, limit("poor", POOR_BELOW)), then=Value("poor")),
            default=Value("average"),
            output_field=TextField(),
        )

    return value


def scored_on(prefix: str) -> Combinable:
    """The day from which the newest score is."""
    return Subquery(HealthDay.objects.filter(account=OuterRef(f"{prefix}pk")).order_by("-day").values("day")[:1])


health = partial(Field, owner=Owner.ACCOUNT, category=Category.HEALTH, stage=Stage.HEALTH, known=scored_on)
register(
    health(key="health.band", label="Health", kind=Kind.CHOICE, value=band, choices=bands),
    health(key="health.score", label="Health score", kind=Kind.NUMBER, value=column("health__score"), unit="of 100"),
    health(key="health.change_7d", label="Health change, 7 days", kind=Kind.NUMBER, value=change(7), unit="points"),
    health(key="health.change_30d", label="Health change, 30 days", kind=Kind.NUMBER, value=change(30), unit="points"),
    health(key="health.change_90d", label="Health change, 90 days", kind=Kind.NUMBER, value=change(90), unit="points"),
    health(
        key="health.band_since",
        label="Health in this band since",
        kind=Kind.DATETIME,
        value=column("health__band_since"),
    ),
    health(
        key="health.days_in_band", label="Days in this band", kind=Kind.NUMBER, value=days_in_band, at=days_in_band,
        unit="days", description="Days since the band became what it is; 0 on that day.",
    ),
    health(
        key="health.band_before", label="Health before this band", kind=Kind.CHOICE, value=newest_change("before"),
        choices=bands, description="The band before the newest change; Not scored before the first score.",
    ),
    health(
        key="health.change_cause", label="Cause of the newest change of health", kind=Kind.CHOICE,
        value=newest_change("cause"), choices=causes, description="Why the band changed the last time.",
    ),
    health(key="health.overridden", label="Health set by hand", kind=Kind.BOOLEAN, value=overridden),
    health(
        key="health.coverage", label="Health coverage", kind=Kind.PERCENT, value=column("health__coverage"),
        description="The share of the weights of the health config for which there is data.",
    ),
    Field(
        key="account.pulse", label="CSM pulse", category=Category.HEALTH, kind=Kind.NUMBER, value=newest_pulse("value"),
        known=newest_pulse("at"),
        unit="of 5", description="From 1, about to leave, to 5, delighted; the newest one that was noted.",
    ),
    Field(
        key="account.pulse_at", label="CSM pulse noted", category=Category.HEALTH, kind=Kind.DATETIME,
        value=newest_pulse("at"), known=newest_pulse("at"),
    ),
)  # fmt: skip


@provide(HealthConfig)
def dimension_fields() -> list[Field]:
    """The score and the band of every dimension that a config has, by its key."""
    names: dict[str, str] = {}
    for definition in HealthConfig.objects.values_list("definition", flat=True):
        for row in definition.get("dimensions", []) if isinstance(definition, dict) else []:
            names.setdefault(str(row.get("key", "")), str(row.get("name", "")))
    found = []
    for key, name in names.items():
        if key:
            score, word = of_dimension(key), band_of_dimension(key)
            found += [
                health(
                    key=f"health.dimension.{key}", label=f"Health: {name}", kind=Kind.NUMBER, value=score, unit="of 100"
                ),
                health(
                    key=f"health.dimension_band.{key}", label=f"Health: {name}, in a word", kind=Kind.CHOICE,
                    value=word, choices=bands,
                ),
            ]  # fmt: skip
    return found
