"""Alert rules with their versions, alerts (each an episode that begins and ends), and what happened to them."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce, Greatest

from accounts.models import Account, AssignmentRole, TeamMember
from accounts.models.traits import FoldedField
from core.models import Timestamped
from core.versions import SavedVersion
from segments.models import AccountMembership, Segment


class Severity(models.TextChoices):
    """How much it matters; kept in the order from most to least by `rank`."""

    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class LivingRules(models.Manager["AlertRule"]):
    """Hides rules that were deleted; their alerts are kept and still name them."""

    def get_queryset(self) -> models.QuerySet[AlertRule]:
        """All but the deleted ones."""
        return super().get_queryset().filter(deleted_at__isnull=True)


class AlertRule(Timestamped):
    """What raises an alert about an account, for how long it must hold, what ends it, and whose it is.

    `condition` is a rule of the one language. The accounts for which it holds are the members of `watch`, an internal
    segment that also asks for one of the `segments`; the members of `clear_watch` are those for which `clear` holds.
    A rule that was deleted has no questions any more; the row stays for its alerts, which are kept.
    """

    class Refire(models.TextChoices):
        """When an account of which an alert has ended gets another one."""

        ENTRY = "entry", "When it begins again"
        LASTING = "lasting", "Also while it lasts, after the cool-down"
        NEVER = "never", "Never: once for an account"

    name = models.CharField(max_length=120)
    name_folded = FoldedField(of="name")
    message = models.CharField(
        max_length=500, blank=True, help_text="May name fields: {{ account.name }} has {{ account.mrr }}."
    )
    type = models.CharField(
        max_length=40, default="Risk", help_text="Onboarding, Renewal, Upselling, Risk, or your own."
    )
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.MEDIUM)
    active = models.BooleanField(default=True)
    segments = models.ManyToManyField(
        Segment, blank=True, related_name="+", help_text="Accounts of any of these; all accounts if none is chosen."
    )
    condition = models.JSONField(default=dict)
    clear = models.JSONField("clear condition", null=True, blank=True)
    hold_days = models.PositiveSmallIntegerField(
        default=0, help_text="Local days for which the condition must hold before an alert is opened."
    )
    cooldown_days = models.PositiveSmallIntegerField(
        default=0, help_text="Days after the end of an alert in which the account gets no other one."
    )
    refire = models.CharField(max_length=8, choices=Refire, default=Refire.ENTRY)
    include_existing = models.BooleanField(
        default=False, help_text="Also alert about accounts for which it holds already when the rule is saved."
    )
    role = models.ForeignKey(
        AssignmentRole, models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="The alert is given to whoever plays this part for the account.",
    )  # fmt: skip
    round_robin = models.ManyToManyField(
        TeamMember, blank=True, related_name="+", help_text="Else to these colleagues in turn."
    )
    fallback = models.ForeignKey(
        TeamMember, models.SET_NULL, null=True, blank=True, related_name="+", help_text="Else to this colleague."
    )
    turns = models.PositiveIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    watch = models.OneToOneField(Segment, models.PROTECT, null=True, editable=False, related_name="alert_rule")
    clear_watch = models.OneToOneField(
        Segment, models.SET_NULL, null=True, editable=False, related_name="cleared_alert_rule"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LivingRules()
    everything = models.Manager["AlertRule"]()

    class Meta:
        ordering = ("name_folded", "id")
        base_manager_name = "everything"
        constraints = [
            models.UniqueConstraint(
                fields=["name_folded"], condition=Q(deleted_at__isnull=True), name="alert_rule_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=False) | Q(watch__isnull=False), name="alert_rule_asks_something"
            ),
            models.CheckConstraint(condition=Q(hold_days__lte=365), name="alert_rule_holds_at_most_a_year"),
            models.CheckConstraint(condition=Q(cooldown_days__lte=365), name="alert_rule_cools_at_most_a_year"),
            models.CheckConstraint(
                condition=Q(severity__in=["critical", "high", "medium", "low"]), name="alert_rule_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(refire__in=["entry", "lasting", "never"]), name="alert_rule_refire_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AlertRuleVersion(SavedVersion):
    """A definition as somebody saved it: everything that decides whether an alert is opened or ended."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="versions", db_index=False)
    definition = models.JSONField()
    words = models.TextField(help_text="The condition in plain English, at the time.")

    class Meta(SavedVersion.Meta):
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="alert_rule_version_unique")]

    def __str__(self) -> str:
        return f"{self.rule}, version {self.number}"


class AlertQuerySet(models.QuerySet["Alert"]):
    """The ways in which alerts are read."""

    def open(self) -> Self:
        """Those that have not ended, snoozed or not."""
        return self.filter(ended_at__isnull=True)

    def waiting(self, today: dt.date) -> Self:
        """Those that are open and ask for somebody on a local day."""
        return self.open().exclude(Alert.is_snoozed(today))

    def snoozed(self, today: dt.date) -> Self:
        """Those that are open and sleep."""
        return self.open().filter(Alert.is_snoozed(today))

    def with_last_held(self) -> Self:
        """With `held_at`: when the condition of an open one was found to hold for the last time; None of one that has
        ended. It is read from the stay in the rule's watch, so that a day on which nothing changes writes nothing."""
        stays = AccountMembership.objects.filter(segment=OuterRef("rule__watch"), account=OuterRef("account"))
        looked = Greatest("entered_at", "segment__refreshed_at")
        held = stays.order_by("-entered_at", "-id").values_list(Coalesce("left_at", looked))[:1]
        return self.annotate(held_at=Case(When(ended_at__isnull=True, then=Subquery(held))))


class Alert(models.Model):
    """One episode: from the moment at which the condition had held long enough until it cleared or somebody closed it.

    `began_at` is when the condition began to hold, `opened_at` when the alert was opened, `why` the explanation of that
    moment; `proof` is the explanation of the moment at which it ended by itself.
    """

    class Ending(models.TextChoices):
        """How it ended."""

        CLEARED = "cleared", "Resolved by itself"
        CLOSED = "closed", "Closed"
        DEFINITION = "definition", "The rule was changed"
        DELETED = "deleted", "The rule was deleted"
        GONE = "gone", "The account was archived"

    class Outcome(models.TextChoices):
        """What whoever closed it says of it."""

        SUCCESS = "success", "Fixed"
        FAILURE = "failure", "Not fixed"
        FALSE_ALARM = "false", "False alarm"

    rule = models.ForeignKey(AlertRule, models.CASCADE, db_index=False, related_name="alerts")
    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="alerts")
    membership = models.ForeignKey(
        AccountMembership, models.SET_NULL, null=True, db_index=False, editable=False, related_name="+"
    )
    version = models.PositiveIntegerField()
    severity = models.CharField(max_length=8, choices=Severity)
    message = models.CharField(max_length=1_000, blank=True)
    why = models.JSONField(default=dict, editable=False)
    began_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    assignee = models.ForeignKey(TeamMember, models.SET_NULL, null=True, blank=True, related_name="alerts")
    snoozed_until = models.DateField("snoozed to the end of", null=True, blank=True)
    snoozed_till_worse = models.BooleanField(default=False)
    snoozed_score = models.DecimalField(max_digits=4, decimal_places=1, null=True, editable=False)
    snooze_reason = models.CharField(max_length=255, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=10, choices=Ending, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    proof = models.JSONField(default=dict, editable=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = [
            # Whatever runs at once or twice, an account has one open alert of a rule at most.
            models.UniqueConstraint(
                fields=["rule", "account"], condition=Q(ended_at__isnull=True), name="one_open_alert"
            ),
            models.CheckConstraint(condition=Q(opened_at__gte=F("began_at")), name="alert_opens_after_it_began"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("opened_at")), name="alert_ends_after_it_opened"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ending="") | (Q(ended_at__isnull=False) & ~Q(ending="")),
                name="alert_that_ended_says_how",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=["critical", "high", "medium", "low"]), name="alert_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(ending__in=["", "cleared", "closed", "definition", "deleted", "gone"]),
                name="alert_ending_known",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "success", "failure", "false"]), name="alert_outcome_known"
            ),
        ]
        indexes = [
            # The alerts of one account, and whether a rule had one of it before.
            models.Index(fields=["account", "-opened_at"], name="alerts_of_account"),
            # How often a rule fired, and what became of it.
            models.Index(fields=["rule", "-opened_at"], name="alerts_of_rule"),
            # The inbox.
            models.Index(fields=["-opened_at"], condition=Q(ended_at__isnull=True), name="open_alerts"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.account}"

    @staticmethod
    def is_snoozed(today: dt.date) -> Q:
        """Sleeping on a local day."""
        return Q(snoozed_until__gte=today) | Q(snoozed_till_worse=True)


class AlertEntry(models.Model):
    """Something that happened to an alert. Notifications and the timeline read these rows."""

    class Kind(models.TextChoices):
        """What happened."""

        OPENED = "opened", "Opened"
        ENDED = "ended", "Ended"
        REOPENED = "reopened", "Opened again"
        ASSIGNED = "assigned", "Assigned"
        COMMENT = "comment", "Comment"
        SNOOZED = "snoozed", "Snoozed"
        WOKE = "woke", "Woke up"
        OUTCOME = "outcome", "Outcome"

    alert = models.ForeignKey(Alert, models.CASCADE, db_index=False, related_name="entries")
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    text = models.CharField(max_length=2_000, blank=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "alert entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=["opened", "ended", "reopened", "assigned", "comment", "snoozed", "woke", "outcome"]
                ),
                name="alert_entry_kind_known",
            ),
        ]
        indexes = [
            # The log of one alert.
            models.Index(fields=["alert", "id"], name="entries_of_alert"),
            # What happened since a moment, for notifications and the timeline.
            models.Index(fields=["at"], name="alert_entries_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.alert}: {self.get_kind_display()}"
