"""CSV rows, one at a time, each with its line number; a row that cannot be read is told and the next one goes on."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from integrations.sources.files import NotReadable, Opened, open_file

MAX_CELL, MAX_LINE, MAX_LINES, MAX_COLUMNS = 1_000_000, 2_000_000, 500, 1_000
DELIMITERS = ",;\t|"
REPLACED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row and the line on which it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: where, in which column ("" for the whole row), why, and what was there."""

    line: int
    column: str
    reason: str
    cells: list[str]


class _TooLong(Exception):
    """A line, or a quoted cell that runs over lines, beyond all bounds."""


class Table:
    """A CSV file with a header. Iterate over it for its rows; memory does not grow with the file."""

    def __init__(self, path: Path, encoding: str | None = None, unpacked: int | None = None) -> None:
        self.path = path
        self.opened: Opened = open_file(path, encoding, unpacked)
        self.size = self.opened.size
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._line = 0
        self._ended = False
        self._whole = True
        csv.field_size_limit(MAX_CELL)
        try:
            self.header, self.delimiter = self._header()
        except BaseException:
            self.opened.close()
            raise

    def __iter__(self) -> Iterator[Row | BadRow]:
        reader = self._reader()
        while True:
            first = self._line + 1
            self._taken = []
            try:
                cells = next(reader)
            except StopIteration:
                break
            except (_TooLong, csv.Error) as error:
                yield self._skip(first, str(error))
                reader = self._reader()
                continue
            if self._ended and self._taken:
                yield self._skip(first, "A quotation mark that opens here is never closed; the file may be cut off.")
                self._ended = False
                reader = self._reader()
                continue
            if cells and any(cells):
                yield self._check(Row(first, cells))
        if self.opened.was_cut() and self._whole:
            yield BadRow(self._line + 1, "", "The file is cut off after the line before; what followed is lost.", [])

    def place(self) -> int:
        """The bytes passed, of `size`."""
        return self.opened.place()

    def close(self) -> None:
        """Let the file go."""
        self.opened.close()

    def _header(self) -> tuple[list[str], str]:
        line = self.opened.text.readline(MAX_LINE)
        self._line = 1
        if line.lstrip().lower().startswith(("<!doctype", "<html", "<?xml")):
            raise NotReadable(f"{self.path} is a web page or XML, not a CSV file.")
        if "\x00" in line or len(line) >= MAX_LINE:
            raise NotReadable(f"{self.path} is not a text file, or UTF-16 without a mark. Try --encoding utf-16.")
        delimiter = max(DELIMITERS, key=line.count)
        try:
            header = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
        except csv.Error as error:
            raise NotReadable(f"The header of {self.path} cannot be read: {error}.") from error
        return check_header(header, self.path), delimiter

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), delimiter=self.delimiter)

    def _lines(self) -> Iterator[str]:
        size = 0
        while True:
            line = self._again.popleft() if self._again else self.opened.text.readline(MAX_LINE)
            if not line:
                self._ended = True
                return
            self._line += 1
            self._whole = line.endswith(("\n", "\r"))
            size = len(line) if not self._taken else size + len(line)
            if len(line) >= MAX_LINE and not self._whole:
                self._drop_rest()
                if self._taken:
                    self._taken.append("\n")  # keeps the count of lines when those before are read anew
                raise _TooLong(f"The line is longer than {MAX_LINE:,} characters.")
            self._taken.append(line)
            if len(self._taken) > MAX_LINES or size > MAX_LINE:
                raise _TooLong(
                    f"A quotation mark opens here and does not close in {MAX_LINES} lines or {MAX_LINE:,} characters."
                )
            yield line

    def _drop_rest(self) -> None:
        while rest := self.opened.text.readline(MAX_LINE):
            if rest.endswith(("\n", "\r")):
                self._whole = True
                return

    def _skip(self, first: int, reason: str) -> BadRow:
        """Give up one line only, and read the lines after it anew."""
        self._again.extendleft(reversed(self._taken[1:]))
        self._line = first
        start = self._taken[0].rstrip("\r\n")[:200] if self._taken else ""
        return BadRow(first, "", reason[:1].upper() + reason[1:], [start])

    def _check(self, row: Row) -> Row | BadRow:
        if not self._whole and self.opened.was_cut():
            return BadRow(row.line, "", "The file is cut off in this row.", row.cells)
        if len(row.cells) != len(self.header):
            cut = not self._whole and len(row.cells) < len(self.header)
            return check_width(row, self.header, " The file seems to be cut off here." if cut else "")
        for name, cell in zip(self.header, row.cells, strict=True):
            if not cell.isascii() and (REPLACED in cell or not _is_text(cell)):
                reason = (
                    "Bytes that are not valid in this encoding. An older Windows file reads with --encoding cp1252."
                )
                return BadRow(row.line, name, reason, row.cells)
            if "\x00" in cell:
                return BadRow(row.line, name, "The cell holds a NUL character. Remove it.", row.cells)
        return row


def check_header(header: list[str], path: Path) -> list[str]:
    """The names of the columns. Raises NotReadable if they cannot be told apart."""
    if not any(header):
        raise NotReadable(f"{path} has no header on line 1.")
    if len(header) > MAX_COLUMNS:
        raise NotReadable(f"{path} has {len(header):,} columns; at most {MAX_COLUMNS:,} are read.")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise NotReadable(f"{path} has the column {', '.join(twice)} twice. Rename one of them.")
    return header


def check_width(row: Row, header: list[str], more: str = "") -> Row | BadRow:
    """The row, if it has a cell for each column."""
    if len(row.cells) == len(header):
        return row
    return BadRow(row.line, "", f"The row has {len(row.cells)} cells, the header {len(header)}.{more}", row.cells)


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True
