"""The files of imports: private, in the data folder, checked when they come, deleted after a stated time."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from core.intake import clean_text
from integrations.models import Import, ImportedRow, ImportReject, ScheduledImport
from integrations.sources.csv import Row
from integrations.sources.files import NotReadable
from integrations.sources.tables import open_table

SAMPLE = 500


def folder() -> Path:
    """Where the files are; nobody but the application's own user may look."""
    path: Path = settings.DATA_DIR / "imports"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def path_of(job: Import) -> Path:
    """The file of an import. Raises NotReadable if it was deleted."""
    if not job.stored or not (folder() / job.stored).is_file():
        raise NotReadable(f"{job.name} is not kept any more. Upload it again.")
    return folder() / job.stored


def sample_of(job: Import) -> tuple[list[str], list[list[str]]]:
    """The header and the first rows that can be read. Raises NotReadable."""
    path = path_of(job)
    try:
        with closing(open_table(path, job.options.get("encoding"), settings.IMPORT_UNPACKED_BYTES)) as table:
            rows = [item.cells for item in islice(table, SAMPLE) if isinstance(item, Row)]
            return table.header, rows
    except NotReadable as error:
        raise NotReadable(by_name(str(error), path, job.name)) from error


def by_name(text: str, path: Path, name: str) -> str:
    """A message that calls the file by the name that its owner knows."""
    return text.replace(str(path), name).replace(path.name, name)


def store(
    chunks: Iterable[bytes],
    *,
    kind: str,
    name: str,
    author: Any = None,
    schedule: ScheduledImport | None = None,
    options: dict[str, Any] | None = None,
) -> Import:
    """Keep a file as a draft of an import. Raises NotReadable, and keeps nothing, if no table can be read from it."""
    name = clean_text(Path(name.replace("\\", "/").replace("\x00", "")).name, 10_000)[-255:] or "file"
    job = Import(kind=kind, name=name, author=author, schedule=schedule, options=options or {})
    job.stored = uuid.uuid4().hex
    job.file_until = timezone.now() + dt.timedelta(days=settings.IMPORT_DAYS)
    path = folder() / job.stored
    try:
        job.digest, job.size = _write(path, chunks)
        job.header, rows = sample_of(job)
        if not rows and not _has_rows(path, job):
            raise NotReadable(f"{name} has a header and no rows. Nothing would be imported.")
        job.save()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return job


def _has_rows(path: Path, job: Import) -> bool:
    with closing(open_table(path, job.options.get("encoding"), settings.IMPORT_UNPACKED_BYTES)) as table:
        return next(iter(table), None) is not None


def _write(path: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > settings.IMPORT_BYTES:
                most = f"{settings.IMPORT_BYTES // 1024**2:,} MB"
                raise NotReadable(f"The file is larger than {most}. Split it, or compress it with gzip.")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def forget_old_files(now: dt.datetime | None = None) -> int:
    """Delete files whose time is up, with what undoing needs and the rejected rows; how many files.

    A file that is being worked on stays until that is done. Files that no import knows (a process ended between the two
    steps) go after a day.
    """
    now = now or timezone.now()
    due = Import.objects.exclude(stored="").filter(file_until__lt=now).exclude(state__in=Import.WORKING)
    count = 0
    for job in due.order_by("pk")[:500]:
        (folder() / job.stored).unlink(missing_ok=True)
        ImportedRow.objects.filter(job=job).delete()
        ImportReject.objects.filter(job=job).delete()
        Import.objects.filter(pk=job.pk).update(stored="")
        if job.state == Import.State.DRAFT:
            job.delete()
        count += 1
    known = set(Import.objects.exclude(stored="").values_list("stored", flat=True))
    day_ago = (now - dt.timedelta(days=1)).timestamp()
    for path in folder().iterdir():
        if path.is_file() and path.name not in known and path.stat().st_mtime < day_ago:
            path.unlink(missing_ok=True)
    return count


def discard(job: Import) -> None:
    """Throw a draft away."""
    (folder() / job.stored).unlink(missing_ok=True)
    job.delete()
