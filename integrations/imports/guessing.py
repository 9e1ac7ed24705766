"""A proposal for every column of a file: from earlier imports, its name, its values; and the form of the dates."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.facts import SHAPES, guess_kind
from accounts.facts.shapes import Form
from accounts.models import AttributeDefinition
from core.intake import BadValue, fold
from integrations.mapping import FIELDS, KINDS, REQUIRED, SUBJECT_OF, attribute_keys, usual_field
from integrations.models import Import
from integrations.reading import TIME_FIELDS, read_instant

NEW, CUSTOM, PROPERTY, LEAVE_OUT = "new:", "custom.", "properties.", ""
REJECT_COLUMNS = ("line", "column", "reason")
DAY_FIRST, MONTH_FIRST = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%y"), ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y")
FORMS = (*DAY_FIRST, *MONTH_FIRST, "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_LABELS = {
    "external_id": "Id", "at": "Time of the values", "stated_mrr": "Stated MRR", "mrr": "MRR",
    "message_id": "Message id",    "user": "User (id)", "account": "Account (id)", "parent": "Parent account (id)",
    "subscription": "Subscription (id)", "event": "Event name",
    "context_active": "Whether the user was there (yes or no)",
}  # fmt: skip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DOMAIN = re.compile(r"(https?://)?([a-z0-9-]+\.)+[a-z]{2,}/?", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """Something that a column can become: what is stored, and what is read in the list."""

    value: str
    label: str


@dataclass
class Proposal:
    """What a column could become, three of its values, and why it is proposed."""

    header: str
    samples: list[str]
    value: str = LEAVE_OUT
    why: str = ""


@dataclass
class Dates:
    """The form in which dates are written. If there are two it has to be chosen; `examples` shows how they are read."""

    form: str = ""
    ambiguous: bool = False
    examples: list[tuple[str, str]] = field(default_factory=list)


def choices(kind: str) -> list[Choice]:
    """Everything that a column of such a file can become, for the searchable list."""
    found = [Choice(name, field_label(name)) for name in FIELDS[kind]]
    subject = SUBJECT_OF.get(kind)
    if subject is None:
        return [*found, Choice(PROPERTY, "Property of the event"), Choice(LEAVE_OUT, "Leave out")]
    taken = {fold(item.label) for item in found}
    for made in AttributeDefinition.objects.filter(subject=subject, active=True).order_by("name"):
        label = made.name if fold(made.name) not in taken else f"{made.name} ({made.key})"
        taken.add(fold(label))
        found.append(Choice(CUSTOM + made.key, label))
    found += [Choice(NEW + value, f"New attribute: {label}") for value, label in AttributeDefinition.Kind.choices]
    return [*found, Choice(LEAVE_OUT, "Leave out")]


def field_label(name: str) -> str:
    """The name of a field for people."""
    return _LABELS.get(name) or name.removeprefix(CUSTOM).removeprefix(PROPERTY).replace("_", " ").capitalize()


def guess_rows_kind(header: Sequence[str]) -> str:
    """What the rows of a file with these columns are, by how many columns are known; accounts if nothing tells."""

    def score(kind: str) -> tuple[bool, int]:
        known = [usual_field(kind, name, set()) for name in header]
        named = [name for name in known if name and not name.startswith(PROPERTY)]
        return all(name in named for name in REQUIRED[kind]), len(set(named))

    return max(KINDS, key=score)


def propose(job: Import, rows: Sequence[Sequence[str]]) -> list[Proposal]:
    """A proposal for each column that has a name. No two feed the same field."""
    earlier, known, taken = earlier_columns(job), attribute_keys(job.kind), set[str]()
    found = []
    is_rejects = tuple(job.header[:3]) == REJECT_COLUMNS
    for place, name in enumerate(job.header):
        if not name:
            continue
        texts = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        item = Proposal(name, list(dict.fromkeys(text[:80] for text in texts))[:3])
        if is_rejects and place < len(REJECT_COLUMNS):
            item.why = "Tells why the row was rejected"
        elif name in earlier:
            item.value, item.why = earlier[name], "As in an earlier import"
        else:
            _by_name_or_values(job.kind, item, texts, known)
        if item.value in taken and not item.value.startswith((NEW, PROPERTY)):
            item.value, item.why = LEAVE_OUT, "Another column feeds this field already"
        taken.add(item.value)
        found.append(item)
    return found


def earlier_columns(job: Import) -> dict[str, str]:
    """What columns of the same names became in the newest imports of this kind."""
    found: dict[str, str] = {}
    live = {CUSTOM + key for key in attribute_keys(job.kind)} | set(FIELDS[job.kind])
    done = Import.objects.filter(kind=job.kind, state=Import.State.DONE).exclude(pk=job.pk)
    for mapping in done.order_by("-pk").values_list("mapping", flat=True)[:20]:
        for name, target in mapping.get("columns", {}).items():
            if target is None or target in live or target.startswith(PROPERTY):
                found.setdefault(name, PROPERTY if (target or "").startswith(PROPERTY) else target or LEAVE_OUT)
    return found


def _by_name_or_values(kind: str, item: Proposal, texts: list[str], known: set[str]) -> None:
    named = usual_field(kind, item.header, known)
    if named and not (named.startswith(PROPERTY) and not texts):
        item.value, item.why = (PROPERTY if named.startswith(PROPERTY) else named), "By its name"
    elif not texts:
        item.why = "No values"
    elif kind == "users" and all(_EMAIL.fullmatch(text) for text in texts):
        item.value, item.why = "email", "By its values"
    elif kind == "accounts" and all(_DOMAIN.fullmatch(text) for text in texts):
        item.value, item.why = "domain", "By its values"
    elif kind in SUBJECT_OF:
        guessed, _ = guess_kind(texts)
        dates = dates_in(texts)
        if guessed in ("text", "choice") and (dates.form or dates.ambiguous):
            guessed = "date"
        item.value, item.why = NEW + guessed, "Not known yet"


def dates_in(texts: Iterable[str]) -> Dates:
    """The form in which these texts are dates; an empty form if they are in ISO form or no dates at all."""
    distinct = list(dict.fromkeys(text.strip() for text in texts if text.strip()))[:500]
    plain = [text for text in distinct if not re.match(r"\d{4}-\d\d-\d\d", text)]
    if not plain:
        return Dates()
    fits = [form for form in FORMS if all(reads_as(text, form) for text in plain)]
    two = any(form in DAY_FIRST for form in fits) and any(form in MONTH_FIRST for form in fits)
    form = "" if two or not fits else fits[0]
    return Dates(form, two, examples(plain, [form] if form else fits))


def examples(texts: Sequence[str], forms: Sequence[str]) -> list[tuple[str, str]]:
    """A few of the texts, and how each form reads them."""
    telling = sorted(texts, key=lambda text: -int(re.search(r"\d+", text)[0]) if re.search(r"\d+", text) else 0)[:3]  # type: ignore[index]
    return [
        (text, " or ".join(dict.fromkeys(f"{at:%-d %B %Y}" for form in forms if (at := reads_as(text, form)))))
        for text in telling
    ]


def reads_as(text: str, form: str) -> dt.datetime | None:
    """The date that a text is in a form; None if it is none."""
    try:
        return read_instant(text, form, dt.UTC)
    except BadValue:
        return None


def date_fields(kind: str) -> set[str]:
    """The fields that hold dates or times."""
    subject = SUBJECT_OF.get(kind)
    found = {*TIME_FIELDS, NEW + "date", NEW + "datetime"}
    if subject:
        columns = SHAPES[subject].columns.items()
        found |= {name for name, column in columns if column.form in (Form.DATE, Form.DATETIME)}
        made = AttributeDefinition.objects.filter(subject=subject, kind__in=("date", "datetime"))
        found |= {CUSTOM + key for key in made.values_list("key", flat=True)}
    return found


def guess_dates(job: Import, rows: Sequence[Sequence[str]], columns: dict[str, Any]) -> Dates:
    """The form of the dates in the columns that feed dates."""
    wanted = date_fields(job.kind)
    places = [place for place, name in enumerate(job.header) if columns.get(name) in wanted]
    return dates_in(row[place] for row in rows for place in places if place < len(row))
