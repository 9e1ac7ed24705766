"""The rows that an import could not take, in a form that can be corrected and uploaded again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from integrations.imports.guessing import REJECT_COLUMNS
from integrations.models import Import


def reject_head(job: Import) -> list[str]:
    """The header of the file of rejects."""
    own = job.header[len(REJECT_COLUMNS) :] if tuple(job.header[:3]) == REJECT_COLUMNS else job.header
    return [*REJECT_COLUMNS, *own]


def reject_rows(job: Import) -> Iterator[list[str | int]]:
    """One line for each rejected row, with all its columns at fault and all its reasons, then its own cells."""
    again = tuple(job.header[:3]) == REJECT_COLUMNS
    rows = job.rejects.order_by("line", "id").iterator(chunk_size=1_000)
    for line, group in groupby(rows, key=lambda row: row.line):
        found = list(group)
        columns = dict.fromkeys(row.column for row in found if row.column)
        cells = found[0].cells[len(REJECT_COLUMNS) :] if again else found[0].cells
        yield [line, ", ".join(columns), " ".join(row.reason for row in found), *cells]
