"""Who is meant by an anonymous id or by an id that a user had before."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import EndUser
from core.models import Timestamped


class Identity(Timestamped):
    """Another id of a user: an anonymous id, or one that an alias call replaced.

    Until its user is known, `facts` keeps what was said about the person, in the order of arrival; it is recorded with
    its own time once the user is known.
    """

    name = models.CharField(max_length=255, unique=True)
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, related_name="identities")
    former = models.BooleanField(
        default=False, help_text="An alias call gave it up: it means the user as a userId too."
    )
    linked_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=list)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return self.name


class PendingEvent(models.Model):
    """An event that was stored without its user or its account, by its time, source and message id.

    Once the anonymous visitor has a user, or the user a first account, the event gets them and this row goes.
    """

    identity = models.ForeignKey(Identity, models.CASCADE, null=True, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, db_index=False, related_name="+")
    account_id = models.BigIntegerField(null=True, help_text="The account that the event has already.")
    at = models.DateTimeField()
    source = models.CharField(max_length=80)
    message_id = models.CharField(max_length=255)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(identity__isnull=False) | Q(user__isnull=False), name="pending_event_of_somebody"
            ),
        ]
        indexes = [
            # The events of a visitor who has logged in, and of a user who has joined an account.
            models.Index(fields=["identity"], condition=Q(identity__isnull=False), name="pending_of_identity"),
            models.Index(fields=["user"], condition=Q(user__isnull=False), name="pending_of_user"),
        ]

    def __str__(self) -> str:
        return self.message_id
