"""Playbooks with their versions, the accounts that are in them, and each step that was taken for one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from accounts.models.traits import FoldedField
from alerts.models.alert import Alert, AlertRule
from alerts.models.milestone import Milestone, MilestoneChange
from alerts.models.task import Task
from core.models import Timestamped
from core.versions import SavedVersion
from core.working import Worked
from segments.models import AccountMembership, Segment


class Playbook(Timestamped):
    """Steps that are taken for each account that enters: when it joins a segment, when an alert is opened, when it has
    reached a milestone or is late with it, or by hand.

    `definition` is as it was written: steps, goal and exit (see the manual's page on playbooks, and
    `alerts.playbooks.definition`). `since` is the moment from which entries count, unless accounts as they are count
    too; `error` says why nothing goes on at present.
    """

    class Entry(models.TextChoices):
        """What brings an account in."""

        HAND = "hand", "By hand"
        SEGMENT = "segment", "It joins a segment"
        ALERT = "alert", "An alert is opened"
        REACHED = "reached", "It reaches a milestone"
        OVERDUE = "overdue", "It is overdue with a milestone"

    class Again(models.TextChoices):
        """When an account that was in it comes in again."""

        NEVER = "never", "Never"
        ALWAYS = "always", "Every time"
        AFTER = "after", "After some days"

    key = models.SlugField(max_length=80, unique=True, help_text="Names the playbook in rules, links and the API.")
    name = models.CharField(max_length=120)
    name_folded = FoldedField(of="name")
    description = models.TextField(blank=True, max_length=2_000)
    active = models.BooleanField(default=True)
    entry = models.CharField(max_length=8, choices=Entry, default=Entry.HAND)
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, blank=True, related_name="playbooks")
    # A rule or milestone that is deleted leaves a playbook that nobody enters by itself.
    rule = models.ForeignKey(AlertRule, models.SET_NULL, null=True, blank=True, related_name="playbooks")
    milestone = models.ForeignKey(Milestone, models.SET_NULL, null=True, blank=True, related_name="playbooks")
    include_existing = models.BooleanField(
        default=False, help_text="Also accounts of which it holds already when the playbook is switched on."
    )
    again = models.CharField(max_length=8, choices=Again, default=Again.NEVER)
    again_days = models.PositiveSmallIntegerField(default=0, help_text="Days after the end of the last time.")
    definition = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0, editable=False)
    since = models.DateTimeField(editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("name_folded", "id")
        constraints = [
            models.UniqueConstraint(fields=["name_folded"], name="playbook_name_unique"),
            models.CheckConstraint(
                condition=Q(entry="segment", segment__isnull=False) | (~Q(entry="segment") & Q(segment__isnull=True)),
                name="playbook_entry_by_segment_has_one",
            ),
            models.CheckConstraint(
                condition=Q(entry="alert") | Q(rule__isnull=True), name="playbook_rule_of_entry_by_alert"
            ),
            models.CheckConstraint(
                condition=Q(entry__in=["reached", "overdue"]) | Q(milestone__isnull=True),
                name="playbook_milestone_of_entry_by_one",
            ),
            models.CheckConstraint(
                condition=Q(again="after", again_days__gte=1, again_days__lte=3650)
                | (~Q(again="after") & Q(again_days=0)),
                name="playbook_again_after_days",
            ),
            models.CheckConstraint(
                condition=Q(entry__in=["hand", "segment", "alert", "reached", "overdue"]), name="playbook_entry_known"
            ),
            models.CheckConstraint(condition=Q(again__in=["never", "always", "after"]), name="playbook_again_known"),
        ]

    def __str__(self) -> str:
        return self.name


class PlaybookVersion(SavedVersion):
    """Steps, goal and exit as somebody saved them. Who came in under a version goes on under it."""

    playbook = models.ForeignKey(Playbook, models.CASCADE, related_name="versions", db_index=False)
    definition = models.JSONField()

    class Meta(SavedVersion.Meta):
        constraints = [models.UniqueConstraint(fields=["playbook", "number"], name="playbook_version_unique")]

    def __str__(self) -> str:
        return f"{self.playbook}, version {self.number}"


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    """The ways in which enrolments are read."""

    def running(self) -> Self:
        """Those that go on."""
        return self.filter(state=Enrolment.State.RUNNING)

    def due(self, now: dt.datetime) -> Self:
        """Those of which a step can be taken."""
        return self.running().filter(due_at__lte=now)


class Enrolment(models.Model):
    """One account's way through a playbook, from its entry to its end.

    `step` is the key of the next step, "" after the last one. It is taken at `due_at`; while that is empty the
    enrolment waits for something else: a task to be done, a message to be sent. The stay in the segment, the alert, or
    the change of a milestone that brought the account in brings it in once.
    """

    class State(models.TextChoices):
        """Whether it goes on, and else how it ended."""

        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        GOAL = "goal", "Goal reached"
        EXITED = "exited", "Left by the exit rule"
        STOPPED = "stopped", "Stopped by hand"
        FAILED = "failed", "Failed"

    playbook = models.ForeignKey(Playbook, models.CASCADE, related_name="enrolments", db_index=False)
    version = models.ForeignKey(PlaybookVersion, models.CASCADE, related_name="enrolments")
    account = models.ForeignKey(Account, models.CASCADE, related_name="enrolments", db_index=False)
    membership = models.ForeignKey(
        AccountMembership, models.SET_NULL, null=True, db_index=False, editable=False, related_name="+"
    )
    alert = models.ForeignKey(Alert, models.SET_NULL, null=True, editable=False, related_name="enrolments")
    milestone_change = models.ForeignKey(
        MilestoneChange, models.SET_NULL, null=True, db_index=False, editable=False, related_name="enrolments"
    )
    enrolled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    step = models.CharField(max_length=60, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            # Whatever runs at once or twice, an account is in a playbook once at a time, and once for each cause.
            models.UniqueConstraint(
                fields=["playbook", "account"], condition=Q(state="running"), name="one_running_enrolment"
            ),
            models.UniqueConstraint(
                fields=["playbook", "membership"], condition=Q(membership__isnull=False), name="one_enrolment_per_stay"
            ),
            models.UniqueConstraint(
                fields=["playbook", "alert"], condition=Q(alert__isnull=False), name="one_enrolment_per_alert"
            ),
            models.UniqueConstraint(
                fields=["playbook", "milestone_change"],
                condition=Q(milestone_change__isnull=False),
                name="one_enrolment_per_milestone_change",
            ),
            models.CheckConstraint(
                condition=Q(state="running", ended_at__isnull=True)
                | (~Q(state="running") & Q(ended_at__isnull=False, due_at__isnull=True)),
                name="enrolment_that_is_over_says_when",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="enrolment_ends_after_it_started",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["running", "finished", "goal", "exited", "stopped", "failed"]),
                name="enrolment_state_known",
            ),
        ]
        indexes = [
            # The history of one account, and whether it was in a playbook before.
            models.Index(fields=["account", "playbook", "-started_at"], name="enrolments_of_account"),
            # Who is in a playbook, and was.
            models.Index(fields=["playbook", "-id"], name="enrolments_of_playbook"),
            # What is to be done next.
            models.Index(fields=["due_at"], condition=Q(state="running"), name="enrolments_due"),
            # Stays and alerts that are deleted leave their mark here.
            models.Index(fields=["membership"], condition=Q(membership__isnull=False), name="enrolments_of_stay"),
            models.Index(
                fields=["milestone_change"], condition=Q(milestone_change__isnull=False), name="enrolments_of_change"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} in {self.playbook}"

    @property
    def place(self) -> int:
        """The place of the next step in its version, counted from 1; how many there are after the last one."""
        keys = [step.get("key") for step in self.version.definition.get("steps", [])]
        return keys.index(self.step) + 1 if self.step in keys else len(keys)

    @property
    def places(self) -> int:
        """How many steps its version has."""
        return len(self.version.definition.get("steps", []))


class StepRun(Worked):
    """A step that was begun for an enrolment: once, whatever is repeated.

    `key` goes out with every message, so that a receiver can tell a repetition. `sent` lists to whom an e-mail went
    already. A step waits for a colleague (its task) or, as `Worked` rows do, for a worker that sends its messages.
    """

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Called off"

    enrolment = models.ForeignKey(Enrolment, models.CASCADE, related_name="runs", db_index=False)
    step = models.CharField(max_length=60)
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State, default=State.DONE)
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    task = models.OneToOneField(Task, models.SET_NULL, null=True, blank=True, related_name="step_run")
    sent = models.JSONField(default=list, editable=False)
    text = models.CharField(max_length=500, blank=True, help_text="What was done, in words.")

    class Meta:
        ordering = ("id",)
        constraints = [
            # The key of all idempotence: a step is taken once for an enrolment.
            models.UniqueConstraint(fields=["enrolment", "step"], name="one_run_of_a_step"),
            models.CheckConstraint(
                condition=Q(state="done", done_at__isnull=False) | (~Q(state="done") & Q(done_at__isnull=True)),
                name="step_that_is_done_says_when",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "done", "failed", "cancelled"]), name="step_run_state_known"
            ),
        ]
        indexes = [
            # What waits to be sent, or for its task.
            models.Index(fields=["kind", "next_attempt_at"], condition=Q(state="waiting"), name="steps_that_wait"),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.enrolment}"
