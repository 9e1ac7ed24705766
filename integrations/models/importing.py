"""Imports of files: what was uploaded or fetched, how it is read, how far it has come, and what it did to each row."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.models import Timestamped
from core.working import Worked


class ImportKind(models.TextChoices):
    """What the rows of a file are."""

    ACCOUNTS = "accounts", "Accounts"
    USERS = "users", "Users"
    RELATIONSHIPS = "relationships", "Relationships"
    SUBSCRIPTIONS = "subscriptions", "Subscriptions"
    EVENTS = "events", "Events"


class ScheduledImport(Timestamped):
    """A file that is fetched every day at a local time and imported with a mapping that was made once.

    `mapping` is that of an import that was done by hand. What was fetched last is known by its ETag, its time and its
    hash, so that a file that did not change is left alone. `secret` is its credential, sealed
    (`integrations.imports.credentials`); `credential` names one in the environment instead.
    """

    class State(models.TextChoices):
        """What became of the newest attempt."""

        NEW = "new", "Not run yet"
        FETCHED = "fetched", "Imported"
        SAME = "same", "Not changed"
        FAILED = "failed", "Failed"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=16, choices=ImportKind)
    mapping = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    url = models.CharField(max_length=2_000, help_text="https://… or s3://bucket/prefix")
    endpoint = models.CharField(
        max_length=300, blank=True, help_text="For a bucket: https://s3.eu-west-1.amazonaws.com"
    )
    region = models.CharField(max_length=60, blank=True)
    credential = models.CharField(max_length=40, blank=True, help_text="The name of a credential in the environment.")
    secret = models.TextField(blank=True, default="", db_default="", editable=False)
    secret_hint = models.CharField(max_length=12, blank=True, default="", db_default="", editable=False)
    at = models.TimeField(default=dt.time(4, 0), help_text="Local time.")
    only_if_changed = models.BooleanField(default=True)
    active = models.BooleanField(default=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    done_on = models.DateField(null=True, help_text="The local date whose fetch is finished.")
    fetched_at = models.DateTimeField(null=True)
    etag = models.CharField(max_length=300, blank=True)
    last_modified = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["accounts", "users", "relationships", "subscriptions", "events"]),
                name="scheduled_import_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["new", "fetched", "same", "failed"]), name="scheduled_import_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Import(Timestamped, Worked):
    """One file with one mapping. While `state` is running or undoing it waits, or works for whoever holds `claim`."""

    class State(models.TextChoices):
        """Where an import stands."""

        DRAFT = "draft", "Not started"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    WORKING: ClassVar[tuple[str, ...]] = (State.RUNNING, State.UNDOING)

    kind = models.CharField(max_length=16, choices=ImportKind)
    name = models.CharField(max_length=255, help_text="The file's name.")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    schedule = models.ForeignKey(ScheduledImport, models.SET_NULL, null=True, blank=True, related_name="imports")
    stored = models.CharField(max_length=40, blank=True, help_text="The file in the data folder; empty: deleted.")
    file_until = models.DateTimeField(null=True)
    digest = models.CharField(max_length=64)
    header: Any = models.JSONField(default=list)
    mapping: Any = models.JSONField(default=dict)
    options: Any = models.JSONField(default=dict)
    as_of = models.DateTimeField(null=True, help_text="When rows without a time of their own were true.")

    position = models.PositiveBigIntegerField(default=0, help_text="Rows of the file that are dealt with.")
    place = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    bad_rows = models.PositiveBigIntegerField(default=0)
    homeless = models.PositiveBigIntegerField(default=0)
    made: Any = models.JSONField(default=list, help_text="Custom attributes that were made for it.")
    undo_report: Any = models.JSONField(default=dict)

    cancel_asked = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["accounts", "users", "relationships", "subscriptions", "events"]),
                name="import_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "running", "done", "cancelled", "failed", "undoing", "undone"]),
                name="import_state_known",
            ),
        ]
        indexes = [
            # The tick's question: which imports wait or work.
            models.Index(fields=["next_attempt_at"], condition=Q(state__in=("running", "undoing")), name="import_due"),
            # Whose file has been kept long enough.
            models.Index(fields=["file_until"], condition=~Q(stored=""), name="import_file_until"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} from {self.name}"

    @property
    def source(self) -> str:
        """Where values of this import come from; events share one source, so that none is stored twice."""
        if self.kind == ImportKind.EVENTS:
            return "import"
        return f"import {self.schedule.name if self.schedule else self.name}"[:80]

    @property
    def good_rows(self) -> int:
        """Rows that were taken, or known already."""
        return max(0, self.rows - self.bad_rows)

    @property
    def percent(self) -> int:
        """How much of the file has been read, 0 to 100."""
        return min(100, self.place * 100 // self.size) if self.size else 0


class ImportReject(models.Model):
    """One reason for which a row of a file was not taken, with the row's own cells."""

    job = models.ForeignKey(Import, models.CASCADE, related_name="rejects", db_index=False)
    line = models.PositiveBigIntegerField()
    column = models.CharField(max_length=300, blank=True)
    reason = models.TextField()
    cells: Any = models.JSONField(default=list)

    class Meta:
        ordering = ("job", "line", "id")
        # The rejects of an import in the order of its lines.
        indexes = [models.Index(fields=["job", "line", "id"], name="reject_of_import")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class ImportedRow(models.Model):
    """What an import did to one row: made it, or changed values that are kept here as they were before.

    For events, what one batch stored: `before` holds when it was received and between which times its events lie.
    """

    job = models.ForeignKey(Import, models.CASCADE, related_name="touched", db_index=False)
    batch = models.PositiveIntegerField()
    subject = models.CharField(max_length=12)
    object_id = models.BigIntegerField(default=0)
    created = models.BooleanField(default=False)
    before: Any = models.JSONField(default=dict)

    class Meta:
        # Undoing goes backwards, batch by batch.
        indexes = [models.Index(fields=["job", "batch"], name="imported_row_of_batch")]

    def __str__(self) -> str:
        return f"{self.subject} {self.object_id}"
