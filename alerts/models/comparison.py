"""Comparisons: accounts that came into a playbook or segment beside accounts like them that did not."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from alerts.models.milestone import Milestone
from alerts.models.playbook import Playbook
from core.reports import Report
from segments.models import Segment


class Comparison(Report):
    """Whether a playbook (or being in a segment) was followed by something else than not being in it.

    Accounts count whose first entry lies from `first_day` to `last_day`. `among`: both sides are members of this
    segment the evening before (`of_segment` is its name, so that one which was deleted is noticed). `caliper` is how
    far two accounts of a pair may differ in a number, in standard deviations; an account is compared with at most
    `uses` others. `days` are the days whose end is looked at; `pool` gathers what accounts were like that could have
    been chosen; `report` is the result (see `alerts.comparing.report`).
    """

    called = "comparison"
    task = "alerts.tasks.work_on_comparison"
    pieces = "compared"
    simpler = "Try a later first day."

    playbook = models.ForeignKey(Playbook, models.CASCADE, null=True, related_name="comparisons")
    segment = models.ForeignKey(Segment, models.CASCADE, null=True, related_name="comparisons")
    among = models.ForeignKey(Segment, models.SET_NULL, null=True, blank=True, related_name="+")
    of_segment = models.CharField(max_length=120, blank=True)
    milestone = models.ForeignKey(Milestone, models.SET_NULL, null=True, blank=True, related_name="+")
    of_milestone = models.CharField(max_length=80, blank=True, help_text="The milestone's name at the time.")
    first_day = models.DateField()
    last_day = models.DateField()
    caliper = models.DecimalField(max_digits=3, decimal_places=2)
    uses = models.PositiveSmallIntegerField(default=1)
    days = ArrayField(models.DateField(), default=list)
    pool: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(playbook__isnull=False) ^ Q(segment__isnull=False), name="comparison_of_one_thing"
            ),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="comparison_ends_after_start"),
            models.CheckConstraint(
                condition=Q(state__in=["running", "done", "cancelled", "failed"]), name="comparison_state_known"
            ),
            models.CheckConstraint(condition=Q(uses__range=(1, 10)), name="comparison_uses_from_1_to_10"),
            models.CheckConstraint(condition=Q(caliper__gt=0), name="comparison_caliper_positive"),
        ]
        indexes = [
            # The tick's question: which comparisons wait or work.
            models.Index(fields=["next_attempt_at"], condition=Q(state="running"), name="comparison_due"),
        ]

    def __str__(self) -> str:
        return f"{self.what}, {self.first_day:%d %b %Y} to {self.last_day:%d %b %Y}"

    @property
    def what(self) -> str:
        """What is judged, by name."""
        return str(self.playbook or self.segment)

    @property
    def steps(self) -> int:
        """How many days are looked at."""
        return len(self.days)


class ComparedAccount(models.Model):
    """An account on one of the sides while a comparison runs: one that came in, or one that is beside it.

    `beside` is the primary key of the account that came in (its own for itself), `day` the local day on which that was.
    `before` is what was known the evening before (see `alerts.comparing.known`), `after` what became of it by the
    number of days: {"30": {"mrr", "health"}}.
    """

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="compared", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    beside = models.BigIntegerField()
    day = models.DateField()
    before: Any = models.JSONField(default=dict)
    after: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["comparison", "beside", "account"], name="one_place_in_a_comparison"),
        ]
        indexes = [
            # Whose outcome is to be looked at on a day.
            models.Index(fields=["comparison", "day"], name="compared_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.account}, {self.day:%d %b %Y}"

    @property
    def came_in(self) -> bool:
        """Whether it is the one that came in."""
        return self.account_id == self.beside
