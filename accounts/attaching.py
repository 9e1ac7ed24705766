"""Files on notes: checked by what is in them, kept under made-up names in the data folder, handed out as downloads.

Only documents and pictures that no browser runs are taken; a file whose content is not what its name says is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse
from django.utils.http import content_disposition_header
from django.utils.text import get_valid_filename

from accounts.models import Note, NoteFile
from core.intake import BadValue, clean_text, short

MOST = 5
_OFFICE = "application/vnd.openxmlformats-officedocument."


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False


def _holds(folder: str) -> Callable[[bytes], bool]:
    """An Office file is a zip with a certain folder; names are read, nothing is unpacked."""

    def check(data: bytes) -> bool:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, ValueError, OSError):
            return False
        return "[Content_Types].xml" in names and any(name.startswith(folder) for name in names)

    return check


# What is taken: the end of the name, the type it is handed out with, and what its content must be.
TAKEN: dict[str, tuple[str, Callable[[bytes], bool]]] = {
    "pdf": ("application/pdf", _begins(b"%PDF-")),
    "png": ("image/png", _begins(b"\x89PNG\r\n\x1a\n")),
    "jpg": ("image/jpeg", _begins(b"\xff\xd8\xff")),
    "jpeg": ("image/jpeg", _begins(b"\xff\xd8\xff")),
    "gif": ("image/gif", _begins(b"GIF87a", b"GIF89a")),
    "webp": ("image/webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP"),
    "txt": ("text/plain; charset=utf-8", _is_text),
    "md": ("text/plain; charset=utf-8", _is_text),
    "csv": ("text/csv; charset=utf-8", _is_text),
    "eml": ("text/plain; charset=utf-8", _is_text),
    "docx": (f"{_OFFICE}wordprocessingml.document", _holds("word/")),
    "xlsx": (f"{_OFFICE}spreadsheetml.sheet", _holds("xl/")),
    "pptx": (f"{_OFFICE}presentationml.presentation", _holds("ppt/")),
}


def check_files(files: Sequence[UploadedFile]) -> list[NoteFile]:
    """The files as rows that can be attached (unsaved). Raises BadValue with the name of one that is not taken."""
    if len(files) > MOST:
        raise BadValue(f"At most {MOST} files can be attached to a note; {len(files)} were chosen.")
    return [_checked(file) for file in files]


def _checked(file: UploadedFile) -> NoteFile:
    name = clean_text(PurePath((file.name or "").replace("\\", "/")).name, 400)
    shown, size = short(name), file.size or 0
    if size > settings.NOTE_FILE_BYTES:
        most = settings.NOTE_FILE_BYTES // 1_048_576
        raise BadValue(f"{shown} is larger than {most} MB. Attach a smaller file, or write down where it lies.")
    if not size:
        raise BadValue(f"{shown} is empty.")
    ending = PurePath(name).suffix.lower().removeprefix(".")
    if ending not in TAKEN:
        raise BadValue(f"{shown} is of a kind that is not taken. These are: {', '.join(sorted(TAKEN))}.")
    kind, fits = TAKEN[ending]
    data = file.read()
    file.seek(0)
    if not fits(data):
        raise BadValue(f"{shown} is not what its name says: its content is not that of a .{ending} file.")
    stem = PurePath(name).stem[: 118 - len(ending)]
    return NoteFile(file=file, name=f"{stem}.{ending}", type=kind, size=size)


def attach(note: Note, files: Sequence[NoteFile]) -> None:
    """Keep checked files with a note, in the transaction that writes it; files of a transaction that fails are removed
    again."""
    kept: list[str] = []
    try:
        for row in files:
            row.note = note
            row.save()
            kept.append(str(row.file.name))
    except BaseException:
        for name in kept:
            default_storage.delete(name)
        raise


def remove_files(rows: QuerySet[NoteFile]) -> int:
    """Delete rows at once, and their files once that is committed; how many."""
    found = list(rows.values_list("pk", "file"))
    NoteFile.objects.filter(pk__in=[pk for pk, _ in found]).delete()
    for _, name in found:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)
    return len(found)


def download_file(row: NoteFile) -> FileResponse:
    """The file as a download that no browser shows or runs. Raises FileNotFoundError if it is gone."""
    response: Any = FileResponse(row.file.open("rb"), content_type=row.type)
    response["Content-Length"] = str(row.size)
    response["Content-Disposition"] = content_disposition_header(True, get_valid_filename(row.name))
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store"
    return response
