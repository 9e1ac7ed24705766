"""What the attribute picker offers: every field by category, with a mark of its type and real example values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from accounts.fields import Category, Choice, Field, Kind, Subject, Vocabulary
from accounts.models import Account
from segments.questions import Reader
from segments.rule_view import ICONS
from segments.samples import examples, few_values

MARKS = {
    Kind.TEXT: "T", Kind.LINK: "T", Kind.NUMBER: "#", Kind.MONEY: "$", Kind.PERCENT: "%", Kind.BOOLEAN: "?",
    Kind.DATE: "D", Kind.DATETIME: "D", Kind.CHOICE: "=", Kind.LIST: "=", Kind.PERSON: "@",
}  # fmt: skip
STARTERS = (
    "account.stage",
    "account.renews_on",
    "account.mrr",
    "account.plan",
    "account.active_users_30d",
    "account.last_seen_at",
)

USER_STARTERS = (
    "relationship.role",
    "user.last_seen_at",
    "user.title",
    "user.email",
    "account.stage",
    "account.renews_on",
)


class Hints:
    """What is told of the values of fields, read when it is first asked for: most steps of editing show no picker.

    Two statements per kind of row, for the examples and the shares, both by the key of the field. The examples are
    values of the accounts `seen`, those that whoever opens the picker may see.
    """

    def __init__(self, vocabulary: Vocabulary, seen: QuerySet[Account]) -> None:
        self._vocabulary, self._seen = vocabulary, seen

    @cached_property
    def examples(self) -> dict[str, Any]:
        """One real value for each field that has a free one."""
        return examples(self._vocabulary, self._seen)

    @cached_property
    def few(self) -> dict[str, str]:
        """What share of the rows has a value, in words, where that is small."""
        return few_values(self._vocabulary)


@dataclass(frozen=True)
class Option:
    """One attribute in the picker: `said` under it, or else what the `hints` tell of its values."""

    key: str
    label: str
    mark: str
    said: str = ""
    rows: str = ""
    hints: Hints | None = None

    @property
    def example(self) -> str:
        """Examples of its values."""
        if self.said or self.hints is None:
            return self.said
        return _example_text(self.hints.examples.get(self.key))

    @property
    def few(self) -> str:
        """What share of the rows has a value, in words, where that is small."""
        return self.hints.few.get(self.key, "") if self.hints else ""


@dataclass(frozen=True)
class Shelf:
    """One category of the picker."""

    slug: str
    label: str
    icon: str
    options: list[Option]


@dataclass(frozen=True)
class Catalogue:
    """The whole picker."""

    shelves: list[Shelf]
    starters: list[Option]
    subject: Subject = Subject.ACCOUNT

    @property
    def total(self) -> int:
        """How many attributes there are."""
        return sum(len(shelf.options) for shelf in self.shelves)


def catalogue(reader: Reader, seen: QuerySet[Account]) -> Catalogue:
    """The picker for the present vocabulary, with examples from the accounts `seen` (see `Hints`)."""
    vocabulary = reader.vocabulary
    hints = Hints(vocabulary, seen)
    # Fields that share a list of choices (the colleagues of every role) share its statement.
    lists = {function: function() for function in {item.choices for item in vocabulary.values()}}
    shelves = []
    for category, fields in vocabulary.by_category().items():
        options = [
            Option(
                item.key, item.label, MARKS[item.kind], _choices(item, lists[item.choices]),
                _rows(item, vocabulary), hints,
            )
            for item in fields
        ]  # fmt: skip
        shelves.append(Shelf(category.name.lower(), category.value, ICONS.get(category, "tag"), options))
    if vocabulary.event_names:
        shelves.append(Shelf("events", Category.EVENTS.value, ICONS[Category.EVENTS], _events(vocabulary)))
    shelves.append(Shelf("segments", Category.SEGMENTS.value, ICONS[Category.SEGMENTS], _segments(reader)))
    by_key = {option.key: option for shelf in shelves for option in shelf.options}
    starters = STARTERS if reader.subject is Subject.ACCOUNT else USER_STARTERS
    return Catalogue(shelves, [by_key[key] for key in starters if key in by_key], reader.subject)


def _segments(reader: Reader) -> list[Option]:
    """Membership of a segment; in a rule about accounts that of a segment of users belongs to conditions on users."""
    of_users = [name for key, (_, name) in reader.segments.items() if reader.subjects.get(key) == Subject.USER]
    if reader.subject is Subject.USER:
        names = [name for _, name in reader.segments.values()]
        return [Option("segment", "Member of segment", "S", ", ".join(names[:3]))]
    names = [name for key, (_, name) in reader.segments.items() if reader.subjects.get(key) != Subject.USER]
    member = Option("segment", "Member of segment", "S", ", ".join(names[:3]))
    if not of_users:
        return [member]
    return [member, Option("user_segment", "User in segment of users", "S", ", ".join(of_users[:3]), "users")]


def _events(vocabulary: Vocabulary) -> list[Option]:
    """Every event, with the properties that it had lately; an event can stand among conditions on users, too."""
    properties = vocabulary.event_properties
    return [
        Option(f"event:{name}", name, "E", ", ".join(list(properties.get(name, {}))[:3]), "users")
        for name in sorted(vocabulary.event_names, key=str.lower)
    ]


def _rows(item: Field, vocabulary: Vocabulary) -> str:
    rows = vocabulary.rows_of(item.owner)
    return rows.name.value if rows and rows.name in ("users", "subscriptions") else ""


def _choices(item: Field, choices: list[Choice]) -> str:
    """The first values of a field that has but few."""
    return "Yes, No" if item.kind is Kind.BOOLEAN else ", ".join(choice.label for choice in choices[:3])


def _example_text(example: Any) -> str:
    if isinstance(example, dict):
        example = f"{example.get('amount', '')} {example.get('currency', '')}".strip()
    if isinstance(example, list):
        return ", ".join(map(str, example[:2]))
    if isinstance(example, dt.date):
        return f"{example.day} {example:%b %Y}"
    if isinstance(example, int | float | Decimal) and not isinstance(example, bool):
        return f"{example:,.0f}"
    return "" if example is None else str(example)[:40]
