"""Milestones with their versions, how far each account has come with each, and every change of that."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from accounts.models.traits import FoldedField
from core.models import Timestamped
from core.versions import SavedVersion
from segments.models import Segment


class State(models.TextChoices):
    """How far an account has come with a milestone."""

    PENDING = "pending", "Pending"
    OVERDUE = "overdue", "Overdue"
    REACHED = "reached", "Reached"
    LOST = "lost", "Lost"
    OUT = "out", "Not aimed at"


WAITING = (State.PENDING, State.OVERDUE, State.LOST)


class Milestone(Timestamped):
    """Something that accounts are to reach: a rule of the one language, for the accounts of some segments or for all.

    The accounts for which `condition` holds are the members of `watch`, an internal segment. Whom the milestone aims at
    is not part of that rule, so that an account which leaves the target has lost nothing. `expected_days` are counted
    from `start`: the account's own start, its first subscription's, or the date field of the key `start_field`.
    """

    class Start(models.TextChoices):
        """What the expected days are counted from."""

        ACCOUNT = "account", "The start of the account"
        SUBSCRIPTION = "subscription", "The start of its first subscription"
        FIELD = "field", "A date of the account"

    key = models.SlugField(max_length=60, unique=True, help_text="Names the milestone in fields, links and the API.")
    name = models.CharField(max_length=80)
    name_folded = FoldedField(of="name")
    description = models.CharField(max_length=500, blank=True)
    position = models.PositiveIntegerField(default=0)
    segments = models.ManyToManyField(
        Segment, blank=True, related_name="+", help_text="Accounts of any of these; all accounts if none is chosen."
    )
    condition = models.JSONField(default=dict)
    start = models.CharField("expected days count from", max_length=12, choices=Start, default=Start.ACCOUNT)
    start_field = models.CharField(max_length=120, blank=True, help_text="The key of a date field of the account.")
    expected_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Local days; an account that needs longer is overdue. Empty: never overdue."
    )
    sticky = models.BooleanField(
        default=True, help_text="Once reached, it stays reached. Otherwise it is lost when the condition ends."
    )
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=0, editable=False)
    live_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="The version by which accounts were last looked at."
    )
    searched_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="The version for which the past was searched."
    )
    known_from = models.DateField(
        null=True, editable=False, help_text="The first day of the past that was searched; nothing is known of before."
    )
    looked_at = models.DateTimeField(
        null=True, editable=False, help_text="The newest moment as of which every account was looked at."
    )
    watch = models.OneToOneField(Segment, models.PROTECT, editable=False, related_name="milestone")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("position", "id")
        constraints = [
            models.UniqueConstraint(fields=["name_folded"], name="milestone_name_unique"),
            models.CheckConstraint(
                condition=Q(expected_days__isnull=True) | Q(expected_days__lte=3_650),
                name="milestone_days_at_most_ten_years",
            ),
            models.CheckConstraint(
                condition=Q(start="field") & ~Q(start_field="") | ~Q(start="field") & Q(start_field=""),
                name="milestone_names_its_date",
            ),
            models.CheckConstraint(
                condition=Q(start__in=["account", "subscription", "field"]), name="milestone_start_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MilestoneVersion(SavedVersion):
    """A definition as somebody saved it: everything that decides what accounts have reached and when they are late."""

    milestone = models.ForeignKey(Milestone, models.CASCADE, related_name="versions", db_index=False)
    definition = models.JSONField()
    words = models.TextField(help_text="The condition in plain English, at the time.")

    class Meta(SavedVersion.Meta):
        constraints = [models.UniqueConstraint(fields=["milestone", "number"], name="milestone_version_unique")]

    def __str__(self) -> str:
        return f"{self.milestone}, version {self.number}"


class AccountMilestoneQuerySet(models.QuerySet["AccountMilestone"]):
    """The ways in which progress is read."""

    def of_active(self) -> Self:
        """With milestones that are switched on."""
        return self.filter(milestone__active=True)

    def waiting(self) -> Self:
        """Aimed at, and not reached or lost again."""
        return self.filter(state__in=WAITING)


class AccountMilestone(models.Model):
    """How far one account has come with one milestone.

    `since` is when the state began, `aimed` whether the milestone aims at the account now; stays among its question's
    members that ended before `seen_from` do not count. `starts_on` is the day from which expected days are counted,
    `due_on` the last day in time. `reached_at` is when it was reached the first time, `won_at` the last time, `lost_at`
    when it was lost last. `dated` is False where it held already when csbox first looked, so that the day is only an
    upper bound. What a person has set (`by_hand`) no rule changes; after a reset only what begins later than `reset_at`
    counts.
    """

    milestone = models.ForeignKey(Milestone, models.CASCADE, related_name="progress", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="milestones", db_index=False)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    since = models.DateTimeField()
    aimed = models.BooleanField(default=True)
    seen_from = models.DateTimeField()
    starts_on = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    won_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    reset_at = models.DateTimeField(null=True, blank=True)
    dated = models.BooleanField(default=True)
    by_hand = models.BooleanField(default=False)

    objects = AccountMilestoneQuerySet.as_manager()

    class Meta:
        ordering = ("milestone__position", "milestone_id")
        constraints = [
            # Whatever runs at once or twice, an account has one state with a milestone. Also the way to its rows.
            models.UniqueConstraint(fields=["account", "milestone"], name="one_state_of_account_and_milestone"),
            models.CheckConstraint(
                condition=~Q(state__in=["reached", "lost"]) | Q(reached_at__isnull=False, won_at__isnull=False),
                name="milestone_reached_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["pending", "overdue"]) | Q(won_at__isnull=True, reached_at__isnull=True),
                name="milestone_waited_for_was_not_reached",
            ),
            models.CheckConstraint(
                condition=Q(won_at__isnull=True) | Q(won_at__gte=F("reached_at")), name="milestone_won_after_reached"
            ),
            models.CheckConstraint(
                condition=~Q(state="lost") | Q(lost_at__isnull=False, lost_at__gte=F("won_at")),
                name="milestone_lost_after_won",
            ),
            models.CheckConstraint(
                condition=~Q(state="reached") | Q(lost_at__isnull=True) | Q(won_at__gte=F("lost_at")),
                name="milestone_won_again_after_lost",
            ),
            models.CheckConstraint(
                condition=~Q(state="overdue") | Q(due_on__isnull=False), name="milestone_overdue_has_a_due_day"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "overdue", "reached", "lost", "out"]),
                name="milestone_progress_state_known",
            ),
        ]
        indexes = [
            # The board, the funnel and the fields' counts: by milestone and state, longest first.
            models.Index(fields=["milestone", "state", "since"], name="progress_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.milestone}, {self.account}: {self.get_state_display()}"


class MilestoneChange(models.Model):
    """One change of an account's state with a milestone. The timeline, playbooks and notifications read these rows."""

    class Kind(models.TextChoices):
        """What happened."""

        REACHED = "reached", "Reached"
        REWON = "rewon", "Won again"
        LOST = "lost", "Lost"
        OVERDUE = "overdue", "Overdue"
        IN_TIME = "in_time", "In time again"
        RESET = "reset", "Reset"
        OUT = "out", "No longer aimed at"
        BACK = "back", "Aimed at again"

    class Origin(models.TextChoices):
        """Whose doing it was. Only RULE is the customer's."""

        RULE = "rule", "The account"
        DEFINITION = "definition", "The definition"
        HAND = "hand", "By hand"

    milestone = models.ForeignKey(Milestone, models.CASCADE, related_name="changes", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="milestone_changes", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    before = models.CharField(max_length=8, choices=State, blank=True)
    after = models.CharField(max_length=8, choices=State)
    at = models.DateTimeField(help_text="When it happened, as far as that is known.")
    noted_at = models.DateTimeField(help_text="When it was found.")
    dated = models.BooleanField(default=True)
    origin = models.CharField(max_length=10, choices=Origin)
    version = models.PositiveIntegerField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(condition=~Q(origin="hand") | ~Q(reason=""), name="milestone_set_by_hand_says_why"),
            models.CheckConstraint(
                condition=Q(kind__in=["reached", "rewon", "lost", "overdue", "in_time", "reset", "out", "back"]),
                name="milestone_change_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(before__in=["", "pending", "overdue", "reached", "lost", "out"]),
                name="milestone_change_before_known",
            ),
            models.CheckConstraint(
                condition=Q(after__in=["pending", "overdue", "reached", "lost", "out"]),
                name="milestone_change_after_known",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=["rule", "definition", "hand"]), name="milestone_change_origin_known"
            ),
        ]
        indexes = [
            # What happened to one account.
            models.Index(fields=["account", "-at"], name="milestones_of_account"),
            # What became of one milestone, and what was found since a moment.
            models.Index(fields=["milestone", "noted_at"], name="changes_of_milestone"),
        ]

    def __str__(self) -> str:
        return f"{self.milestone}, {self.account}: {self.get_kind_display()}"
