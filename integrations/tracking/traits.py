"""Traits, as SDKs send them, into the columns and custom attributes of accounts, users and relationships.

`createdAt`, `created_at` and `Created At` are one trait. What is no column becomes a custom attribute, which is defined
on its first value if the source may; a value that its attribute cannot hold is left out with a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from accounts.facts import CLEARED
from accounts.facts.attributes import attribute_key, define_attribute
from accounts.facts.shapes import CUSTOM
from accounts.models import AttributeDefinition, Subject
from core.intake import BadValue, short
from integrations.destinations.marking import keys_of_ours
from integrations.mapping import ALIASES, FIELDS

MOST_ATTRIBUTES = 500
Kind = AttributeDefinition.Kind
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d$")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
# A message says nothing about these: they are decided elsewhere, or are the message's own ids.
_NOT_TRAITS = {"external_id", "at", "parent", "archived_at", "user", "account", "started_at", "ended_at", "id"}
COLUMNS: dict[str, dict[str, str]] = {
    subject: {name: name for name in FIELDS[kind] if name not in _NOT_TRAITS}
    | {alias: name for alias, name in ALIASES[kind].items() if name not in _NOT_TRAITS}
    for subject, kind in (
        (Subject.ACCOUNT, "accounts"),
        (Subject.USER, "users"),
        (Subject.RELATIONSHIP, "relationships"),
    )
}
COLUMNS[Subject.ACCOUNT] |= {"address_country": "country"}


def trait_key(name: str) -> str:
    """The key of a trait, however its words are joined."""
    return attribute_key(_HUMP.sub("_", name))


def flat(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits by their key; what an object holds is named after both (`address.city` is `address_city`)."""
    found: dict[str, Any] = {}
    for name, value in traits.items():
        if isinstance(value, Mapping):
            found |= {f"{trait_key(name)}_{trait_key(str(key))}"[:60]: inner for key, inner in value.items()}
        else:
            found[trait_key(str(name))] = value
    return found


def values_of(subject: str, traits: Mapping[str, Any]) -> dict[str, Any]:
    """`{column or "custom.<key>": value}` as the write side names them."""
    columns = COLUMNS[subject]
    given = {key: value for key, value in flat(traits).items() if key not in _NOT_TRAITS}
    found = {columns.get(key, CUSTOM + key): value for key, value in given.items()}
    found |= {key: given[key] for key in columns.keys() & given.keys() if columns[key] == key}  # before its aliases
    if subject == Subject.USER and "name" not in found:
        parts = [str(found.get(f"custom.{part}_name") or "") for part in ("first", "last")]
        if any(parts):
            found["name"] = " ".join(part for part in parts if part)
    return found


class Definitions:
    """The custom attributes that there are; new ones are defined as values ask for them."""

    def __init__(self, *, may_define: bool) -> None:
        self.may_define = may_define
        self.known = set(AttributeDefinition.objects.values_list("subject", "key"))

    def prepare(self, wanted: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Define what is new among the values of these subjects, in one order, so that nobody waits in a circle."""
        new: dict[tuple[str, str], Any] = {}
        for subject, values in wanted:
            for name, value in values.items():
                key = name.removeprefix(CUSTOM)
                if name.startswith(CUSTOM) and value is not None and (subject, key) not in self.known:
                    new.setdefault((subject, key), value)
        if not self.may_define or not new:
            return
        ours = keys_of_ours({key for _, key in new})
        for subject, key in sorted(new):
            if key in ours:
                continue
            kind = kind_of(new[subject, key])
            if kind and sum(known == subject for known, _ in self.known) < MOST_ATTRIBUTES:
                try:
                    define_attribute(Subject(subject), key, kind=kind)
                except BadValue:
                    continue  # somebody has just defined it with another kind, which decides
                self.known.add((subject, key))

    def usable(self, subject: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The values that can be recorded, and a remark for each of the others."""
        good: dict[str, Any] = {}
        remarks = []
        for name, value in values.items():
            if name.startswith(CUSTOM) and (subject, name.removeprefix(CUSTOM)) not in self.known:
                if value is None:
                    good[name] = CLEARED
                else:
                    remarks.append(f"Trait “{short(name.removeprefix(CUSTOM))}” left out: no such attribute.")
            elif isinstance(value, list) and not all(isinstance(item, str | int | float) for item in value):
                remarks.append(f"Trait “{short(name.removeprefix(CUSTOM))}” left out: a list holds texts.")
            else:
                good[name] = [str(item) for item in value] if isinstance(value, list) else value
        return good, remarks


def kind_of(value: Any) -> str:
    """The kind of attribute that a first value asks for; "" if none can hold it."""
    match value:
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case list():
            return Kind.LIST
        case str() if _DATE.match(value):
            return Kind.DATE
        case str() if _INSTANT.match(value):
            return Kind.DATETIME
        case str():
            return Kind.TEXT
    return ""
