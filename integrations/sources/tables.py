"""Opening whatever table somebody sent: CSV (also gzip) or Excel, told apart by its first bytes, not by its name."""

from __future__ import annotations

from pathlib import Path

from integrations.sources.csv import Table
from integrations.sources.xlsx import Sheet, is_workbook


def open_table(path: Path, encoding: str | None = None, unpacked: int | None = None) -> Table | Sheet:
    """A file to iterate over for its rows; `unpacked` bounds the bytes that a gzip file may grow to.

    Raises NotReadable, also while iterating if the bound is passed.
    """
    return Sheet(path) if is_workbook(path) else Table(path, encoding, unpacked)
