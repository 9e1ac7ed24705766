"""Notes and touchpoints: what was said with a customer, and when."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from accounts.models.people import EndUser
from accounts.models.team import TeamMember
from core.models import Timestamped


class Note(Timestamped):
    """A note, or a touchpoint (a call, a meeting, an e-mail) with somebody of the account."""

    class Kind(models.TextChoices):
        """A note is ours alone; everything else touched the customer."""

        NOTE = "note", "Note"
        CALL = "call", "Call"
        MEETING = "meeting", "Meeting"
        EMAIL = "email", "E-mail"

    account = models.ForeignKey(Account, models.CASCADE, related_name="notes", db_index=False)
    user = models.ForeignKey(EndUser, models.SET_NULL, null=True, blank=True, related_name="notes")
    author = models.ForeignKey(TeamMember, models.SET_NULL, null=True, blank=True, related_name="notes")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.NOTE)
    text = models.TextField(max_length=10_000)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["note", "call", "meeting", "email"]), name="note_kind_known"
            )
        ]
        # The account page's newest notes; the field "last touchpoint".
        indexes = [models.Index(fields=["account", "-at"], name="note_of_account")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.at:%d %b %Y}: {self.text[:60]}"
