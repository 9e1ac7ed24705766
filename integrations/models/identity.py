"""Who is meant by an anonymous id or by an id that a user had before."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.models import EndUser
from core.models import Timestamped


class Identity(Timestamped):
    """Another id of a user: an anonymous id, or one that an alias call replaced.

    Until its user is known, `facts` keeps what was said about the person, the newest of each value; it is recorded
    with its own time once the user is known. While it is `behind`, some of its pending events are left to the
    background.
    """

    # Of several users the one who was first seen last.
    name = models.CharField(max_length=255, unique=True)
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, related_name="identities")
    former = models.BooleanField(
        default=False, help_text="An alias call gave it up: it means the user as a userId too."
    )
    linked_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=list)
    behind = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        ordering = ("name",)
        indexes = [models.Index(fields=["id"], condition=Q(behind=True), name="identity_behind")]
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return self.name


class VisitorLink(models.Model):
    """When a visitor whom several users were was first seen with one of them. With one user alone there is no such row:
    `Identity.linked_at` says it."""

    identity = models.ForeignKey(Identity, models.CASCADE, db_index=False, related_name="links")
    user = models.ForeignKey(EndUser, models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ("at", "id")
        constraints = [models.UniqueConstraint(fields=["identity", "user"], name="one_link_of_visitor_and_user")]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.at:%d %b %Y %H:%M}"


class UserMerge(models.Model):
    """That a user becomes part of another one: the background moves the events, then the former user goes."""

    old = models.OneToOneField(EndUser, models.CASCADE, related_name="+")
    into = models.ForeignKey(EndUser, models.CASCADE, related_name="+")
    source = models.CharField(max_length=80, help_text="The source that said so.")

    class Meta:
        ordering = ("id",)
        constraints = [models.CheckConstraint(condition=~Q(old=F("into")), name="user_merges_into_another")]

    def __str__(self) -> str:
        return f"{self.old_id} becomes {self.into_id}"


class PendingEvent(models.Model):
    """An event of a visitor, by its time, source and message id.

    Once the visitor has a user, the event gets that user, and another one if it turns out that the visitor was somebody
    else then; one of a `former` id has the user of the last alias. Before that the account of an event that named none
    (`inferred`) follows what the visitor says.
    """

    identity = models.ForeignKey(Identity, models.CASCADE, db_index=False, related_name="+")
    account_id = models.BigIntegerField(null=True, help_text="The account that the event has already.")
    user_id = models.BigIntegerField(null=True, help_text="The user whom the event was given.")
    inferred = models.BooleanField(default=False, help_text="The event named no account.")
    former = models.BooleanField(
        default=False, db_default=False, help_text="It named the id as a userId, which an alias call gave up."
    )
    at = models.DateTimeField()
    source = models.CharField(max_length=80)
    message_id = models.CharField(max_length=255)

    class Meta:
        ordering = ("id",)
        # The events of a visitor, in slices.
        indexes = [models.Index(fields=["identity", "id"], name="pending_of_identity")]

    def __str__(self) -> str:
        return self.message_id
