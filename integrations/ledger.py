"""What a load keeps account of: counts, bad rows, keys met, and what each batch did.

A `Ledger` is told about every batch inside the batch's own transaction. The plain one keeps nothing; the one of imports
stores how far it has come, so that a load that was interrupted goes on and does nothing twice.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts.facts import Outcome
from usage.store import Appended


@dataclass
class Summary:
    """What became of a file's rows; `unknown` are the columns that nobody knows."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad_rows: int = 0
    homeless: int = 0
    stopped: bool = False
    unknown: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    first_problems: list[str] = field(default_factory=list)

    @property
    def good_rows(self) -> int:
        """The rows that were taken or were known already."""
        return self.rows - self.bad_rows


@dataclass
class Progress:
    """How far a load has come: bytes of the file (rows, of a sheet), rows, and bad rows so far."""

    place: int
    size: int
    rows: int
    bad: int


class Ledger:
    """Keeps nothing. `position` counts the rows of the file, bad ones included, that were dealt with before."""

    position = 0

    def __init__(self) -> None:
        self.summary = Summary()

    def alive(self) -> None:
        """Rows of an earlier attempt are being passed over, which may take a while."""

    def begin(self) -> None:
        """A batch begins; everything until `end` is one transaction."""

    def facts(self, kind: str, facts: Sequence[Any], lines: Sequence[int]) -> None:
        """These facts are about to be recorded."""

    def recorded(self, outcome: Outcome) -> None:
        """What the write side did with them."""

    def appended(self, result: Appended) -> None:
        """What the event store did with them."""

    def reject(self, line: int, column: str, reason: str, cells: list[str]) -> None:
        """One reason for which a row was not taken."""

    def end(self, progress: Progress, position: int) -> None:
        """The batch is complete and about to be committed."""


class Rejects:
    """The file of bad rows: line, column, reason, then the cells as they were. It is made with the first bad row."""

    def __init__(self, path: Path | None, header: list[str], ledger: Ledger) -> None:
        self._path, self._header, self._ledger = path, header, ledger
        self._file: Any = None
        self._last = 0
        if path is not None:
            path.unlink(missing_ok=True)

    def add(self, line: int, column: str, reason: str, cells: list[str]) -> None:
        """Report one reason; a row with several is one bad row."""
        summary = self._ledger.summary
        if line != self._last:
            summary.bad_rows += 1
            self._last = line
        if len(summary.first_problems) < 5:
            summary.first_problems.append(f"line {line}{', ' + column if column else ''}: {reason}")
        self._ledger.reject(line, column, reason, cells)
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            csv.writer(self._file).writerow(["line", "column", "reason", *self._header])
        csv.writer(self._file).writerow([line, column, reason, *cells])

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._file is not None:
            self._file.close()


class Seen:
    """The keys that were met in this file, on disk, so that a million of them cost no memory."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("")
        self._base.execute("PRAGMA cache_size = -4000")
        self._base.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def earlier(self, key: str, line: int) -> int | None:
        """The line on which the key was met before; None if this is the first."""
        if self._base.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line)).rowcount:
            return None
        return int(self._base.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()[0])

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
