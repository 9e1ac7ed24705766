"""The messages of the last days as they came, and what became of each."""

from __future__ import annotations

from django.db import models

from integrations.models.source import Source


class Outcome(models.TextChoices):
    """What became of a message."""

    STORED = "stored", "Stored"
    NO_ACCOUNT = "no_account", "No account"
    DUPLICATE = "duplicate", "Duplicate"
    DROPPED = "dropped", "Dropped"
    FAILED = "failed", "Set aside"


class Message(models.Model):
    """One message of a source, for the event debugger. Written with what it caused, forgotten after some days.

    Ids are kept as they were sent. `reason` says why it was dropped, set aside or left without an account, or which of
    its traits were left out.
    """

    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="messages")
    received_at = models.DateTimeField()
    at = models.DateTimeField(null=True, help_text="The sender's time, corrected by its clock.")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=255, blank=True, help_text="The event, page or screen.")
    user_ref = models.CharField("user", max_length=255, blank=True)
    account_ref = models.CharField("account", max_length=255, blank=True)
    message_id = models.CharField(max_length=255)
    outcome = models.CharField(max_length=10, choices=Outcome)
    reason = models.TextField(blank=True)
    payload = models.TextField(help_text="The message in JSON as it came, at most 32 KiB of it.")

    class Meta:
        ordering = ("-id",)
        indexes = [
            # The newest messages of one source; all others are read backwards by the primary key.
            models.Index(fields=["source", "-id"], name="message_of_source"),
            # The few that were dropped or set aside, among the many that were not.
            models.Index(
                fields=["-id"], condition=models.Q(outcome__in=["dropped", "failed"]), name="message_not_taken"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"
