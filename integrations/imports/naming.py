"""Which of the kept files name a person or an account, and which ids stand in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from accounts.privacy.holdings import Subject
from accounts.privacy.mentions import is_named
from integrations.imports.storing import folder
from integrations.models import Import
from integrations.sources.files import NotReadable
from integrations.sources.tables import open_table


def imports_naming(subject: Subject) -> list[int]:
    """The imports whose file is still there and names the subject."""
    return [pk for pk, path, encoding in _kept() if _names(path, encoding, subject)]


def cells_kept() -> Iterator[str]:
    """Every text of every kept file that can be read and is short enough for an id."""
    for _, path, encoding in _kept():
        try:
            yield from (cell.strip() for cell in _cells(path, encoding) if len(cell) <= 255)
        except NotReadable:
            continue


def _kept() -> Iterator[tuple[int, Path, str | None]]:
    for pk, stored, options in Import.objects.exclude(stored="").order_by("pk").values_list("pk", "stored", "options"):
        path = folder() / stored
        if path.is_file():
            yield pk, path, options.get("encoding")


@lru_cache(maxsize=10_000)
def _names(path: Path, encoding: str | None, subject: Subject) -> bool:
    """A file never changes, so that it is looked through once; one that cannot be read to its end may name anybody."""
    try:
        return any(is_named(subject, cell) for cell in _cells(path, encoding))
    except NotReadable:
        return True


def _cells(path: Path, encoding: str | None) -> Iterator[str]:
    with closing(open_table(path, encoding, settings.IMPORT_UNPACKED_BYTES)) as table:
        yield from table.header
        for row in table:
            yield from row.cells
