"""Replays: what a rule would have raised on past days, and what was found of each day while one runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from alerts.models.alert import AlertRule
from core.reports import Report
from core.spans import ONE_DAY


class AlertReplay(Report):
    """A definition asked of past days, as if the rule had been saved on the evening before the first one.

    `definition` is what decides about alerts (see `alerts.definition`), `rule` the one that is edited, None for a new
    one; `report` is the result (see `alerts.replaying.report`).
    """

    called = "replay"
    task = "alerts.tasks.work_on_replay"
    pieces = "found"
    simpler = "Try a simpler condition."

    rule = models.ForeignKey(AlertRule, models.SET_NULL, null=True, related_name="replays")
    definition: Any = models.JSONField()
    first_day = models.DateField()
    last_day = models.DateField()
    steps = models.PositiveIntegerField()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="alert_replay_ends_after_start"),
            models.CheckConstraint(
                condition=Q(state__in=["running", "done", "cancelled", "failed"]), name="alert_replay_state_known"
            ),
        ]
        indexes = [
            # The tick's question: which replays wait or work.
            models.Index(fields=["next_attempt_at"], condition=Q(state="running"), name="alert_replay_due"),
        ]

    def __str__(self) -> str:
        return f"{self.rule or 'New rule'}, {self.first_day:%d %b %Y} to {self.last_day:%d %b %Y}"

    @property
    def days(self) -> list[dt.date]:
        """The evening before the first day, then every day, oldest first."""
        before = self.first_day - ONE_DAY
        return [before + ONE_DAY * n for n in range((self.last_day - before).days + 1)]


class AlertReplayDay(models.Model):
    """What was found of a day while a replay runs: the accounts for which the condition held, and of all that it had
    held for so far those for which the clear condition did, and those that were archived."""

    replay = models.ForeignKey(AlertReplay, models.CASCADE, related_name="found", db_index=False)
    day = models.DateField()
    members = ArrayField(models.BigIntegerField(), default=list)
    clear = ArrayField(models.BigIntegerField(), default=list)
    archived = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        ordering = ("day",)
        constraints = [models.UniqueConstraint(fields=["replay", "day"], name="one_alert_replay_row_per_day")]

    def __str__(self) -> str:
        return f"{self.day:%d %b %Y}: {len(self.members)} accounts"
