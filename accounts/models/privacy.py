"""What was erased and what was given out: a log without personal data, which also keeps an erased id out."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class DataSubject(models.TextChoices):
    """Whose data it is."""

    USER = "user", "User"
    ACCOUNT = "account", "Account"


class Erasure(models.Model):
    """That a user or an account was erased: who asked, when, how many rows of each kind went.

    `digest` is a keyed hash of the external id (`accounts.privacy.digests`). `external_id` is only there while the work
    lasts, so that it goes on after a crash, and is emptied by its last transaction. `removed` holds `{kind: rows}`.
    Until somebody lifts it, what comes in about the id is refused and counted. Another id of the same subject, which is
    kept out with it and lifted with it, is an erasure that is `other_of` this one.
    """

    class State(models.TextChoices):
        """How far it came."""

        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=DataSubject)
    digest = models.CharField(max_length=64)
    key_mark = models.CharField(max_length=8, help_text="Which key made the digest.")
    external_id = models.CharField(max_length=255, blank=True)
    requested_by = models.CharField(max_length=150, help_text="A log-in, or the command that was run.")
    requested_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    expected = models.PositiveBigIntegerField(default=0, help_text="Rows that were found when it began.")
    removed = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why the last attempt stopped; it is repeated.")
    refused = models.PositiveBigIntegerField(default=0, help_text="Messages about the id that came afterwards.")
    refused_at = models.DateTimeField(null=True, help_text="When the last of them came.")
    other_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="others", help_text="Of whom it is another id."
    )
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            # One erasure of an id is in force at a time; also what every message that comes in is checked with.
            models.UniqueConstraint(
                fields=["kind", "digest"], condition=Q(lifted_at__isnull=True), name="one_erasure_in_force"
            ),
            models.CheckConstraint(condition=Q(kind__in=DataSubject.values), name="erasure_kind_known"),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(external_id=""), name="erasure_forgets_the_id_when_done"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.digest[:12]}"

    @property
    def rows(self) -> int:
        """How many rows went."""
        return sum(self.removed.values())


class DataExport(models.Model):
    """That all that is held about a user or an account was put into a file: who asked, when, until when it is there.

    `external_id` is emptied when the file goes; the digest stays.
    """

    class State(models.TextChoices):
        """How far it came."""

        WAITING = "waiting", "Waiting"
        READY = "ready", "Ready"
        GONE = "gone", "Deleted"

    kind = models.CharField(max_length=8, choices=DataSubject)
    digest = models.CharField(max_length=64)
    external_id = models.CharField(max_length=255, blank=True)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    rows = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    downloads = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=DataSubject.values), name="export_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.digest[:12]}"


class ExportPart(models.Model):
    """A piece of an export's file. In the database, because pages and worker need not share a disk."""

    export = models.ForeignKey(DataExport, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["export", "number"], name="one_part_of_export")]

    def __str__(self) -> str:
        return f"{self.export_id}, part {self.number}"
