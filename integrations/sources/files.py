"""Opening a file that somebody sent: plain or gzip, UTF-8 or UTF-16, in constant memory, also if it is damaged."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 256 * 1024
_NOT_TEXT = {
    b"PK\x03\x04": "a zip or Excel file",
    b"PK\x05\x06": "an empty zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"SQLi": "an SQLite database",
    b"PAR1": "a Parquet file",
}


class NotReadable(ValueError):
    """The file as a whole cannot be taken; the message is written for the person who sent it."""


class Inflating(io.RawIOBase):
    """A gzip stream that ends quietly where the file was cut off, and remembers that it was."""

    def __init__(self, raw: io.BufferedIOBase, most: int | None = None) -> None:
        self._raw = raw
        self._left = most
        self._engine = zlib.decompressobj(31)
        self._waiting = b""
        self.cut = False

    def readable(self) -> bool:
        """It is read, never written."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next; 0 at the end or at the cut."""
        while True:
            data = self._waiting or self._raw.read(CHUNK)
            if self._engine.eof:
                if not data.strip(b"\0"):
                    return 0
                self._engine = zlib.decompressobj(31)
            elif not data:
                self.cut = True
                return 0
            try:
                text = self._engine.decompress(data, len(buffer))
            except zlib.error:
                self.cut = True
                return 0
            self._waiting = self._engine.unused_data or self._engine.unconsumed_tail
            if self._left is not None:
                self._left -= len(text)
                if self._left < 0:
                    raise NotReadable("The file unpacks to more than is allowed here. Split it.")
            if text:
                buffer[: len(text)] = text
                return len(text)


@dataclass
class Opened:
    """A file being read: its text, its size and the place reached (bytes on disk), and whether it broke off."""

    text: io.TextIOWrapper
    size: int
    place: Callable[[], int]
    was_cut: Callable[[], bool]

    def close(self) -> None:
        """Let the file go."""
        self.text.close()


def open_file(path: Path, encoding: str | None = None, unpacked: int | None = None) -> Opened:
    """Open a file for reading lines. A byte-order mark decides the encoding; UTF-8 is meant where there is none.

    Bytes that are not valid stay visible as lone surrogates, so that their row can be told. `unpacked` bounds the
    bytes that a gzip file may grow to. Raises NotReadable.
    """
    try:
        raw = path.open("rb")
        size = path.stat().st_size
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
    except OSError as error:
        raise NotReadable(f"{path} cannot be read: {error.strerror}.") from error
    inflating = Inflating(raw, unpacked) if packed else None
    plain = io.BufferedReader(inflating or raw, CHUNK)  # type: ignore[arg-type]
    start = plain.peek(8)[:8]
    if not start:
        raise NotReadable(f"{path} is empty.")
    for magic, words in _NOT_TEXT.items():
        if start.startswith(magic):
            raise NotReadable(f"{path} is {words}, not a CSV file. Save it as CSV first.")
    name, errors = _encoding(start, encoding)
    try:
        text = io.TextIOWrapper(plain, encoding=name, errors=errors, newline="")
    except LookupError as error:
        raise NotReadable(f"“{encoding}” is not an encoding. Use utf-8, utf-16, cp1252 or latin-1.") from error
    return Opened(text, size, raw.tell, lambda: inflating is not None and inflating.cut)


def _encoding(start: bytes, wanted: str | None) -> tuple[str, str]:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "surrogateescape"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "replace"
    name = wanted or "utf-8"
    return name, "surrogateescape" if name.lower().replace("-", "") in ("utf8", "ascii") else "replace"
