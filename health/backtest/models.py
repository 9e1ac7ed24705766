"""Back-tests with their reports, and the bands of each day while one runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.reports import Report


class BackTest(Report):
    """A definition replayed over a span of days, beside another one if there is one to compare with.

    `config` is None, with `is_new`, for one that nobody has saved yet. It is replayed over the accounts that it would
    score in the segment `of_segment` names (empty: as the default config). `version` is that of the config which is
    tested, None for a draft; `against` is the definition to compare with (None: none), `against_version` its version
    and `against_name` whose it is where it is another config's. Churn is being cancelled (`cancelled`), or
    `silent_days` days without any event, or either. `problems` says what was left out while it ran; `report` is the
    result (see `health.backtest.report`).
    """

    called = "back-test"
    task = "health.tasks.work_on_back_test"
    pieces = "bands"
    simpler = "Try a shorter span or fewer measures."

    config = models.ForeignKey("health.HealthConfig", models.SET_NULL, null=True, related_name="back_tests")
    is_new = models.BooleanField(default=False)
    segment = models.ForeignKey("segments.Segment", models.SET_NULL, null=True, blank=True, related_name="+")
    of_segment = models.CharField(max_length=120, blank=True, help_text="The segment's name at the time.")
    name = models.CharField(max_length=120, help_text="The config's name at the time.")
    definition: Any = models.JSONField()
    version = models.PositiveIntegerField(null=True)
    against: Any = models.JSONField(null=True)
    against_version = models.PositiveIntegerField(null=True)
    against_name = models.CharField(max_length=120, blank=True)
    first_day = models.DateField()
    last_day = models.DateField()
    step_days = models.PositiveSmallIntegerField(default=7)
    cancelled = models.BooleanField(default=True)
    silent_days = models.PositiveSmallIntegerField(null=True, blank=True)
    steps = models.PositiveIntegerField()
    problems: Any = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="back_test_ends_after_start"),
            models.CheckConstraint(
                condition=Q(cancelled=True) | Q(silent_days__isnull=False), name="back_test_knows_churn"
            ),
        ]
        indexes = [
            # The tick's question: which back-tests wait or work.
            models.Index(fields=["next_attempt_at"], condition=Q(state="running"), name="back_test_due"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.what}, {self.first_day:%d %b %Y} to {self.last_day:%d %b %Y}"

    @property
    def what(self) -> str:
        """What is tested: "new config", "draft" or "version 3"."""
        if self.version is not None:
            return f"version {self.version}"
        return "new config" if self.is_new else "draft"

    @property
    def beside(self) -> str:
        """What it is compared with: "version 2", "Default, version 2", or nothing."""
        if self.against_version is None:
            return ""
        return f"{self.against_name}, version {self.against_version}".removeprefix(", ")

    @property
    def days(self) -> list[dt.date]:
        """The days that are looked at, oldest first: the last one, and every so many days before it."""
        step = dt.timedelta(days=self.step_days)
        return [self.last_day - step * n for n in reversed(range((self.last_day - self.first_day) // step + 1))]


class BackTestDay(models.Model):
    """The bands of a day while a back-test runs: one letter (g, a, p, n) for each account, in the order of `accounts`.

    `against` holds those of the definition to compare with, and is empty without one.
    """

    test = models.ForeignKey(BackTest, models.CASCADE, related_name="bands", db_index=False)
    day = models.DateField()
    accounts = ArrayField(models.BigIntegerField(), default=list)
    letters = models.TextField(blank=True)
    against = models.TextField(blank=True)

    class Meta:
        ordering = ("day",)
        constraints = [models.UniqueConstraint(fields=["test", "day"], name="one_back_test_row_per_day")]

    def __str__(self) -> str:
        return f"{self.day:%d %b %Y}: {len(self.accounts)} accounts"
