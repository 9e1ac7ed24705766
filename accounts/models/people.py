"""The customers' people, and which of them belongs to which account."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models.account import Account
from accounts.models.traits import Attributed, NameKeyField
from core.models import Timestamped

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


class EndUser(Attributed, Timestamped):
    """A person who uses the product, in one account or in several. (A colleague is a `TeamMember`.)"""

    folded_columns: ClassVar[list[str]] = ["external_id", "name", "email", "title"]

    external_id = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=255, blank=True)
    name_folded = NameKeyField(of="name")
    email = models.CharField(max_length=255, blank=True)
    title = models.CharField(max_length=120, blank=True)
    first_seen_at = models.DateTimeField(null=True, blank=True)
    # Instants at which the user left every account at once (was deleted where the messages come from): they end also
    # belonging of which is heard later.
    departed = models.JSONField(null=True, editable=False)

    class Meta:
        ordering = ("name_folded", "id")
        verbose_name = "user"
        constraints = [models.CheckConstraint(condition=~Q(external_id=""), name="user_has_external_id")]
        indexes = [models.Index(fields=["name_folded", "id"], name="user_by_name")]

    def __str__(self) -> str:
        return self.name or self.email or self.external_id


class RelationshipQuerySet(models.QuerySet["Relationship"]):
    """Which relationships count."""

    def open(self) -> Self:
        """Those that have not ended: the only ones a rule sees."""
        return self.filter(ended_at__isnull=True)


class Relationship(Attributed, Timestamped):
    """A user's belonging to an account, with what is true of the person only there (role, relationship attributes)."""

    folded_columns: ClassVar[list[str]] = ["role"]

    account = models.ForeignKey(Account, models.CASCADE, related_name="relationships", db_index=False)
    user = models.ForeignKey(EndUser, models.CASCADE, related_name="relationships")
    role = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RelationshipQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = [
            # One open relationship per user and account; also what "the users of an account" is read by.
            models.UniqueConstraint(
                fields=["account", "user"], condition=Q(ended_at__isnull=True), name="one_open_relationship"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="relationship_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["account", "user", "started_at"], name="relationship_of_account")]

    def __str__(self) -> str:
        return f"{self.user} in {self.account}"


class UserInAccountQuerySet(models.QuerySet["UserInAccount"]):
    """Which of them count."""

    def live(self) -> Self:
        """All but those in archived accounts: the base of every segment of users."""
        return self.filter(account__archived_at__isnull=True)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The live ones whose account this person may see; users of no account where every account may be seen."""
        seen = Account.objects.visible_to(user)
        if seen.query.is_empty():
            return self.none()
        member = getattr(user, "member", None)
        if member is None or getattr(user, "is_superuser", False) or not member.is_restricted():
            return self.live()
        return self.filter(account__in=seen.order_by().values("pk"))


class UserInAccount(models.Model):
    """A user as a rule about users sees them: one row for each open relationship; without one, one row of no account.

    A view of the database, only to be read. `id` is that of the relationship, or the user's id with a minus.
    """

    user = models.ForeignKey(EndUser, models.DO_NOTHING, related_name="places")
    account = models.ForeignKey(Account, models.DO_NOTHING, null=True, related_name="people")
    role = models.CharField(max_length=120, null=True)  # noqa: DJ001 - the outer join leaves it empty
    attributes = models.JSONField(null=True)
    folded = models.JSONField(null=True)
    stamps = models.JSONField(null=True)
    started_at = models.DateTimeField(null=True)

    objects = UserInAccountQuerySet.as_manager()

    class Meta:
        managed = False
        ordering = ("id",)
        db_table = "accounts_user_in_account"

    def __str__(self) -> str:
        return f"{self.user} in {self.account or 'no account'}"
