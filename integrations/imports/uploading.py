"""A file with its mapping in one step, for programs: kept, read as the page would read it, and started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.intake import short
from integrations.imports.guessing import guess_rows_kind
from integrations.imports.mapping_form import keep_mapping, propose_mapping, read_mapping
from integrations.imports.running import start
from integrations.imports.storing import discard, store
from integrations.models import Import
from integrations.models.importing import ImportKind
from integrations.sources.files import NotReadable


class BadUpload(ValueError):
    """A file that cannot be imported so; `faults` are pairs of a place (a part, or a column of the mapping) and why."""

    def __init__(self, faults: list[tuple[tuple[str, ...], str]]) -> None:
        super().__init__(" ".join(text for _, text in faults))
        self.faults = faults


def upload(
    chunks: Iterable[bytes],
    *,
    name: str,
    author: Any,
    kind: str = "",
    columns: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    begin: bool = True,
) -> Import:
    """Store a file and let it run, or keep it as a draft; raises BadUpload, and keeps nothing, if it cannot be.

    `columns` maps headers to what they become: a field, `custom.<key>`, `new:<kind>`, `properties.`, or "" to leave one
    out. A column that is not named becomes what the page would propose. Without `kind` the columns decide.
    """
    try:
        job = store(chunks, kind=kind or ImportKind.ACCOUNTS, name=name, author=author)
    except NotReadable as error:
        raise BadUpload([(("file",), str(error))]) from error
    try:
        if not kind:
            job.kind = guess_rows_kind(job.header)
            job.save(update_fields=["kind"])
        set_mapping(job, columns or {}, options or {})
        if begin:
            start(job)
    except BaseException:
        discard(job)
        raise
    job.refresh_from_db()
    return job


def set_mapping(job: Import, columns: Mapping[str, str], options: Mapping[str, str]) -> None:
    """Choose what the columns of a draft become. Raises BadUpload."""
    strange = [header for header in columns if header not in job.header or not header]
    if strange:
        there = short(", ".join(filter(None, job.header)), 300)
        raise BadUpload([(("mapping", header), f"The file has no such column. It has: {there}.") for header in strange])
    try:
        if options.get("encoding") and options["encoding"] != job.options.get("encoding"):
            job.options = {**job.options, "encoding": options["encoding"]}
        form = propose_mapping(job)
        given = {item.header: item.value for item in form.columns} | dict(columns)
        chosen = {f"column.{job.header.index(header)}": value for header, value in given.items()}
        form = read_mapping(job, {**chosen, **options})
    except NotReadable as error:
        raise BadUpload([(("file",), str(error))]) from error
    if form.errors:
        raise BadUpload([(_place(key), text) for key, text in form.errors.items()])
    keep_mapping(form)


def _place(key: str) -> tuple[str, ...]:
    """Where an error of the form belongs in a request."""
    if key == "date_format":
        return ("date_format",)
    return ("mapping", key) if key else ("mapping",)
