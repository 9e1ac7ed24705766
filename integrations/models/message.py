"""The messages of the last days as they came, and what became of each."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import HashIndex
from django.db import models

from integrations.models.source import Source

SAME_AGAIN = "A message with this messageId was taken before."
OTHER_CONTENT = (
    "A message with this messageId and other content was taken before; this one was left out. Give each message an id "
    "of its own."
)


class Outcome(models.TextChoices):
    """What became of a message."""

    STORED = "stored", "Stored"
    NO_ACCOUNT = "no_account", "No account"
    DUPLICATE = "duplicate", "Duplicate"
    DROPPED = "dropped", "Dropped"
    FAILED = "failed", "Set aside"

    @classmethod
    def taken(cls) -> tuple[Outcome, ...]:
        """Those of messages whose id counts as used."""
        return (cls.STORED, cls.NO_ACCOUNT, cls.FAILED)


class Message(models.Model):
    """One message of a source, for the event debugger. Written with what it caused, forgotten after some days.

    Ids are kept as they were sent; an account that the sender did not name was filled in (`inferred`) when the event
    came, and the event has followed its user's or visitor's periods of belonging since. `reason` says why it was
    dropped, set aside or left without an account, or which of its traits were left out. `said` is set while it is set
    aside: what was read from it, to be recorded once more.
    """

    NOTABLE: ClassVar[tuple[str, ...]] = (Outcome.DROPPED, Outcome.FAILED, Outcome.NO_ACCOUNT)

    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="messages")
    received_at = models.DateTimeField()
    at = models.DateTimeField(null=True, help_text="The sender's time, corrected by its clock.")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=255, blank=True, help_text="The event, page or screen.")
    user_ref = models.CharField("user", max_length=255, blank=True)
    account_ref = models.CharField("account", max_length=255, blank=True)
    inferred = models.BooleanField(
        default=False, db_default=False, help_text="The sender named no account; the person’s own was filled in."
    )
    message_id = models.CharField(max_length=255)
    outcome = models.CharField(max_length=10, choices=Outcome)
    reason = models.TextField(blank=True)
    payload = models.TextField(help_text="The message in JSON as it came, at most 32 KiB of it.")
    # Text, because it may be what the database refuses as JSON that brought the message here.
    said = models.TextField(blank=True, default="", db_default="", editable=False)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["stored", "no_account", "duplicate", "dropped", "failed"]),
                name="message_outcome_known",
            ),
        ]
        indexes = [
            # The newest messages of one source; all others are read backwards by the primary key.
            models.Index(fields=["source", "-id"], name="message_of_source"),
            # The few that were dropped or set aside, among the many that were not.
            models.Index(
                fields=["-id"], condition=models.Q(outcome__in=["dropped", "failed"]), name="message_not_taken"
            ),
            # The first message of an id, when another comes with the same; small, because every message is in it.
            HashIndex(fields=["message_id"], name="message_of_id"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"

    @property
    def is_notable(self) -> bool:
        """Whether somebody should look at it."""
        return self.outcome in self.NOTABLE or self.is_other_content

    @property
    def is_other_content(self) -> bool:
        """Whether it repeats the id of a message that said something else."""
        return self.outcome == Outcome.DUPLICATE and self.reason == OTHER_CONTENT
