"""Which column of a file is which field, and how a row becomes a fact.

A mapping comes from a file in JSON (those for known data sets are shipped in `integrations/mappings`), from `--map`
options, and for the rest from the usual names of columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts.facts import ACCOUNT, RELATIONSHIP, SUBSCRIPTION, USER
from accounts.facts.attributes import attribute_key
from accounts.models import AttributeDefinition, Subject
from core.intake import short

KINDS = ("accounts", "users", "relationships", "subscriptions", "events")
SUBJECT_OF = {
    "accounts": Subject.ACCOUNT, "users": Subject.USER, "relationships": Subject.RELATIONSHIP,
    "subscriptions": Subject.SUBSCRIPTION,
}  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    "accounts": ("external_id", "at", *ACCOUNT.columns),
    "users": ("external_id", "at", *USER.columns),
    "relationships": ("user", "account", "at", "started_at", "ended_at", *RELATIONSHIP.columns),
    "subscriptions": ("external_id", "at", *SUBSCRIPTION.columns),
    "events": ("message_id", "event", "at", "user", "account", "subscription", "context_active"),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "accounts": ("external_id",), "users": ("external_id",), "relationships": ("user", "account"),
    "subscriptions": ("external_id",), "events": ("event", "at"),
}  # fmt: skip
# The usual names of columns besides the fields' own.
ALIASES: dict[str, dict[str, str]] = {
    "accounts": {
        "id": "external_id", "account_id": "external_id", "group_id": "external_id", "company_id": "external_id",
        "account_name": "name", "company": "name", "company_name": "name", "website": "domain", "mrr": "stated_mrr",
        "licences": "stated_licences", "licenses": "stated_licences", "seats": "stated_licences",
        "lifecycle_stage": "stage", "tier": "level", "parent_id": "parent", "updated_at": "at",
    },
    "users": {
        "id": "external_id", "user_id": "external_id", "full_name": "name", "email_address": "email",
        "job_title": "title", "first_seen": "first_seen_at", "updated_at": "at",
    },
    "relationships": {
        "user_id": "user", "account_id": "account", "group_id": "account", "company_id": "account",
        "started": "started_at", "ended": "ended_at", "start_date": "started_at", "end_date": "ended_at",
    },
    "subscriptions": {
        "id": "external_id", "subscription_id": "external_id", "account_id": "account", "group_id": "account",
        "plan_name": "plan", "start_date": "starts_on", "end_date": "ends_on", "renewal_date": "renews_on",
        "seats": "quantity", "licences": "quantity", "licenses": "quantity", "interval": "billing_period",
        "trial_start": "trial_starts_on", "trial_end": "trial_ends_on", "updated_at": "at",
    },
    "events": {
        "id": "message_id", "event_id": "message_id", "name": "event", "event_name": "event", "timestamp": "at",
        "time": "at", "date": "at", "user_id": "user", "account_id": "account", "group_id": "account",
        "subscription_id": "subscription",
    },
}  # fmt: skip


class BadMapping(ValueError):
    """The mapping does not fit the file or itself; the message is written for the person who wrote it."""


@dataclass(frozen=True)
class When:
    """If a column holds this text (case does not matter), these fields get these values or another column's cell."""

    column: str
    text: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class MappingFile:
    """What a mapping says about one file; an empty one says nothing and leaves all to the names of the columns."""

    columns: Mapping[str, str | None] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    when: Sequence[When] = ()
    message_id: Sequence[str] = ()
    message_suffix: str = ""
    date_format: str | None = None
    source: str = ""
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> MappingFile:
        """Read a mapping file. Raises BadMapping."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadMapping(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise BadMapping(f"{path} is not JSON: {error}.") from error
        return cls.from_data(data, str(path))

    @classmethod
    def from_data(cls, data: Any, where: str) -> MappingFile:
        """Check the parts of a mapping. Raises BadMapping that names the part."""
        allowed = {"kind", *cls.__dataclass_fields__}
        if not isinstance(data, dict) or set(data) - allowed:
            raise BadMapping(f"{where}: a mapping is an object with {', '.join(sorted(allowed))}.")
        values = {key: value for key, value in data.items() if key != "kind"}
        try:
            values["when"] = [When(item["column"], item["is"], item["set"]) for item in data.get("when", ())]
        except (TypeError, KeyError) as error:
            raise BadMapping(f'{where}: each “when” is {{"column": ..., "is": ..., "set": {{...}}}}.') from error
        return cls(**values)


@dataclass(frozen=True)
class Target:
    """A field that a column feeds, or a custom attribute or event property."""

    index: int
    header: str
    field: str


@dataclass
class Plan:
    """How the rows of one file are read: which cell feeds which field, and which columns nobody knows."""

    kind: str
    header: list[str]
    targets: list[Target]
    unknown: list[str]
    mapping: MappingFile
    date_format: str | None

    def has(self, name: str) -> bool:
        """True if a column, a constant or a condition feeds the field."""
        conditional = any(name in item.values for item in self.mapping.when)
        return name in self.mapping.constants or conditional or any(target.field == name for target in self.targets)

    def header_of(self, name: str) -> str:
        """The column that feeds a field, for reports; the field's own name if none does."""
        return next((target.header for target in self.targets if target.field == name), name)


def make_plan(
    kind: str,
    header: list[str],
    mapping: MappingFile,
    overrides: Mapping[str, str],
    *,
    date_format: str | None = None,
    need_all: bool = True,
) -> Plan:
    """Decide about every column: `--map` first, then the mapping file, then the usual names. Raises BadMapping."""
    known_attributes = attribute_keys(kind)
    absent = [name for name in [*overrides, *mapping.columns] if name not in header]
    if absent:
        raise BadMapping(f"The file has no column {', '.join(absent)}. It has: {', '.join(header)}.")
    targets: list[Target] = []
    unknown: list[str] = []
    for index, name in enumerate(header):
        if not name:
            continue
        if name in overrides:
            wanted: str | None = overrides[name] or None
        elif name in mapping.columns:
            wanted = mapping.columns[name]
        else:
            wanted = usual_field(kind, name, known_attributes)
            if wanted is None:
                unknown.append(name)
        if wanted is not None:
            _check_target(kind, name, wanted, mapping)
            targets.append(Target(index, name, wanted))
    fed = [target.field for target in targets]
    twice = sorted({name for name in fed if fed.count(name) > 1})
    if twice:
        raise BadMapping(f"Two columns feed {', '.join(twice)}. Leave one out with --map COLUMN= .")
    plan = Plan(kind, header, targets, unknown, mapping, date_format or mapping.date_format)
    missing = [name for name in REQUIRED[kind] if not plan.has(name)]
    if missing and need_all:
        raise BadMapping(f"No column is {' or '.join(missing)}. Name it: --map COLUMN={missing[0]}. {_columns(header)}")
    return plan


def _columns(header: list[str]) -> str:
    return f"The columns are: {short(', '.join(header), 300)}."


def attribute_keys(kind: str) -> set[str]:
    """The keys of the custom attributes that rows of this kind can have."""
    subject = SUBJECT_OF.get(kind)
    return set(AttributeDefinition.objects.filter(subject=subject, active=True).values_list("key", flat=True))


def usual_field(kind: str, name: str, attributes: set[str]) -> str | None:
    """The field that a column of this name usually feeds; None if nobody knows."""
    key = attribute_key(name)
    if key in FIELDS[kind]:
        return key
    if key in ALIASES[kind]:
        return ALIASES[kind][key]
    if key in attributes:
        return f"custom.{key}"
    return f"properties.{key}" if kind == "events" else None


def _check_target(kind: str, name: str, wanted: str, mapping: MappingFile) -> None:
    if wanted in FIELDS[kind] or (kind == "events" and wanted.startswith("properties.")):
        return
    if kind != "events" and wanted.startswith("custom."):
        key = wanted.removeprefix("custom.")
        if key in mapping.attributes or key in attribute_keys(kind):
            return
        raise BadMapping(f"There is no attribute “{key}” for {kind}. --new-attributes makes those that are missing.")
    raise BadMapping(f"Column {name}: “{wanted}” is not a field of {kind}. Allowed: {', '.join(FIELDS[kind])}.")
