"""The mapping of an import as somebody chose it: read, checked, kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.facts import guess_kind
from accounts.facts.attributes import attribute_key
from core.intake import fold, short
from integrations.imports import guessing
from integrations.imports.guessing import CUSTOM, NEW, PROPERTY, Choice, Dates, Proposal
from integrations.imports.storing import sample_of
from integrations.mapping import REQUIRED, SUBJECT_OF, attribute_keys
from integrations.models import Import
from integrations.sources.files import NotReadable

ENCODINGS = (("", "Found out (UTF-8)"), ("cp1252", "Windows (cp1252)"), ("latin-1", "Latin-1"), ("utf-16", "UTF-16"))
FLAGS = ("create_missing", "clear_empty")


@dataclass
class MappingForm:
    """A mapping on its way: a proposal for each column, the dates, and what is wrong by the name of the column."""

    job: Import
    choices: list[Choice]
    columns: list[Proposal]
    dates: Dates
    rows: list[list[str]]
    options: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def label_of(self, value: str) -> str:
        """A stored choice as it is written in the list."""
        return next((item.label for item in self.choices if item.value == value), "")


def propose_mapping(job: Import) -> MappingForm:
    """What is kept for the import, or else a proposal. Raises NotReadable."""
    job.header, rows = sample_of(job)
    columns = guessing.propose(job, rows)
    if job.mapping:
        kept = _chosen(job)
        for item in columns:
            item.value, item.why = kept.get(item.header, ""), "" if item.header in kept else item.why
    dates = guessing.guess_dates(job, rows, {item.header: item.value for item in columns})
    if job.mapping:
        dates.form = job.mapping.get("date_format") or ""
    return MappingForm(job, guessing.choices(job.kind), columns, dates, rows, dict(job.options))


def _chosen(job: Import) -> dict[str, str]:
    made = job.mapping.get("attributes", {})
    found: dict[str, str] = {}
    for name, target in job.mapping.get("columns", {}).items():
        target = target or ""
        key = target.removeprefix(CUSTOM)
        if target.startswith(CUSTOM) and key in made and key not in attribute_keys(job.kind):
            target = NEW + made[key]["kind"]
        found[name] = PROPERTY if target.startswith(PROPERTY) else target
    return found


def read_mapping(job: Import, data: Mapping[str, str]) -> MappingForm:
    """The mapping that a form chose: `column.<place>` by label or value. Its errors say what cannot be."""
    encoding = data.get("encoding", "")
    options: dict[str, Any] = {name: data.get(name) == "1" for name in FLAGS}
    options |= {"encoding": encoding if encoding in dict(ENCODINGS) else ""}
    options = {name: value for name, value in options.items() if value}
    if options.get("encoding") != job.options.get("encoding"):
        job.options = options
        form = propose_mapping(job)
        form.options = options
        return form
    form = propose_mapping(job)
    form.options = options
    known = {fold(item.label): item.value for item in form.choices} | {item.value: item.value for item in form.choices}
    for item in form.columns:
        given = data.get(f"column.{job.header.index(item.header)}")
        if given is None:
            continue
        found = known.get(fold(given)) if given.strip() else ""
        if found is None:
            form.errors[item.header] = f"“{short(given)}” is not in the list. Choose from it, or “Leave out”."
        else:
            item.value, item.why = found, ""
    form.dates = guessing.guess_dates(job, form.rows, {item.header: item.value for item in form.columns})
    _read_form_of_dates(form, data.get("date_format", ""))
    _check(form)
    return form


def _read_form_of_dates(form: MappingForm, given: str) -> None:
    given = given if given in guessing.FORMS else ""
    if given:
        form.dates.form = given
    if form.dates.ambiguous and not form.dates.form:
        form.errors["date_format"] = (
            "The dates may begin with the day or with the month. Choose which: the file alone cannot tell."
        )


def _check(form: MappingForm) -> None:
    fed: dict[str, str] = {}
    for item in form.columns:
        if item.value and not item.value.startswith((NEW, PROPERTY)):
            if item.value in fed:
                form.errors[item.header] = f"“{fed[item.value]}” feeds {form.label_of(item.value)} already."
            fed.setdefault(item.value, item.header)
    missing = [name for name in REQUIRED[form.job.kind] if name not in fed]
    if missing:
        names = " and ".join(guessing.field_label(name) for name in missing)
        form.errors[""] = f"No column is {names}. Every row of {form.job.kind} needs one: choose a column for it."


def keep_mapping(form: MappingForm) -> None:
    """Store the choices with the import, in the form that the loader reads."""
    job, columns, attributes = form.job, dict[str, str | None](), dict[str, dict[str, Any]]()
    taken = attribute_keys(job.kind)
    for item in form.columns:
        if item.value.startswith(NEW):
            key = _free(attribute_key(item.header), taken | attributes.keys())
            kind = item.value.removeprefix(NEW)
            attributes[key] = {"kind": kind, "name": item.header[:120], "choices": _choices(form, item, kind)}
            columns[item.header] = CUSTOM + key
        elif item.value == PROPERTY:
            columns[item.header] = PROPERTY + attribute_key(item.header)
        else:
            columns[item.header] = item.value or None
    job.mapping = {"columns": columns, "attributes": attributes} if job.kind in SUBJECT_OF else {"columns": columns}
    if form.dates.form:
        job.mapping["date_format"] = form.dates.form
    job.options = form.options
    job.save(update_fields=["mapping", "options", "header", "updated_at"])


def _free(key: str, taken: set[str]) -> str:
    found, n = key, 2
    while found in taken:
        found, n = f"{key[:56]}_{n}", n + 1
    return found


def _choices(form: MappingForm, item: Proposal, kind: str) -> list[str]:
    if kind != "choice":
        return []
    place = form.job.header.index(item.header)
    texts = [row[place] for row in form.rows if place < len(row)]
    guessed, found = guess_kind(texts)
    return found if guessed == "choice" else sorted({text.strip() for text in texts if text.strip()})[:200]


def readable(job: Import) -> str:
    """Why the file cannot be read any more; empty if it can."""
    try:
        sample_of(job)
    except NotReadable as error:
        return str(error)
    return ""


def column_list(form: MappingForm) -> Sequence[tuple[int, Proposal, str, str]]:
    """For the page: place, proposal, what is written in its box, and its error."""
    return [
        (form.job.header.index(item.header), item, form.label_of(item.value), form.errors.get(item.header, ""))
        for item in form.columns
    ]
