"""Rows of an Excel file, in the same form as those of a CSV file: texts, each row with its number in the sheet.

The first visible sheet is read. Cells that Excel keeps as dates, numbers and truths become ISO texts, plain numbers,
true and false; a cell that shows an error (#N/A) counts as empty.
"""

from __future__ import annotations

import datetime as dt
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import python_calamine as calamine

from integrations.sources.csv import MAX_CELL, BadRow, Row, check_header, check_width
from integrations.sources.files import NotReadable

MAX_UNPACKED = 300 * 1024 * 1024
MAX_RATIO, SMALL = 200, 10 * 1024 * 1024  # XML packs well, but not like this
MAX_PARTS = 2_000
OLE = b"\xd0\xcf\x11\xe0"
_PACKAGE = "EncryptedPackage".encode("utf-16-le")


def is_workbook(path: Path) -> bool:
    """True for what a spreadsheet program may have saved: a zip with a workbook in it, or an old or encrypted file."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise NotReadable(f"{path} cannot be read: {error.strerror}.") from error
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06", OLE))


class Sheet:
    """The first visible sheet of a workbook. Iterate over it for its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._done = 0
        _check_package(path)
        try:
            self._book = calamine.CalamineWorkbook.from_path(path)
            names = [
                sheet.name
                for sheet in self._book.sheets_metadata
                if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
            ]
            if not names:
                raise NotReadable(f"{path} has no visible sheet.")
            sheet = self._book.get_sheet_by_name(names[0])
        except calamine.PasswordError as error:
            raise NotReadable(_ENCRYPTED.format(path)) from error
        except calamine.CalamineError as error:
            raise NotReadable(f"{path} is damaged or cut off: Excel could not open it either. Save it anew.") from error
        self.size = sheet.total_height
        self._rows = enumerate(sheet.iter_rows(), start=1)
        self.header = self._header()

    def place(self) -> int:
        """The rows passed, of `size`."""
        return self._done

    def close(self) -> None:
        """Let the file go."""
        self._book.close()

    def _header(self) -> list[str]:
        for number, cells in self._rows:
            self._done = number
            texts = [_text(cell).strip() for cell in cells]
            if any(texts):
                while not texts[-1]:
                    texts.pop()
                return check_header(texts, self.path)
        raise NotReadable(f"{self.path} is empty: its first sheet holds no cell.")

    def __iter__(self) -> Iterator[Row | BadRow]:
        for number, cells in self._rows:
            self._done = number
            texts = [_text(cell) for cell in cells]
            while len(texts) > len(self.header) and not texts[-1].strip():
                texts.pop()
            if any(text.strip() for text in texts):
                yield self._check(Row(number, texts))

    def _check(self, row: Row) -> Row | BadRow:
        for name, text in zip(self.header, row.cells, strict=False):
            if len(text) > MAX_CELL:
                return BadRow(row.line, name, f"The cell is longer than {MAX_CELL:,} characters.", [])
            if "\x00" in text:
                return BadRow(row.line, name, "The cell holds a NUL character. Remove it.", row.cells)
        return check_width(row, self.header)


_ENCRYPTED = "{} is protected by a password. Save it without one, or as CSV."


def _check_package(path: Path) -> None:
    """Refuse what is no workbook, and what would unpack to more than memory should hold."""
    with path.open("rb") as file:
        start = file.read(4 * 1024 * 1024)
    if start.startswith(OLE):
        if _PACKAGE in start:
            raise NotReadable(_ENCRYPTED.format(path))
        raise NotReadable(f"{path} is an old Excel or Word file. Save it as .xlsx or CSV.")
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
            unpacked = sum(part.file_size for part in parts)
            if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED or unpacked > max(
                SMALL, MAX_RATIO * path.stat().st_size
            ):  # fmt: skip
                raise NotReadable(f"{path} unpacks to {unpacked / 1e6:,.0f} MB, which is too much. Save it as CSV.")
            if not any(part.filename.startswith("xl/") for part in parts):
                raise NotReadable(f"{path} is a zip file without a workbook. Save the sheet as .xlsx or CSV.")
            # Reading every part is what proves the sizes that the package claims.
            if package.testzip():
                raise NotReadable(f"{path} is damaged: a part of it does not fit its checksum. Save it anew.")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotReadable(f"{path} is a zip or Excel file that is damaged or cut off. Save it anew.") from error


def _text(cell: Any) -> str:
    """A cell as the text that a CSV file would hold."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            if not math.isfinite(cell):
                return ""
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case dt.datetime():
            return cell.isoformat(timespec="seconds")
        case dt.timedelta():
            return str(cell)
        case dt.date() | dt.time():
            return cell.isoformat()
    return "" if cell is None else str(cell)
