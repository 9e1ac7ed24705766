"""What an import would do, found out by doing it to the first rows and taking everything back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.facts import SHAPES
from accounts.facts.rows import account_ids
from accounts.facts.values import Reader
from core.intake import BadValue
from integrations.imports.guessing import field_label
from integrations.imports.running import order_of
from integrations.imports.storing import by_name, folder
from integrations.imports.wording import on_screen
from integrations.ledger import Ledger, Summary
from integrations.loading import load_file
from integrations.mapping import SUBJECT_OF, BadMapping
from integrations.models import Import
from integrations.reading import FieldError
from integrations.sources.files import NotReadable

ROWS, SHOWN, PROBLEMS = 200, 10, 50


@dataclass
class Problem:
    """Why a row would not be taken."""

    line: int
    column: str
    reason: str


@dataclass
class Preview:
    """The first rows as they would be stored, and what would be rejected; or why the file cannot be imported at all."""

    summary: Summary = field(default_factory=Summary)
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    error: str = ""


class _Looking(Ledger):
    """Remembers the first facts and every problem."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview, self.summary = preview, preview.summary
        self.seen: list[tuple[int, dict[str, str]]] = []

    def facts(self, kind: str, facts: Sequence[Any], lines: Sequence[int]) -> None:
        """Keep the first ones as they would be stored. The attributes that they name exist at this moment."""
        show = _shower(kind, facts[:SHOWN])
        self.seen += [(line, show(fact)) for line, fact in zip(lines[:SHOWN], facts[:SHOWN], strict=True)]

    def reject(self, line: int, column: str, reason: str, cells: list[str]) -> None:
        """Keep the problem."""
        if len(self.preview.problems) < PROBLEMS:
            self.preview.problems.append(Problem(line, column, on_screen(reason)))


def preview(job: Import) -> Preview:
    """Import the first 200 rows, look, and take everything back."""
    found = Preview()
    looking = _Looking(found)
    try:
        load_file(order_of(job, dry_run=True, batch=ROWS), stop=lambda: True, ledger=looking)
    except (NotReadable, BadMapping, FieldError) as error:
        text = str(error)
        if job.stored:
            text = by_name(text, folder() / job.stored, job.name)
        found.error = on_screen(text)
    rejected = {problem.line for problem in found.problems}
    shown = [(line, values) for line, values in looking.seen if line not in rejected]
    names = list(dict.fromkeys(name for _, values in shown for name in values))
    found.columns = [field_label(name) for name in names]
    found.rows = [(line, [values.get(name, "") for name in names]) for line, values in shown]
    return found


def _shower(kind: str, facts: Sequence[Any]) -> Any:
    subject = SUBJECT_OF.get(kind)
    named = [
        fact.values.get(key) for fact in facts for key in ("account", "parent") if subject and fact.values.get(key)
    ]
    reader = Reader(SHAPES[subject], account_ids(filter(None, named))) if subject else None

    def show(fact: Any) -> dict[str, str]:
        if reader is None:
            found = {"event": fact.name, "at": fact.at, "user": fact.user, "account": fact.account}
            found |= {f"properties.{key}": value for key, value in fact.properties.items()}
        else:
            names = ("external_id", "user", "account", "started_at", "ended_at")
            found = {name: getattr(fact, name) for name in names if getattr(fact, name, None)}
            for key, value in fact.values.items():
                found[key] = value if key in ("account", "parent") else _stored(reader, key, value)
        return {name: _text(value) for name, value in found.items() if value is not None}

    return show


def _stored(reader: Reader, key: str, value: Any) -> Any:
    try:
        found = reader.read(key, value)
    except BadValue:
        return value
    return value if isinstance(value, dt.date) else found  # an attribute keeps a date as a text


def _text(value: Any) -> str:
    if hasattr(value, "strftime"):
        return f"{value:%-d %b %Y %H:%M}".removesuffix(" 00:00")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return f"{value.get('amount')} {value.get('currency')}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
