"""Our own side: who works here, in which team, and who looks after which account."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models.account import Account, Term
from accounts.models.traits import FoldedField
from core.models import Workspace


class Team(models.Model):
    """A group of colleagues."""

    name = models.CharField(max_length=120, unique=True)
    name_folded = FoldedField(of="name")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """A colleague: the person's log-in, what they may do, and how they like their pages."""

    class Access(models.TextChoices):
        """What a colleague may do (CustomerSuccessBox's team profiles)."""

        ADMIN = "admin", "Administrator"
        MANAGER = "manager", "Manager"
        CSM = "csm", "Customer success manager"
        VIEWER = "viewer", "Viewer"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="member")
    key = models.SlugField(max_length=80, unique=True, help_text="Names this person in rules and files.")
    name = models.CharField(max_length=120)
    team = models.ForeignKey(Team, models.SET_NULL, null=True, blank=True, related_name="members")
    access = models.CharField(max_length=8, choices=Access, default=Access.CSM)
    preferences = models.JSONField(default=dict, blank=True, help_text="Theme, density, columns, shortcuts.")

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(access__in=["admin", "manager", "csm", "viewer"]), name="member_access_known"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def may_edit_segments(self) -> bool:
        """Adding and changing segments is for administrators and managers; reading them is for everybody."""
        return self.access in (self.Access.ADMIN, self.Access.MANAGER)

    def is_restricted(self, workspace: Workspace | None = None) -> bool:
        """True if this person sees own and unassigned accounts only; the `workspace` is read where it is not given."""
        if self.access not in (self.Access.CSM, self.Access.VIEWER):
            return False
        return (workspace or Workspace.get()).csm_reach == Workspace.Reach.OWN


class AssignmentRole(Term):
    """A part that a colleague plays for an account: CSM, Onboarding manager, Account manager, ..."""


class Assignment(models.Model):
    """A colleague's part in an account, now or in the past."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="assignments", db_index=False)
    member = models.ForeignKey(TeamMember, models.PROTECT, related_name="assignments")
    role = models.ForeignKey(AssignmentRole, models.PROTECT, db_column="role", db_index=False)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            # One colleague per part at a time; also what "the CSM of an account" is read by.
            models.UniqueConstraint(
                fields=["account", "role"], condition=Q(ended_at__isnull=True), name="one_open_assignment_per_role"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="assignment_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member}, {self.role_id} of {self.account}"
