"""Destinations: other tools that are told what changes, what each is told, and the messages on their way to them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from accounts.models import Account, EndUser
from core.models import Timestamped
from segments.models import Segment


def new_origin() -> str:
    """What marks the messages of one destination as ours."""
    return uuid.uuid4().hex


class DestinationQuerySet(models.QuerySet["Destination"]):
    """The ways in which destinations are read."""

    def known(self) -> Self:
        """Those that nobody has removed."""
        return self.filter(ended_at__isnull=True)

    def open(self) -> Self:
        """Those that are told what changes: neither removed, nor paused, nor switched off."""
        return self.known().filter(active=True)


class Destination(Timestamped):
    """Where changes are sent to: a signed webhook, or an endpoint that takes the messages of Segment's SDKs.

    Address and secret (the signing key, or the write key) are encrypted. `origin` marks every message, so that one that
    comes back is known; a removed destination keeps it, and its keys. `failing_since` and `failures` count failures in
    a row, `rests_until` is when the next attempt may be made, `error` says why it was switched off.
    """

    class Kind(models.TextChoices):
        """What it speaks."""

        WEBHOOK = "webhook", "Webhook"
        TRACK = "track", "Tracking endpoint"

    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=60)
    origin = models.CharField(max_length=32, default=new_origin, unique=True, editable=False)
    address = models.TextField(editable=False)
    hint = models.CharField(max_length=120, blank=True, editable=False)
    secret = models.TextField(editable=False)
    former_secret = models.TextField(blank=True, editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    active = models.BooleanField(default=True, help_text="Off: nothing is sent, and what changes is sent later.")
    groups = models.BooleanField("accounts", default=True, help_text="The values of accounts (group calls).")
    to_users = models.BooleanField("users of accounts", default=False, help_text="Segments of accounts for users too.")
    events = models.BooleanField(default=True, help_text="An event for each entry, exit and new value.")
    events_of_first = models.BooleanField("events of the first sync", default=False)
    events_of_definition = models.BooleanField("events of changed definitions", default=False)
    entered_name = models.CharField(max_length=80, default="Audience Entered")
    exited_name = models.CharField(max_length=80, default="Audience Exited")
    computed_name = models.CharField(max_length=80, default="Trait Computed")
    tools = models.JSONField(default=list, blank=True, help_text="Only these integrations of the receiver.")
    failures = models.PositiveIntegerField(default=0, editable=False)
    refusals = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    error = models.CharField(max_length=300, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects = DestinationQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(ended_at=None), name="one_destination_of_a_name"),
            models.CheckConstraint(condition=~Q(name=""), name="destination_has_name"),
            models.CheckConstraint(condition=Q(kind__in=["webhook", "track"]), name="destination_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class SyncItemQuerySet(models.QuerySet["SyncItem"]):
    """The ways in which items are read."""

    def open(self) -> Self:
        """Those that are sent, of destinations that take them."""
        return self.filter(ended_at=None, destination__active=True, destination__ended_at=None)

    def due(self) -> Self:
        """Those whose values are to be looked at for everybody."""
        return self.open().filter(requested__gt=F("answered"))


class SyncItem(models.Model):
    """A segment or a field that a destination is told of, under a key that never changes and is never given again.

    `requested` counts the requests to look at everybody, `answered` says which of them is done. The first look is the
    first sync. `redefined` is set while what moves does so by a changed definition. `refresh` is the newest refresh of
    the segment by a new definition that was followed.
    """

    destination = models.ForeignKey(Destination, models.CASCADE, related_name="items", db_index=False)
    segment = models.ForeignKey(Segment, models.SET_NULL, null=True, blank=True, related_name="sync_items")
    field = models.CharField(max_length=120, blank=True)
    key = models.CharField(max_length=60)
    requested = models.PositiveBigIntegerField(default=1)
    answered = models.PositiveBigIntegerField(default=0)
    redefined = models.BooleanField(default=False)
    refresh = models.PositiveBigIntegerField(default=0)
    first_done_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects = SyncItemQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = [
            # For good: also what was ended keeps its key.
            models.UniqueConstraint(fields=["destination", "key"], name="sync_key_is_given_once"),
            models.UniqueConstraint(
                fields=["destination", "segment"], condition=Q(ended_at=None), name="a_segment_is_sent_once"
            ),
            models.UniqueConstraint(
                fields=["destination", "field"], condition=Q(ended_at=None) & ~Q(field=""), name="a_field_is_sent_once"
            ),
            models.CheckConstraint(condition=Q(key__regex="^[a-z][a-z0-9_]{0,59}$"), name="sync_key_is_snake_case"),
        ]

    def __str__(self) -> str:
        return self.key


class SyncedValue(models.Model):
    """What a destination knows, or will know by what waits for it, of one account or user under one key. `seq` counts
    its values, so that a change has a number; `cause` and `at` are of the newest."""

    item = models.ForeignKey(SyncItem, models.CASCADE, related_name="values", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, related_name="+")
    value = models.JSONField()
    seq = models.PositiveIntegerField(default=1)
    cause = models.CharField(max_length=10)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also what everybody's values are compared by.
            models.UniqueConstraint(
                fields=["item", "account"], condition=Q(account__isnull=False), name="one_synced_value_of_account"
            ),
            models.UniqueConstraint(
                fields=["item", "user"], condition=Q(user__isnull=False), name="one_synced_value_of_user"
            ),
            models.CheckConstraint(
                condition=Q(account__isnull=False, user__isnull=True) | Q(account__isnull=True, user__isnull=False),
                name="synced_value_is_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.value}"


class SyncMark(models.Model):
    """An account about which something changed since destinations were told; taken by the next look."""

    account = models.OneToOneField(
        Account, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )  # fmt: skip

    def __str__(self) -> str:
        return str(self.account_id)


class OutgoingQuerySet(models.QuerySet["Outgoing"]):
    """The ways in which messages are read."""

    def waiting(self) -> Self:
        """Those still to be sent."""
        return self.filter(state=Outgoing.State.WAITING)


class Outgoing(models.Model):
    """One message to a destination, written with the change that it tells of. Its body is made when it is sent, always
    of the same values, and its id is made of what it tells, so that however often it is sent it has one id.
    """

    class Call(models.TextChoices):
        """Which message."""

        GROUP = "group", "Account"
        IDENTIFY = "identify", "User"
        TRACK = "track", "Event"

    class State(models.TextChoices):
        """How far it came."""

        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not wanted any more"

    CAUSES = (
        ("first", "First sync"), ("data", "New data"), ("time", "Time"), ("definition", "Definition"),
        ("hand", "By hand"),
    )  # fmt: skip

    destination = models.ForeignKey(Destination, models.CASCADE, related_name="messages", db_index=False)
    item = models.ForeignKey(SyncItem, models.CASCADE, related_name="messages", db_index=False)
    call = models.CharField(max_length=8, choices=Call)
    account = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, related_name="+")
    value = models.JSONField()
    seq = models.PositiveIntegerField()
    cause = models.CharField(max_length=10, choices=CAUSES)
    at = models.DateTimeField(help_text="When it changed.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="The answer to the last attempt.")
    error = models.CharField(max_length=300, blank=True)

    objects = OutgoingQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = "outgoing message"
        constraints = [
            # A change is told once, however often a look at it is repeated.
            models.UniqueConstraint(
                F("item"), F("call"), Coalesce(F("account"), Value(0)), Coalesce(F("user"), Value(0)), F("seq"),
                name="a_change_is_told_once",
            ),
            models.CheckConstraint(condition=Q(call__in=["group", "identify", "track"]), name="outgoing_call_known"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sent", "failed", "dropped"]), name="outgoing_state_known"
            ),
            models.CheckConstraint(
                condition=Q(cause__in=["first", "data", "time", "definition", "hand"]), name="outgoing_cause_known"
            ),
        ]  # fmt: skip
        indexes = [
            # What is sent next, and how much waits.
            models.Index(fields=["destination", "id"], condition=Q(state="waiting"), name="outgoing_waiting"),
            # The newest of a destination, on its page.
            models.Index(fields=["destination", "-id"], name="outgoing_of_destination"),
            # Those that are old enough to be forgotten.
            models.Index(fields=["at"], condition=~Q(state="waiting"), name="outgoing_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_call_display()}: {self.item}"

    @property
    def about(self) -> Any:
        """Whom it is about."""
        return self.user or self.account

    @property
    def took(self) -> dt.timedelta | None:
        """From the change to the delivery."""
        return self.sent_at - self.at if self.sent_at else None
