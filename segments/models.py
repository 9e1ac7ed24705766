"""Segments, the versions of their definitions, who was in them and when, and the runs that found it out."""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Account, EndUser
from accounts.models.traits import FoldedField
from core.models import Timestamped
from core.versions import SavedVersion
from segments.holding.models import HoldNotice  # noqa: F401 - Django looks for models here
from segments.levels.models import LevelRule  # noqa: F401


class SegmentQuerySet(models.QuerySet["Segment"]):
    """The ways in which segments are read."""

    def tabs(self, subject: str = "account") -> Self:
        """What Accounts 360 and Subscription 360 (or the Users page) show, in the company's order."""
        return self.filter(active=True, visible=True, subject=subject).order_by("position", "id")

    def in_tab_order(self) -> Self:
        """All of them in the company's order."""
        return self.order_by("position", "id")


class PublicSegments(models.Manager.from_queryset(SegmentQuerySet)):  # type: ignore[misc]
    """Hides internal segments (the saved questions of alerts and milestones), which have pages of their own."""

    def get_queryset(self) -> SegmentQuerySet:
        """All but the internal ones."""
        return super().get_queryset().filter(internal=False)


class Segment(Timestamped):
    """A saved question about accounts (or users): a rule, its place among the tabs, and its newest result.

    `rule` is the tree as it was written (see the rules page of the manual). `requested_rev` counts the requests to
    refresh, `live_rev` says which of them the stored members answer; they are equal when nothing is due. `live_version`
    is the version that the stored members answer, 0 if none: also once what the rule reads was defined anew.
    """

    class Subject(models.TextChoices):
        """What the members are."""

        ACCOUNT = "account", "Accounts"
        USER = "user", "Users"

    key = models.SlugField(max_length=80, unique=True, help_text="Names the segment in rules, links and the API.")
    name = models.CharField(max_length=120)
    name_folded = FoldedField(of="name")
    description = models.TextField(blank=True, max_length=2_000)
    subject = models.CharField(max_length=8, choices=Subject, default=Subject.ACCOUNT)
    visible = models.BooleanField("shown on Accounts 360 and Subscription 360", default=True)
    active = models.BooleanField(default=True)
    internal = models.BooleanField(default=False, editable=False)
    position = models.PositiveIntegerField(default=0)
    rule = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    requested_rev = models.PositiveBigIntegerField(default=0, editable=False)
    live_rev = models.PositiveBigIntegerField(default=0, editable=False)
    live_version = models.PositiveIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False, help_text="Why the segment is frozen; empty if it is not.")
    held = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why its members wait for data.",
    )
    refreshed_at = models.DateTimeField(null=True, blank=True, editable=False)
    member_count = models.PositiveIntegerField(default=0, editable=False)
    contract_value = models.DecimalField(max_digits=24, decimal_places=2, default=0, editable=False)

    objects = PublicSegments()
    everything = SegmentQuerySet.as_manager()

    class Meta:
        ordering = ("position", "id")
        base_manager_name = "everything"
        constraints = [
            models.UniqueConstraint(fields=["name_folded"], condition=Q(internal=False), name="segment_name_unique"),
            models.CheckConstraint(condition=Q(live_rev__lte=F("requested_rev")), name="segment_live_not_ahead"),
            models.CheckConstraint(condition=Q(subject__in=["account", "user"]), name="segment_subject_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def frozen(self) -> bool:
        """True if the rule could not be run; the members are the last good ones."""
        return bool(self.error)

    @property
    def due(self) -> bool:
        """True while a requested refresh has not been answered."""
        return self.requested_rev > self.live_rev

    @property
    def is_answered(self) -> bool:
        """True if the stored members answer the present rule: not frozen, held or waiting for a refresh."""
        return not (self.error or self.held or self.due) and self.live_version == self.version


class SegmentVersion(SavedVersion):
    """A definition as somebody saved it."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="versions", db_index=False)
    rule = models.JSONField()
    words = models.TextField(help_text="The rule in plain English, at the time.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="segment_versions"
    )

    class Meta(SavedVersion.Meta):
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version_unique")]

    def __str__(self) -> str:
        return f"{self.segment}, version {self.number}"


class RefreshRun(models.Model):
    """One piece of refreshing: why it was started, the moment all its conditions mean, and how it ended."""

    class Trigger(models.TextChoices):
        """What started it."""

        DAILY = "daily", "Daily"
        SAVE = "save", "Save"
        DATA = "data", "New data"
        HAND = "hand", "By hand"

    class State(models.TextChoices):
        """How far it came. A run that a killed worker left behind stays Running and is shown so."""

        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Done with errors"

    trigger = models.CharField(max_length=8, choices=Trigger)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    now = models.DateTimeField(help_text="The moment that every condition of the run means.")
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    accounts = models.PositiveIntegerField(null=True, help_text="Accounts that were looked at; empty means all.")
    total = models.PositiveIntegerField(default=0, help_text="Segments to refresh.")
    done = models.PositiveIntegerField(default=0)
    joined = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Segments that kept their members for a silent feed."
    )

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_trigger_display()} refresh of {self.now:%d %b %Y %H:%M}"


class SegmentRefresh(models.Model):
    """What a run did to one segment."""

    run = models.ForeignKey(RefreshRun, models.CASCADE, related_name="refreshes")
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="refreshes", db_index=False)
    version = models.PositiveIntegerField()
    new_definition = models.BooleanField(default=False, help_text="Joins and leaves come from a changed rule.")
    joined = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)
    members = models.PositiveIntegerField(default=0)
    duration_ms = models.FloatField(default=0)
    error = models.TextField(blank=True)
    held = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why the members were left as they were."
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "segment refreshes"
        indexes = [
            # The 7-day trend and the history of one segment.
            models.Index(fields=["segment", "at"], name="refresh_of_segment"),
        ]

    def __str__(self) -> str:
        return f"{self.segment}: {self.joined} joined, {self.left} left"


class PinQuerySet(models.QuerySet["Pin"]):
    """Which pins count."""

    def open(self) -> Self:
        """Those that nobody has taken out; their last day may have passed."""
        return self.filter(ended_at__isnull=True)

    def in_force(self, today: dt.date) -> Self:
        """Those that decide on a local calendar day, their last day included."""
        return self.open().filter(Q(until__isnull=True) | Q(until__gte=today))


class Pin(models.Model):
    """A member (an account, or a user) put into a segment, or kept out of it, by hand, whatever the rule says.

    `until` is its last local day; a pin that was taken out keeps `ended_at` and stays as history.
    """

    class Kind(models.TextChoices):
        """Which way it decides."""

        IN = "in", "Pinned in"
        OUT = "out", "Kept out"

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="pins", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True, related_name="pins", db_index=False)
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, blank=True, related_name="pins", db_index=False)
    kind = models.CharField(max_length=3, choices=Kind, default=Kind.IN)
    reason = models.CharField(max_length=255)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    until = models.DateField("last day", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PinQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            # One decision at a time; also what a refresh reads a segment's pins by.
            models.UniqueConstraint(
                fields=["segment", "account"], condition=Q(ended_at__isnull=True), name="one_open_pin"
            ),
            models.UniqueConstraint(
                fields=["segment", "user"], condition=Q(ended_at__isnull=True), name="one_open_pin_of_user"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="pin_has_reason"),
            models.CheckConstraint(condition=Q(kind__in=["in", "out"]), name="pin_kind_known"),
            models.CheckConstraint(
                condition=Q(account__isnull=False, user__isnull=True) | Q(account__isnull=True, user__isnull=False),
                name="pin_has_one_member",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "segment"], name="pins_of_account"),
            models.Index(fields=["user", "segment"], name="pins_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.member} {self.get_kind_display().lower()}, {self.segment}"

    @property
    def member(self) -> Account | EndUser:
        """Who is pinned."""
        found = self.account or self.user
        assert found is not None  # a constraint of the table
        return found


class Membership(models.Model):
    """A stretch of time in which a member was in a segment; `left_at` is empty while it lasts."""

    entered_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


def interval_constraints(member: str) -> list[Any]:
    """At most one open interval per segment and member, and no interval that ends before it begins."""
    return [
        models.UniqueConstraint(
            fields=["segment", member], condition=Q(left_at__isnull=True), name=f"one_open_{member}_membership"
        ),
        models.CheckConstraint(
            condition=Q(left_at__isnull=True) | Q(left_at__gte=F("entered_at")),
            name=f"{member}_membership_ends_after_start",
        ),
    ]


class AccountMembership(Membership):
    """An account's time in a segment."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="account_memberships", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="memberships", db_index=False)
    opened_by = models.ForeignKey(SegmentRefresh, models.SET_NULL, null=True, db_index=False, related_name="opened")
    closed_by = models.ForeignKey(SegmentRefresh, models.SET_NULL, null=True, db_index=False, related_name="closed")
    # Set where a pin, or the end of one, decided: the cause is a person's hand and not the data.
    opened_pin = models.ForeignKey(Pin, models.SET_NULL, null=True, db_index=False, related_name="+")
    closed_pin = models.ForeignKey(Pin, models.SET_NULL, null=True, db_index=False, related_name="+")

    class Meta:
        constraints = interval_constraints("account")
        indexes = [
            # The segments one account is in, and was in.
            models.Index(fields=["account", "segment", "entered_at"], name="memberships_of_account"),
            # Who left a segment since a date; members on a past date.
            models.Index(fields=["segment", "left_at"], name="left_segment", condition=Q(left_at__isnull=False)),
            # Who entered a segment since a date.
            models.Index(fields=["segment", "entered_at"], name="entered_segment"),
        ]

    def __str__(self) -> str:
        return f"{self.account} in {self.segment} since {self.entered_at:%d %b %Y}"


class UserMembership(Membership):
    """A user's time in a segment of users."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="user_memberships", db_index=False)
    user = models.ForeignKey(EndUser, models.CASCADE, related_name="memberships", db_index=False)
    opened_by = models.ForeignKey(SegmentRefresh, models.SET_NULL, null=True, db_index=False, related_name="+")
    closed_by = models.ForeignKey(SegmentRefresh, models.SET_NULL, null=True, db_index=False, related_name="+")
    opened_pin = models.ForeignKey(Pin, models.SET_NULL, null=True, db_index=False, related_name="+")
    closed_pin = models.ForeignKey(Pin, models.SET_NULL, null=True, db_index=False, related_name="+")

    class Meta:
        constraints = interval_constraints("user")
        indexes = [
            # The same three questions as of accounts.
            models.Index(fields=["user", "segment", "entered_at"], name="memberships_of_user"),
            models.Index(fields=["segment", "left_at"], name="user_left_segment", condition=Q(left_at__isnull=False)),
            models.Index(fields=["segment", "entered_at"], name="user_entered_segment"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.segment} since {self.entered_at:%d %b %Y}"
