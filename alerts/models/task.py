"""Tasks: what a colleague is to do for an account by a day, and the calendar feeds in which they see theirs."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Account, TeamMember
from alerts.models.alert import Alert
from alerts.models.milestone import Milestone
from core.models import Timestamped


class TaskQuerySet(models.QuerySet["Task"]):
    """The ways in which tasks are read. Days are those of the workspace."""

    def open(self) -> Self:
        """Those that are still to do."""
        return self.filter(state=Task.State.OPEN)

    def over(self) -> Self:
        """Those that are done or skipped, the last one first."""
        return self.exclude(state=Task.State.OPEN).order_by("-done_at", "-id")

    def due_today(self, today: dt.date) -> Self:
        """Those of today."""
        return self.open().filter(due_on=today)

    def overdue(self, today: dt.date) -> Self:
        """Those whose day has passed."""
        return self.open().filter(due_on__lt=today)

    def later(self, today: dt.date) -> Self:
        """Those of a day to come, and those without one."""
        return self.open().filter(Q(due_on__gt=today) | Q(due_on__isnull=True))


class Task(Timestamped):
    """Something to do for an account. A task without a day is never late, one without an assignee is the team's.

    One with `done_when` is also done by itself when its account reaches that milestone; one that was opened again, at
    `reopened_at`, only when it is reached after that.
    """

    class State(models.TextChoices):
        """Whether it is still to do."""

        OPEN = "open", "Open"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"

    class Outcome(models.TextChoices):
        """What came of one that was done."""

        SUCCESS = "success", "It worked"
        FAILURE = "failure", "It did not work"
        NO_ANSWER = "no_answer", "No answer"

    class Origin(models.TextChoices):
        """What made it."""

        HAND = "hand", "By hand"
        PLAYBOOK = "playbook", "Playbook"
        ALERT = "alert", "Alert"

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="tasks")
    title = models.CharField(max_length=200)
    text = models.TextField(max_length=4_000, blank=True)
    assignee = models.ForeignKey(TeamMember, models.SET_NULL, null=True, blank=True, related_name="tasks")
    due_on = models.DateField("due", null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    note = models.CharField(max_length=2_000, blank=True, help_text="What came of it, in words.")
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.HAND, editable=False)
    alert = models.ForeignKey(Alert, models.SET_NULL, null=True, blank=True, editable=False, related_name="tasks")
    # A milestone that is deleted leaves a task that people tick off.
    done_when = models.ForeignKey(
        Milestone, models.SET_NULL, null=True, blank=True, editable=False, db_index=False, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    done_at = models.DateTimeField("done or skipped at", null=True, blank=True, editable=False)
    reopened_at = models.DateTimeField("opened again at", null=True, blank=True, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = (models.F("due_on").asc(nulls_last=True), "id")
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="task_has_title"),
            models.CheckConstraint(
                condition=Q(state="open", done_at__isnull=True) | (~Q(state="open") & Q(done_at__isnull=False)),
                name="task_that_is_over_says_when",
            ),
            models.CheckConstraint(condition=Q(outcome="") | Q(state="done"), name="task_outcome_of_done_ones"),
            models.CheckConstraint(condition=Q(alert__isnull=True) | Q(origin="alert"), name="task_of_alert_says_so"),
            models.CheckConstraint(condition=Q(state__in=["open", "done", "skipped"]), name="task_state_known"),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "success", "failure", "no_answer"]), name="task_outcome_known"
            ),
            models.CheckConstraint(condition=Q(origin__in=["hand", "playbook", "alert"]), name="task_origin_known"),
        ]
        indexes = [
            # The tasks of one account, and how many of them are open.
            models.Index(fields=["account", "state", "due_on"], name="tasks_of_account"),
            # What one colleague has to do: my tasks, the calendar feed.
            models.Index(fields=["assignee", "due_on"], condition=Q(state="open"), name="open_tasks_of_member"),
            # What everybody has to do, by day.
            models.Index(fields=["due_on", "id"], condition=Q(state="open"), name="open_tasks_by_day"),
            # What a milestone may have done, and what one that is deleted leaves its mark on.
            models.Index(
                fields=["done_when", "account"], condition=Q(done_when__isnull=False), name="tasks_done_by_milestone"
            ),
            # What was done, the last one first.
            models.Index(fields=["-done_at", "-id"], condition=~Q(state="open"), name="tasks_that_are_over"),
        ]

    def __str__(self) -> str:
        return self.title


class TaskCalendar(models.Model):
    """The secret address at which a colleague's calendar program reads their tasks. Only its digest is kept."""

    member = models.OneToOneField(TeamMember, models.CASCADE, related_name="task_calendar")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the secret, in hex.")
    hint = models.CharField(max_length=4, editable=False, help_text="The last four characters of the address.")
    created_at = models.DateTimeField()
    read_at = models.DateTimeField("last read at", null=True, editable=False)

    class Meta:
        ordering = ("member",)

    def __str__(self) -> str:
        return f"Calendar of {self.member} …{self.hint}"
