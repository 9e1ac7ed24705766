"""Writing, changing and removing notes: rules ask when an account was last spoken to, so it is evaluated again.

Whom a note names with an @ is kept with it, to be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.attaching import attach, remove_files
from accounts.mentions import keep_mentions
from accounts.models import Note, NoteFile
from accounts.touching import touch


@transaction.atomic
def write_note(*, files: Sequence[NoteFile] = (), **values: Any) -> Note:
    """A new note with these columns, and files that were checked."""
    note: Note = Note.objects.create(**values)
    touch([note.account_id])
    keep_mentions(note)
    attach(note, files)
    return note


@transaction.atomic
def save_note(note: Note) -> None:
    """A note as it is in memory; one that moves to another account is missed by the one before."""
    before = Note.objects.filter(pk=note.pk).values_list("account_id", flat=True)
    touch([note.account_id, *before])
    note.save()
    keep_mentions(note)


@transaction.atomic
def remove_notes(notes: QuerySet[Note]) -> int:
    """Delete these notes; how many there were."""
    touch(notes.order_by().values_list("account_id", flat=True))
    remove_files(NoteFile.objects.filter(note__in=notes.order_by().values("pk")))
    return notes.delete()[0]
