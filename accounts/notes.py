"""Writing, changing and removing notes: rules ask when an account was last spoken to, so it is evaluated again."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Note
from accounts.touching import touch


@transaction.atomic
def write_note(**values: Any) -> Note:
    """A new note with these columns."""
    note: Note = Note.objects.create(**values)
    touch([note.account_id])
    return note


@transaction.atomic
def save_note(note: Note) -> None:
    """A note as it is in memory; one that moves to another account is missed by the one before."""
    before = Note.objects.filter(pk=note.pk).values_list("account_id", flat=True)
    touch([note.account_id, *before])
    note.save()


@transaction.atomic
def remove_notes(notes: QuerySet[Note]) -> int:
    """Delete these notes; how many there were."""
    touch(notes.order_by().values_list("account_id", flat=True))
    return notes.delete()[0]
