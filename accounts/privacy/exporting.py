"""All that is held about one user or one account, as a zip: a page to read, and CSV and JSON of every kind of rows.

Written a row at a time, into the database in pieces of a megabyte, so that pages and worker need not share a disk and
no file is ever held in memory.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models.privacy import DataExport, ExportPart
from accounts.privacy.digests import digest
from accounts.privacy.erasing import NothingHeld
from accounts.privacy.holdings import Holding, Subject, counted, find_subject, holdings
from core.download import cell
from core.intake import clean_id
from core.jobs import enqueue

KEPT = dt.timedelta(days=7)
PART = 1024 * 1024
AT_ONCE = 5_000  # rows up to which a file is made while its asker waits
SHOWN = 100
TASK = "accounts.tasks.make_exports"
State = DataExport.State


class Sink(Protocol):
    """What a zip can be written to."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""

    def flush(self) -> None:
        """Nothing is held back on purpose."""


@dataclass
class Kind:
    """A kind of rows as the page of an export shows it; only the first are on the page."""

    label: str
    key: str
    head: list[str]
    number: int
    first: list[list[Any]]


def write_zip(subject: Subject, out: Sink | IO[bytes], *, now: dt.datetime) -> int:
    """Write the file; returns how many rows it holds."""
    kinds: list[Kind] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for item in holdings(subject.kind):
            if item.columns:
                kind = _write_kind(archive, item, subject)
                kinds += [kind] if kind.number else []
        context = {"subject": subject, "kinds": kinds, "now": now}
        archive.writestr("index.html", render_to_string("privacy/export.html", context))
    return sum(kind.number for kind in kinds)


def _write_kind(archive: zipfile.ZipFile, item: Holding, subject: Subject) -> Kind:
    head = list(item.columns or {})
    kind = Kind(item.label, item.key, head, 0, [])
    rows: Any = item.find[subject.kind](subject)
    rows = rows.order_by("pk")
    if not rows.exists():
        return kind
    with archive.open(f"{item.key}.csv", "w", force_zip64=True) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        text.write("\ufeff")
        writer = csv.writer(text)
        writer.writerow(head)
        for row in _values(rows, item):
            line = [cell(value) if not isinstance(value, dict) else json.dumps(value) for value in row]
            writer.writerow(line)
            if len(kind.first) < SHOWN:
                kind.first.append(line)
            kind.number += 1
        text.detach()
    with archive.open(f"{item.key}.json", "w", force_zip64=True) as file:
        before = "[\n"
        for row in _values(rows, item):
            made = json.dumps(dict(zip(head, row, strict=True)), default=_plain, ensure_ascii=False)
            file.write(f"{before}{made}".encode())
            before = ",\n"
        file.write(b"\n]\n")
    return kind


def _values(rows: Any, item: Holding) -> Iterator[tuple[Any, ...]]:
    yield from rows.values_list(*(item.columns or {}).values()).iterator(2_000)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)


def request_export(kind: str, external_id: str, *, by: str) -> DataExport:
    """Ask for the file; a small one is there at once. Raises NothingHeld, and BadValue for what cannot be an id."""
    external_id = clean_id(external_id)
    rows = sum(number for _, number in counted(find_subject(kind, external_id)))
    if not rows:
        raise NothingHeld(f"Nothing is held about a {kind} with this id.")
    made = DataExport.objects.create(
        kind=kind, digest=digest(kind, external_id), external_id=external_id, requested_by=by[:150], rows=rows
    )
    if rows <= AT_ONCE:
        make_export(made)
    else:
        enqueue(TASK)
    return made


def make_exports() -> None:
    """Make every file that is waited for; one that fails says why and is tried again."""
    for export in DataExport.objects.filter(state=State.WAITING).order_by("pk"):
        try:
            make_export(export)
        except Exception as error:
            DataExport.objects.filter(pk=export.pk).update(error=(str(error) or repr(error)).splitlines()[0][:500])
            raise


@transaction.atomic
def make_export(export: DataExport) -> None:
    """Make one file, whole or not at all."""
    row = DataExport.objects.select_for_update().get(pk=export.pk)
    if row.state == State.WAITING:
        sink, now = _Parts(row), timezone.now()
        row.rows = write_zip(find_subject(row.kind, row.external_id), sink, now=now)
        sink.close()
        row.size, row.state, row.error = sink.size, State.READY, ""
        row.ready_at, row.expires_at = now, now + KEPT
        row.save()
    export.refresh_from_db()


class _Parts:
    """Takes bytes and keeps them in rows of a megabyte."""

    def __init__(self, export: DataExport) -> None:
        self.export, self.size, self.number, self.held = export, 0, 0, bytearray()

    def write(self, data: bytes, /) -> int:
        self.held += data
        self.size += len(data)
        while len(self.held) >= PART:
            self._keep(bytes(self.held[:PART]))
            del self.held[:PART]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back on purpose."""

    def close(self) -> None:
        """Keep the rest."""
        if self.held:
            self._keep(bytes(self.held))

    def _keep(self, data: bytes) -> None:
        ExportPart.objects.create(export=self.export, number=self.number, data=data)
        self.number += 1


def read_export(export: DataExport) -> Iterator[bytes]:
    """The file in pieces."""
    for part in export.parts.order_by("number").iterator(1):
        yield bytes(part.data)


def drop_old_exports(now: dt.datetime) -> int:
    """Delete the files whose time is over, with the ids of whom they were about; how many."""
    old = list(DataExport.objects.filter(state=State.READY, expires_at__lte=now).values_list("pk", flat=True))
    ExportPart.objects.filter(export__in=old).delete()
    return DataExport.objects.filter(pk__in=old).update(state=State.GONE, external_id="")


def waiting_exports() -> bool:
    """Whether a file is waited for."""
    return DataExport.objects.filter(state=State.WAITING).exists()
