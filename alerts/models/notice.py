"""Notifications: what somebody is told, how it is sent, and who wants what when."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Account, Note, TeamMember
from accounts.models.traits import FoldedField
from alerts.models.alert import Alert, AlertRule
from alerts.models.milestone import Milestone
from core.models import Timestamped, validate_time_zone

_KEYS = uuid.UUID("5b0c2f3e-6c1f-4d57-9a35-0a7f0d3e9b11")  # the name space of idempotency keys


class Way(models.TextChoices):
    """How somebody wants to hear of something; the inbox has all but what they do not want at all."""

    NOW = "now", "At once"
    DIGEST = "digest", "In the daily digest"
    INBOX = "inbox", "In the inbox only"
    NEVER = "never", "Not at all"


class Via(models.TextChoices):
    """What a message is sent with."""

    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    WEBHOOK = "webhook", "Webhook"


class NoticeChannel(Timestamped):
    """A place outside that notifications are posted to: everybody's (alert rules name it), or one colleague's own.

    The address is a credential, so it is kept encrypted and only its end is shown.
    """

    kind = models.CharField(max_length=8, choices=[one for one in Via.choices if one[0] != Via.EMAIL])
    name = models.CharField(max_length=80)
    name_folded = FoldedField(of="name")
    member = models.ForeignKey(
        TeamMember, models.CASCADE, null=True, blank=True, related_name="notice_channels",
        help_text="Whose own it is; nobody’s if alert rules are to use it.",
    )  # fmt: skip
    address = models.TextField(editable=False, help_text="Sealed.")
    hint = models.CharField(max_length=80, editable=False)
    secret = models.TextField(editable=False, blank=True, help_text="Sealed: what webhooks are signed with.")
    active = models.BooleanField(default=True)
    cap = models.PositiveSmallIntegerField(
        "most a day", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text="Of a channel that is nobody’s own: messages on one day of the workspace. The rest comes as one"
        " message the next morning. Empty: as many as there are.",
    )  # fmt: skip
    error = models.CharField(max_length=300, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    rests_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name_folded", "id")
        verbose_name = "notification channel"
        constraints = [
            models.UniqueConstraint(
                fields=["member", "name_folded"], nulls_distinct=False, name="notice_channel_name_unique"
            ),
            models.CheckConstraint(condition=~Q(address=""), name="notice_channel_has_address"),
            models.CheckConstraint(
                condition=Q(cap__isnull=True) | Q(cap__range=(1, 500)), name="channel_cap_from_1_to_500"
            ),
            models.CheckConstraint(condition=Q(kind__in=["slack", "webhook"]), name="notice_channel_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class NoticeSettings(models.Model):
    """How a colleague wants to be told. Times are of their own zone; without one, of the workspace's."""

    member = models.OneToOneField(TeamMember, models.CASCADE, primary_key=True, related_name="notice_settings")
    ways = models.JSONField(default=dict, blank=True, help_text="Kind of notification to way.")
    by_email = models.BooleanField("by e-mail", default=True)
    time_zone = models.CharField(max_length=64, blank=True, validators=[validate_time_zone])
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    cap = models.PositiveSmallIntegerField(
        "most a day", default=20, validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text="Messages sent at once on one day; the rest comes with the next digest.",
    )  # fmt: skip
    digest = models.BooleanField("daily digest", default=True)
    digest_at = models.TimeField(default=dt.time(7, 30))
    weekly = models.BooleanField("weekly portfolio", default=False)
    digested_on = models.DateField(null=True, editable=False, help_text="The local day of the last digest.")
    digested_at = models.DateTimeField(null=True, editable=False)
    weekly_on = models.DateField(null=True, editable=False, help_text="The Monday of the last weekly portfolio.")

    class Meta:
        verbose_name_plural = "notification settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="quiet_hours_begin_and_end",
            ),
            models.CheckConstraint(condition=Q(cap__range=(1, 500)), name="notice_cap_from_1_to_500"),
        ]

    def __str__(self) -> str:
        return f"Notifications of {self.member}"


class RuleChoice(models.Model):
    """How a colleague wants to hear of the alerts of one rule, whatever they chose for alerts otherwise."""

    member = models.ForeignKey(TeamMember, models.CASCADE, db_index=False, related_name="rule_choices")
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="choices")
    way = models.CharField(max_length=8, choices=Way)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["member", "rule"], name="one_choice_of_member_and_rule"),
            models.CheckConstraint(
                condition=Q(way__in=["now", "digest", "inbox", "never"]), name="rule_choice_way_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member}: {self.rule}, {self.get_way_display().lower()}"


class Listening(models.Model):
    """Who hears of what something does besides those whom it concerns: channels, and colleagues."""

    channels = models.ManyToManyField(
        NoticeChannel, blank=True, related_name="+", limit_choices_to={"member__isnull": True}
    )
    members = models.ManyToManyField(TeamMember, blank=True, related_name="+")

    class Meta:
        abstract = True


class RuleNotices(Listening):
    """Whom the alerts of a rule are told to besides their assignee."""

    rule = models.OneToOneField(AlertRule, models.CASCADE, primary_key=True, related_name="notices")

    class Meta:
        ordering = ("rule_id",)
        verbose_name = "notifications of an alert rule"
        verbose_name_plural = "notifications of alert rules"

    def __str__(self) -> str:
        return f"Notifications of {self.rule}"


class MilestoneNotices(Listening):
    """Whom the changes of a milestone are told to besides those who look after the account."""

    milestone = models.OneToOneField(Milestone, models.CASCADE, primary_key=True, related_name="notices")

    class Meta:
        ordering = ("milestone_id",)
        verbose_name = "notifications of a milestone"
        verbose_name_plural = "notifications of milestones"

    def __str__(self) -> str:
        return f"Notifications of {self.milestone}"


class NoticeQuerySet(models.QuerySet["Notice"]):
    """The ways in which notices are read."""

    def inbox_of(self, member: TeamMember | None) -> Self:
        """What a colleague was told; nothing for a log-in without one."""
        return self.filter(member=member) if member else self.none()

    def unread(self) -> Self:
        """Those that were not looked at."""
        return self.filter(read_at__isnull=True)


class Notice(models.Model):
    """Something that one colleague, or one channel, is told. `key` says what and whom: telling it again is nothing new.

    It is written in the transaction that made it happen. `since` is where a digest begins; `digest` is the digest that
    carries this one, if it was to wait for it.
    """

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20)
    member = models.ForeignKey(TeamMember, models.CASCADE, null=True, db_index=False, related_name="received")
    channel = models.ForeignKey(NoticeChannel, models.CASCADE, null=True, related_name="notices")
    account = models.ForeignKey(Account, models.CASCADE, null=True, related_name="notices")
    alert = models.ForeignKey(Alert, models.CASCADE, null=True, related_name="notices")
    note = models.ForeignKey(Note, models.CASCADE, null=True, related_name="notices")
    title = models.CharField(max_length=255)
    text = models.CharField(max_length=1_000, blank=True)
    path = models.CharField(max_length=200, blank=True, help_text="The page that tells more.")
    severity = models.CharField(max_length=8, blank=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    waits = models.BooleanField(default=False, help_text="For the next digest.")
    digest = models.ForeignKey("self", models.SET_NULL, null=True, related_name="carried", editable=False)
    since = models.DateTimeField(null=True, editable=False)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = "notification"
        constraints = [
            models.CheckConstraint(
                condition=Q(member__isnull=False, channel__isnull=True) | Q(member__isnull=True, channel__isnull=False),
                name="notice_is_for_one",
            ),
            models.CheckConstraint(condition=~Q(key=""), name="notice_has_key"),
        ]
        indexes = [
            # The inbox.
            models.Index(fields=["member", "-id"], name="notices_of_member"),
            # The bell.
            models.Index(fields=["member"], condition=Q(read_at__isnull=True), name="unread_notices"),
            # What the next digest carries.
            models.Index(fields=["member", "id"], condition=Q(waits=True), name="waiting_notices"),
            # Those that are old enough to be forgotten.
            models.Index(fields=["at"], name="notices_by_age"),
        ]

    def __str__(self) -> str:
        return self.title


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """The ways in which deliveries are read."""

    def due(self, now: dt.datetime) -> Self:
        """Those whose time has come, and those whose worker was lost, but for channels that rest."""
        waits = Q(state=Delivery.State.WAITING, due_at__lte=now)
        lost = Q(state=Delivery.State.SENDING, due_at__lte=now)
        return self.filter(waits | lost).exclude(channel__rests_until__gt=now)


class Delivery(models.Model):
    """One message of one notice. `key` is what the receiver knows repetitions by; it is made of the notice's own key,
    so that no repetition, however it comes about, has another one.

    While it is being sent, `due_at` is when its worker counts as lost. `counted_on` is the local day on whose cap it
    counts.
    """

    class State(models.TextChoices):
        """How far it came."""

        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FOLDED = "folded", "Left to the digest"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not wanted any more"

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    via = models.CharField(max_length=8, choices=Via)
    channel = models.ForeignKey(NoticeChannel, models.CASCADE, null=True, related_name="deliveries")
    key = models.UUIDField(unique=True, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    counted_on = models.DateField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False), name="delivery_that_was_sent_says_when"
            ),
            models.CheckConstraint(condition=Q(via__in=["email", "slack", "webhook"]), name="delivery_via_known"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sending", "sent", "folded", "failed", "dropped"]),
                name="delivery_state_known",
            ),
        ]
        indexes = [
            # What is due.
            models.Index(fields=["due_at", "id"], condition=Q(state__in=["waiting", "sending"]), name="deliveries_due"),
        ]

    def __str__(self) -> str:
        return f"{self.get_via_display()}: {self.notice}"

    @staticmethod
    def key_of(notice_key: str, via: str, channel: int | None) -> uuid.UUID:
        """The same for the same notice, means and channel."""
        return uuid.uuid5(_KEYS, f"{notice_key}|{via}|{channel or ''}")
