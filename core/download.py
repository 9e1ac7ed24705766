"""CSV files: streamed, with cells that no spreadsheet takes for a formula and a name that every browser keeps."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import get_valid_filename

# What a spreadsheet may read as the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")

# A negative number or a telephone number is no formula, and must come back as it went.
_HARMLESS = re.compile(r"[-+][\d .,()/]*")


class _Line:
    """A file that hands each line back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def cell(value: Any) -> str | int | float | Decimal:
    """A value as a cell: numbers stay numbers, text that looks like a formula gets a leading apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dict):
        return cell(f"{value.get('amount', '')} {value.get('currency', '')}".strip())
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _HARMLESS.fullmatch(text) else text


def csv_response(name: str, head: list[str], rows: Iterable[list[Any]]) -> StreamingHttpResponse:
    """A download of UTF-8 with a byte order mark (spreadsheets need it), a row at a time."""
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        yield "\ufeff"
        yield writer.writerow([cell(item) for item in head])
        for row in rows:
            yield writer.writerow([cell(item) for item in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, get_valid_filename(name) + ".csv")
    response["X-Content-Type-Options"] = "nosniff"
    return response
