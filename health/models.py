"""Health configs with their versions, the newest score of every account, its history, overrides and the CSM's pulse."""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Account
from core.models import Timestamped
from core.versions import SavedVersion
from health.backtest.models import BackTest, BackTestDay
from segments.models import Segment

__all__ = [
    "AccountHealth",
    "BackTest",
    "BackTestDay",
    "Band",
    "BandChange",
    "HealthConfig",
    "HealthConfigVersion",
    "HealthDay",
    "HealthMix",
    "HealthOverride",
    "Pulse",
]


class Band(models.TextChoices):
    """The four words for health, the same everywhere."""

    GOOD = "good", "Good"
    AVERAGE = "average", "Average"
    POOR = "poor", "Poor"
    NONE = "none", "Not scored"


def name_of(author: Any) -> str:
    """How a colleague is called who said something of health by hand."""
    if author is None:
        return "somebody who left"
    member = getattr(author, "member", None)
    return str(member.name if member else author.get_full_name() or author.get_username())


class HealthConfig(Timestamped):
    """How the accounts of a segment are scored. An account of several segments is scored by the first config that fits.

    The config without a segment is the default: it comes last and scores everybody else. `definition` is as it was
    written (see the manual's page on health); `problems` says by measure why one of them cannot be scored at present,
    `held` for which silent feed the scores of some measures stand still.
    """

    name = models.CharField(max_length=120)
    segment = models.OneToOneField(Segment, models.PROTECT, null=True, blank=True, related_name="health_config")
    is_default = models.BooleanField(default=False, editable=False)
    position = models.PositiveIntegerField(default=0, editable=False)
    active = models.BooleanField(default=True)
    definition = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0, editable=False)
    problems = models.JSONField(default=dict, editable=False)
    held = models.TextField(blank=True, editable=False)
    scored_at = models.DateTimeField(null=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("is_default", "position", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_health_config"
            ),
            models.CheckConstraint(
                condition=Q(is_default=True) ^ Q(segment__isnull=False), name="default_health_config_has_no_segment"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class HealthConfigVersion(SavedVersion):
    """A definition as somebody saved it, with the one line they gave for it."""

    config = models.ForeignKey(HealthConfig, models.CASCADE, related_name="versions", db_index=False)
    definition = models.JSONField()

    class Meta(SavedVersion.Meta):
        constraints = [models.UniqueConstraint(fields=["config", "number"], name="health_config_version_unique")]

    def __str__(self) -> str:
        return f"{self.config}, version {self.number}"


class Scored(models.Model):
    """A score with what it is made of. `measures` and `values` follow the order of the measures in the version's
    definition: a measure's score from 0 to 100, and the number it was made from; both empty where data is missing.
    `dimensions` gives the score of each dimension by its key; `coverage` the percentage of the weights with data.
    """

    config = models.ForeignKey(HealthConfig, models.SET_NULL, null=True, db_index=False, related_name="+")
    version = models.PositiveIntegerField(default=0)
    score = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    band = models.CharField(max_length=8, choices=Band, default=Band.NONE)
    coverage = models.DecimalField(max_digits=4, decimal_places=1, default=0)
    dimensions = models.JSONField(default=dict)
    measures = ArrayField(models.DecimalField(max_digits=4, decimal_places=1, null=True), default=list)
    values = ArrayField(models.DecimalField(max_digits=30, decimal_places=6, null=True), default=list)

    class Meta:
        abstract = True


class AccountHealth(Scored):
    """The newest score of an account. `band` is what an override in force says, else what the score gives
    (`computed_band`). `score_7d` and its like are the scores of that many days ago, for trends."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="health")
    computed_band = models.CharField(max_length=8, choices=Band, default=Band.NONE)
    overridden = models.BooleanField(default=False)
    band_since = models.DateTimeField()
    score_7d = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    score_30d = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    score_90d = models.DecimalField(max_digits=4, decimal_places=1, null=True)

    class Meta:
        verbose_name_plural = "account health"
        indexes = [
            # The accounts of a band, and the mix of bands.
            models.Index(fields=["band", "account"], name="health_by_band"),
            # The first pages of a list in the order of the score; accounts without one come last in any order.
            models.Index(fields=["score"], condition=Q(score__isnull=False), name="health_by_score"),
            # What counts and moves are made of, beside the rest of a row, which is some 30 times as wide: whoever looks
            # at all accounts reads this alone.
            models.Index(
                fields=["account"],
                include=["config", "band", "band_since", "score", "score_7d", "score_30d", "score_90d"],
                name="health_in_figures",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.get_band_display()}"


class HealthDay(Scored):
    """The score of an account at the end of a local day on which it changed; it holds until the next such day."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="health_days")
    day = models.DateField()

    class Meta:
        ordering = ("-day",)
        constraints = [
            # Also what the history of an account, and its score on a day, are read by.
            models.UniqueConstraint(fields=["account", "day"], name="one_health_row_per_account_and_day"),
        ]

    def __str__(self) -> str:
        return f"{self.account} on {self.day:%d %b %Y}: {self.get_band_display()}"


class HealthMix(models.Model):
    """How many accounts were in which band at the end of a local day, and the sum of their scores: of a segment's
    members, of those whom a config scored, or (with neither) of everybody. Drawings over many accounts read it, because
    looking each account up for each day takes too long for them."""

    day = models.DateField()
    segment = models.ForeignKey(Segment, models.CASCADE, null=True, blank=True, related_name="+")
    config = models.ForeignKey(HealthConfig, models.CASCADE, null=True, blank=True, related_name="+")
    good = models.PositiveIntegerField(default=0)
    average = models.PositiveIntegerField(default=0)
    poor = models.PositiveIntegerField(default=0)
    none = models.PositiveIntegerField(default=0)
    scored = models.PositiveIntegerField(default=0, help_text="How many had a score.")
    score = models.DecimalField(max_digits=14, decimal_places=1, default=0, help_text="The sum of their scores.")
    good_mrr = models.DecimalField("MRR at Good", max_digits=20, decimal_places=2, null=True)
    average_mrr = models.DecimalField("MRR at Average", max_digits=20, decimal_places=2, null=True)
    poor_mrr = models.DecimalField("MRR at Poor", max_digits=20, decimal_places=2, null=True)
    none_mrr = models.DecimalField("MRR not scored", max_digits=20, decimal_places=2, null=True)

    class Meta:
        ordering = ("-day",)
        verbose_name_plural = "health mixes"
        constraints = [
            # Also what a drawing reads its days by.
            models.UniqueConstraint(
                fields=["segment", "config", "day"], nulls_distinct=False, name="one_health_mix_a_day"
            ),
            models.CheckConstraint(
                condition=Q(segment__isnull=True) | Q(config__isnull=True), name="health_mix_of_one_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.segment or self.config or 'Everybody'} on {self.day:%d %b %Y}"


class BandChange(models.Model):
    """That an account's band changed. Alerts and the timeline read these rows.

    A new version of the config, or another config, is no change of the customer: `cause` tells them apart.
    """

    class Cause(models.TextChoices):
        """Why the band changed."""

        FIRST = "first", "First score"
        DATA = "data", "New data"
        TIME = "time", "Time"
        VERSION = "version", "New version of the config"
        CONFIG = "config", "Another config"
        OVERRIDE = "override", "By hand"

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="band_changes")
    at = models.DateTimeField()
    before = models.CharField(max_length=8, choices=Band)
    after = models.CharField(max_length=8, choices=Band)
    score_before = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    score_after = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    config = models.ForeignKey(HealthConfig, models.SET_NULL, null=True, db_index=False, related_name="+")
    version = models.PositiveIntegerField(default=0)
    cause = models.CharField(max_length=8, choices=Cause)

    class Meta:
        ordering = ("-at", "-id")
        indexes = [
            # The timeline of one account.
            models.Index(fields=["account", "-at"], name="band_changes_of_account"),
            # What changed since a run, for alerts and the portfolio.
            models.Index(fields=["at"], name="band_changes_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.get_before_display()} to {self.get_after_display()}"


class ScoringRequest(models.Model):
    """That somebody asked for every account to be scored. Rows are added, and taken by the scoring that read them."""

    at = models.DateTimeField(auto_now_add=True)
    redefined = models.BooleanField(default=False, db_default=False, help_text="A changed definition is the reason.")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.at:%d %b %Y, %H:%M:%S}"


class OverrideQuerySet(models.QuerySet["HealthOverride"]):
    """Which overrides count."""

    def in_force(self, today: dt.date) -> Self:
        """Those that decide on a local day, their last day included."""
        return self.filter(ended_at__isnull=True).filter(Q(until__isnull=True) | Q(until__gte=today))


class HealthOverride(models.Model):
    """A band that a person gave an account for a time, with the reason. What the score said then is kept beside it."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="health_overrides")
    band = models.CharField(max_length=8, choices=Band)
    reason = models.CharField(max_length=255)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    until = models.DateField("last day", null=True, blank=True)
    computed_band = models.CharField(max_length=8, choices=Band, default=Band.NONE, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OverrideQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            # One decision at a time; also what a scoring reads the overrides by.
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at__isnull=True), name="one_open_health_override"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="health_override_has_reason"),
            models.CheckConstraint(condition=~Q(band="none"), name="health_override_is_a_band"),
        ]
        # What people said of one account, the newest first.
        indexes = [models.Index(fields=["account", "-id"], name="overrides_of_account")]

    def __str__(self) -> str:
        return f"{self.account}: {self.get_band_display()} by hand"

    @property
    def who(self) -> str:
        """The name of the colleague who gave it."""
        return name_of(self.author)

    @property
    def words(self) -> str:
        """The reason for lists: that a person said so."""
        return f"Set to {Band(self.band).label} by hand"


class Pulse(models.Model):
    """What a CSM feels about an account, from 1 (about to leave) to 5 (delighted); the newest one is a field."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="pulses")
    value = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    note = models.CharField(max_length=255, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at",)
        verbose_name_plural = "pulses"
        constraints = [models.CheckConstraint(condition=Q(value__range=(1, 5)), name="pulse_from_1_to_5")]
        indexes = [models.Index(fields=["account", "-at"], name="newest_pulse")]

    def __str__(self) -> str:
        return f"{self.account}: {self.value} of 5"

    @property
    def who(self) -> str:
        """The name of the colleague who noted it."""
        return name_of(self.author)
