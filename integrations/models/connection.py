"""Connections to billing and CRM systems: how to reach one, what its records are here, and the runs that fetch them."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Account, EndUser
from accounts.models.traits import FoldedField
from core.models import Timestamped


class Connection(Timestamped):
    """An account at Stripe or HubSpot whose records are imported.

    `secret` is the credential, encrypted (`integrations.connections.secrets`); `secret_env` names an environment
    variable that holds it instead. `since` is the instant up to which changes are known, `full_at` when everything was
    last read from the beginning, `error` why it cannot go on. `properties` are what the other system calls its fields.
    """

    class Kind(models.TextChoices):
        """Which system."""

        STRIPE = "stripe", "Stripe"
        HUBSPOT = "hubspot", "HubSpot"

    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=60, unique=True)
    secret = models.TextField(blank=True, editable=False)
    secret_hint = models.CharField(max_length=12, blank=True, editable=False)
    secret_env = models.CharField(max_length=80, blank=True, editable=False)
    mapping = models.JSONField(default=dict, blank=True, editable=False)
    properties = models.JSONField(default=dict, blank=True, editable=False)
    active = models.BooleanField(default=True, help_text="Fetch changes by the clock.")
    every_minutes = models.PositiveIntegerField(
        "minutes between runs", default=60, validators=[MinValueValidator(5), MaxValueValidator(10_080)]
    )
    since = models.DateTimeField(null=True, blank=True, editable=False)
    full_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="connection_has_name"),
            models.CheckConstraint(condition=Q(kind__in=["stripe", "hubspot"]), name="connection_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """Where values come from, as their stamps and their history name it."""
        return f"{self.kind}:{self.name}"[:80]


class ConnectionRunQuerySet(models.QuerySet["ConnectionRun"]):
    """Which runs are still to be worked on."""

    def open(self) -> Self:
        """Neither done nor given up."""
        return self.filter(state__in=ConnectionRun.OPEN)

    def due(self, now: dt.datetime) -> Self:
        """Those that may be taken: waiting and their time has come, or left behind by a worker that is gone."""
        waiting = Q(state=ConnectionRun.State.WAITING, next_attempt_at__lte=now)
        left = Q(state=ConnectionRun.State.RUNNING, leased_until__lt=now)
        return self.filter(waiting | left).order_by("next_attempt_at", "id")


class ConnectionRun(models.Model):
    """One fetch: everything (`full`) or what changed since `since`. `step` and `cursor` say where it goes on.

    `attempts` counts failures since the last page that was stored. A worker holds a run by `lease` until
    `leased_until`, and stores nothing once it has lost it.
    """

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Trigger(models.TextChoices):
        """Who asked for it."""

        HAND = "hand", "By hand"
        CLOCK = "clock", "By the clock"

    OPEN: ClassVar[tuple[str, ...]] = (State.WAITING, State.RUNNING)

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=8, choices=Trigger, default=Trigger.CLOCK)
    full = models.BooleanField(default=False)
    since = models.DateTimeField(null=True, help_text="Changes from here on; empty for everything.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    step = models.CharField(max_length=20, blank=True)
    cursor = models.JSONField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    read = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    unmatched = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    problem_count = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list)
    error = models.CharField(max_length=500, blank=True)

    objects = ConnectionRunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            # One at a time for each connection; also what “is one open?” is read by.
            models.UniqueConstraint(
                fields=["connection"], condition=Q(state__in=("waiting", "running")), name="one_open_run_per_connection"
            ),
            models.CheckConstraint(condition=Q(trigger__in=["hand", "clock"]), name="connection_run_trigger_known"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done", "failed", "cancelled"]),
                name="connection_run_state_known",
            ),
        ]
        indexes = [
            # The tick's question, once a minute: what is due?
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(state__in=("waiting", "running")),
                name="connection_run_due",
            ),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.connection}"

    @property
    def is_open(self) -> bool:
        """Neither done nor given up."""
        return self.state in self.OPEN


class ConnectionLink(models.Model):
    """Which record of the other system is which account or user here.

    `seen` holds, per value, a digest and the instant from which it has been that way there: a value that did not change
    keeps its instant, so that reading it again never wins over what a person wrote since. A record with neither
    account nor user is unmatched; `note` says why. Of several records of one account the `primary` one speaks for it.
    """

    class Kind(models.TextChoices):
        """What the other system calls the record."""

        CUSTOMER = "customer", "Customer"
        SUBSCRIPTION = "subscription", "Subscription"
        COMPANY = "company", "Company"
        CONTACT = "contact", "Contact"

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="links", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    remote_id = models.CharField(max_length=255)
    label = models.CharField(max_length=255, blank=True)
    label_folded = FoldedField(of="label")
    account = models.ForeignKey(Account, models.SET_NULL, null=True, blank=True, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, blank=True, related_name="+")
    by_hand = models.BooleanField(default=False)
    made = models.BooleanField(default=False, help_text="The account was made for this record.")
    primary = models.BooleanField(default=True)
    note = models.CharField(max_length=255, blank=True)
    seen = models.JSONField(default=dict)
    last_run = models.BigIntegerField(default=0, help_text="The newest run that met it.")
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("label_folded", "id")
        constraints = [
            # Also how a page of records finds its links.
            models.UniqueConstraint(fields=["connection", "kind", "remote_id"], name="one_link_per_record"),
            models.CheckConstraint(
                condition=Q(kind__in=["customer", "subscription", "company", "contact"]),
                name="connection_link_kind_known",
            ),
        ]
        indexes = [
            # The list of unmatched records by name, and how many there are.
            models.Index(
                F("connection"),
                F("label_folded"),
                F("id"),
                condition=Q(account__isnull=True, gone_at__isnull=True, kind__in=("customer", "company")),
                name="connection_link_unmatched",
            ),
            # After a full run: the records of a kind that it did not meet.
            models.Index(
                fields=["connection", "kind", "last_run"],
                condition=Q(gone_at__isnull=True),
                name="connection_link_by_run",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.label or self.remote_id}"
