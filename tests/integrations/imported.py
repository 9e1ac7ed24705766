"""Making and running imports as the pages do, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from integrations.imports.mapping_form import keep_mapping, propose_mapping, read_mapping
from integrations.imports.running import start, work
from integrations.imports.storing import store
from integrations.models import Import


def draft(content: str | bytes, kind: str = "accounts", name: str = "rows.csv", **fields: str) -> Import:
    """A stored file with the mapping that is proposed; `fields` are changes to it by column ("Plan code"="plan")."""
    data = content if isinstance(content, bytes) else content.encode()
    job = store([data[at : at + 65_536] for at in range(0, len(data), 65_536)], kind=kind, name=name)
    form = propose_mapping(job)
    chosen = {f"column.{job.header.index(item.header)}": item.value for item in form.columns}
    chosen["date_format"] = form.dates.form
    for key, value in fields.items():
        chosen[f"column.{job.header.index(key)}" if key in job.header else key] = value
    form = read_mapping(job, chosen)
    assert not form.errors, form.errors
    keep_mapping(form)
    return job


def imported(content: str | bytes, kind: str = "accounts", name: str = "rows.csv", **fields: str) -> Import:
    """An import that was started and worked on until it ended."""
    return ended(draft(content, kind, name, **fields))


def ended(job: Import, **options: Any) -> Import:
    """Start a draft, and do what the worker would."""
    job.refresh_from_db()
    if job.state == Import.State.DRAFT:
        start(job)
    for _ in range(50):
        work(job.pk, **options)
        job.refresh_from_db()
        if job.state not in Import.WORKING:
            break
    return job


def counts(job: Import) -> tuple[int, int, int, int]:
    """Created, updated, unchanged, bad."""
    return job.created, job.updated, job.unchanged, job.bad_rows
