"""What hangs on a note: colleagues whom it names, and files."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from accounts.models.note import Note
from accounts.models.team import TeamMember


class Mention(models.Model):
    """A colleague whom a note names with an @. Written with the note; whoever tells them sets `told_at`."""

    note = models.ForeignKey(Note, models.CASCADE, db_index=False, related_name="mentions")
    member = models.ForeignKey(TeamMember, models.CASCADE, related_name="mentions")
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["note", "member"], name="one_mention_of_note_and_member")]
        # Those that nobody was told of yet.
        indexes = [models.Index(fields=["id"], condition=Q(told_at__isnull=True), name="mentions_untold")]

    def __str__(self) -> str:
        return f"{self.member} in {self.note_id}"


def place_of(attachment: NoteFile, name: str) -> str:
    """A made-up name below a folder of notes: what a file is called decides nothing about where it lies."""
    return f"notes/{attachment.uid.hex[:2]}/{attachment.uid.hex}"


class NoteFile(models.Model):
    """A file that hangs on a note. `name` is what it was called, `type` what its content is."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    note = models.ForeignKey(Note, models.CASCADE, related_name="files")
    file = models.FileField(upload_to=place_of, max_length=120)
    name = models.CharField(max_length=120)
    type = models.CharField(max_length=80)
    size = models.PositiveIntegerField(help_text="Bytes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        constraints = [models.CheckConstraint(condition=Q(size__gt=0), name="note_file_is_not_empty")]

    def __str__(self) -> str:
        return self.name
