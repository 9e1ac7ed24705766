"""Notes and touchpoints on the timeline."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.models import Account, Note, NoteFile
from core.clock import Moment
from web.timeline.entries import Entry, File, Source, Told

_ICONS = {"note": "note", "call": "phone", "meeting": "users", "email": "doc"}


def _notes(account: Account, now: Moment) -> QuerySet[Note]:
    rows = Note.objects.filter(account=account, kind=Note.Kind.NOTE).annotate(happened=F("at"))
    return rows.select_related("author", "user").prefetch_related("files")


def _touchpoints(account: Account, now: Moment) -> QuerySet[Note]:
    rows = Note.objects.filter(account=account).exclude(kind=Note.Kind.NOTE).annotate(happened=F("at"))
    return rows.select_related("author", "user").prefetch_related("files")


def _tell(notes: Sequence[Note], told: Told) -> list[Entry]:
    return [
        Entry(
            note.at, _ICONS.get(note.kind, "note"), _title(note), note.text, who=str(note.author or ""),
            files=tuple(_file(note, one) for one in note.files.all()),
        )
        for note in notes
    ]  # fmt: skip


def _file(note: Note, file: NoteFile) -> File:
    return File(file.name, file.size, reverse("note_file", args=[note.account_id, file.uid]))


def _title(note: Note) -> str:
    return str(note.get_kind_display()) + (f" with {note.user}" if note.user else "")


SOURCES = (Source("note", "notes", _notes, _tell), Source("touch", "touchpoints", _touchpoints, _tell))
