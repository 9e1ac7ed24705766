"""What a field is, and where each app declares its own.

A field has a key, a label, a category for the picker, a kind, choices if it has any, and the expression that yields its
value. Operators, form controls, validation, columns, sorting, the API's schema and the manual follow from these; none
of them is written by hand a second time. Apps declare downwards, in their `account_fields.py`; this module imports no
app.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable

from core.clock import Moment


class Kind(enum.StrEnum):
    """The type of a field's value; it decides operators and controls."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    PERCENT = "percent"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    LIST = "list"
    LINK = "link"
    PERSON = "person"

    @property
    def numeric(self) -> bool:
        """True if values are decimals that can be compared with each other."""
        return self in (Kind.NUMBER, Kind.MONEY, Kind.PERCENT)


class Category(enum.StrEnum):
    """Where the picker shows a field; the order here is the picker's."""

    ACCOUNTS = "Accounts"
    CUSTOM = "Custom attributes"
    TEAM = "Team"
    SUBSCRIPTION = "Subscription"
    USERS = "Users"
    RELATIONSHIP = "Relationship"
    USAGE = "Usage"
    EVENTS = "Events"
    TRAITS = "Traits"
    HEALTH = "Health"
    MILESTONES = "Milestones"
    ALERTS = "Alerts"
    SEGMENTS = "Segments"


class Stage(enum.IntEnum):
    """When in a refresh a field's value is known; a rule's stage is its latest field's."""

    FACTS = 0
    SEGMENTS = 10
    HEALTH = 20
    MILESTONES = 25
    ALERTS = 30


class Owner(enum.StrEnum):
    """The kind of row whose columns a field's expression names."""

    ACCOUNT = "account"
    USER = "user"
    RELATIONSHIP = "relationship"
    SUBSCRIPTION = "subscription"
    ASSIGNMENT = "assignment"
    EVENT = "event"


class Rows(enum.StrEnum):
    """The sets of rows that hang on an account (or a user) and can be quantified over.

    Two hang on nothing: ACCOUNTS, and IN_ACCOUNTS, whose rows (users in accounts) a rule about users is asked of.
    """

    USERS = "users"
    SUBSCRIPTIONS = "subscriptions"
    ASSIGNMENTS = "assignments"
    MEMBERSHIPS = "memberships"
    USER_MEMBERSHIPS = "user_memberships"
    EVENTS = "events"
    ACCOUNTS = "accounts"
    IN_ACCOUNTS = "in_accounts"


class Subject(enum.StrEnum):
    """What a rule is about, and so what the members of its segment are."""

    ACCOUNT = "account"
    USER = "user"

    @property
    def many(self) -> str:
        """In a sentence: "12 accounts"."""
        return f"{self}s"


@dataclass(frozen=True)
class Choice:
    """One allowed value with the words for it."""

    value: str
    label: str


@dataclass(frozen=True)
class RowSet:
    """A set of rows of an account: a query set of those that count, the column that leads to the account (or to the
    user), the prefix under which each owner's columns are reached from a row, and what a row is called."""

    name: Rows
    rows: Callable[[], QuerySet[Any]]
    link: str
    owners: Mapping[Owner, str]
    title: Combinable | None = None


def no_choices() -> list[Choice]:
    """For a field whose values are not a list."""
    return []


@dataclass(frozen=True, kw_only=True)
class Field:
    """Something that can be named about an account (or about its users, relationships, subscriptions, team).

    `value` takes the prefix that leads from the row in hand to the owner's columns ("" or "user__") and returns the
    expression in comparable form: texts, choices, links and persons folded, numbers and money as decimals (money in the
    workspace's currency), dates, instants, booleans; a list gives the JSON array of its folds. `shown` returns the form
    that people read, if it is another. `stamp` is the key under which its row's stamps say when, and by whom, the value
    was told; of one that is worked out, `known` returns when that was (an instant, a day, or the ISO form of one, ""
    if it is not known). `fed` returns what is missing until a source has told
    something, where `value` never is (a count is 0 without any). `rows` narrows the row set (the CSM among all
    assignments).
    `stored` says that it is stored of the account, its people, contracts, team or notes: neither usage alone moves it
    nor what is computed from usage.
    A value that grows with time alone has `at` too: the same as of a moment, for rules; `value` is then of the present.
    """

    key: str
    label: str
    category: Category
    kind: Kind
    value: Callable[[str], Combinable]
    shown: Callable[[str], Combinable] | None = None
    at: Callable[[str, Moment], Combinable] | None = None
    stamp: str = ""
    known: Callable[[str], Combinable] | None = None
    fed: Callable[[str], Combinable] | None = None
    owner: Owner = Owner.ACCOUNT
    rows: Q | None = None
    choices: Callable[[], list[Choice]] = field(default=no_choices, compare=False)
    stage: Stage = Stage.FACTS
    stored: bool = False
    description: str = ""
    unit: str = ""

    @property
    def is_text(self) -> bool:
        """True if the value is compared as a text."""
        return self.kind in (Kind.TEXT, Kind.LINK)


Properties = Mapping[str, Mapping[str, tuple[Kind, ...]]]


@dataclass(frozen=True)
class EventSource:
    """Where events are found, declared by the app that keeps them.

    `names` gives the events there are, with the numbers under which rows hold them; `daily` the counts per local
    day (columns account, user, name, day, count), `events` each event (account, user, name, at). Of a property of an
    event, `field` gives the field of a kind (None: of any type, to ask whether there is one), `number` and `distinct`
    the expressions that are summed up and told apart. `properties` names the events seen lately with their
    properties and the kinds of those, the usual one first.
    `windows` gives the lengths in days for which the sums up to a day are kept, `recent` those sums (columns account,
    name, count, users, active_days; no row where nothing happened). For the lengths in `compared` it has them, while
    they are kept, up to the day before the window, too. `first` gives the first day ever (account, name, day).
    """

    names: Callable[[], Mapping[str, int]]
    daily: Callable[[], QuerySet[Any]]
    events: Callable[[], QuerySet[Any]]
    field: Callable[[str, Kind | None], Field]
    number: Callable[[str], Combinable]
    distinct: Callable[[str], Combinable]
    properties: Callable[[], Properties]
    windows: Callable[[dt.date], Collection[int]]
    recent: Callable[[dt.date, int], QuerySet[Any]]
    compared: Collection[int]
    first: Callable[[], QuerySet[Any]]


_fields: dict[str, Field] = {}
_event_sources: list[EventSource] = []
_row_sets: dict[Rows, RowSet] = {}


def register(*fields: Field) -> None:
    """Declare fields; a key that is taken is a programmer's mistake and raises ValueError."""
    for item in fields:
        if item.key in _fields:
            raise ValueError(f"the field {item.key} is declared twice")
        _fields[item.key] = item


def register_rows(*row_sets: RowSet) -> None:
    """Declare the sets of rows that rules may quantify over."""
    _row_sets.update({item.name: item for item in row_sets})


def register_events(source: EventSource) -> None:
    """Declare where events are found; the last one declared counts."""
    _event_sources.append(source)


class Vocabulary(Mapping[str, Field]):
    """All fields as they are now, by key. Load one per piece of work; it does not change under it."""

    def __init__(
        self, fields: Iterable[Field], row_sets: Mapping[Rows, RowSet], source: EventSource | None = None
    ) -> None:
        self._fields = {item.key: item for item in _asked_once(fields)}
        self.row_sets = row_sets
        self._source = source
        self.subject = Subject.ACCOUNT
        self._by_subject = {self.subject: self}
        self._windows: dict[dt.date, Collection[int]] = {}

    def about(self, subject: Subject) -> Vocabulary:
        """The same fields, found from what rules about a subject are asked of."""
        if subject not in self._by_subject:
            made = copy(self)
            made.subject = subject
            self._by_subject[subject] = made
        return self._by_subject[subject]

    def only(self, kept: Callable[[Field], bool]) -> Vocabulary:
        """Those of the fields that are kept, for a screen that offers fewer."""
        return Vocabulary(filter(kept, self._fields.values()), self.row_sets, self._source)

    @property
    def events(self) -> EventSource:
        """Where events are found. Raises LookupError if no app keeps any."""
        if self._source is None:
            raise LookupError("no app has declared where events are found")
        return self._source

    @cached_property
    def event_names(self) -> Mapping[str, int]:
        """The events there are, with their numbers; read when a rule first names one."""
        return self._source.names() if self._source else {}

    @cached_property
    def event_properties(self) -> Properties:
        """What events had lately (`EventSource.properties`); read when it is first asked for."""
        return self._source.properties() if self._source else {}

    def event_windows(self, today: dt.date) -> Collection[int]:
        """The lengths in days for which the sums up to this day are kept; asked for once."""
        if today not in self._windows:
            self._windows[today] = self.events.windows(today)
        return self._windows[today]

    def __getitem__(self, key: str) -> Field:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def rows_of(self, owner: Owner) -> RowSet | None:
        """The row set in which an owner's columns are found from an account (or a user in an account); None for those
        of the row itself."""
        asked = self.rows_asked(self.subject)
        if asked is not None and owner in asked.owners:
            return None
        hanging = (rows for rows in self.row_sets.values() if rows.name is not Rows.IN_ACCOUNTS)
        return next((rows for rows in hanging if owner in rows.owners), None)

    def rows_asked(self, subject: Subject) -> RowSet | None:
        """The rows that a rule about a subject is asked of; None for the accounts themselves."""
        return self.row_sets[Rows.IN_ACCOUNTS] if subject is Subject.USER else None

    def by_category(self) -> dict[Category, list[Field]]:
        """For the picker: every category that has fields, in its order, fields by label."""
        found: dict[Category, list[Field]] = {category: [] for category in Category}
        for item in self._fields.values():
            found[item.category].append(item)
        return {category: sorted(items, key=lambda f: f.label.lower()) for category, items in found.items() if items}


def _asked_once(fields: Iterable[Field]) -> Iterator[Field]:
    """The fields with choices that are read when they are first asked for, and then as they were: a piece of work that
    reads and words many rules would else read the same lists again for each condition. Fields with the same choices
    share them."""
    once: dict[Callable[[], list[Choice]], Callable[[], list[Choice]]] = {no_choices: no_choices}
    for item in fields:
        choices = once.setdefault(item.choices, cache(item.choices))
        yield item if choices is item.choices else replace(item, choices=choices)


def declared() -> list[Field]:
    """The fields that are declared in code, the same in every workspace; the database adds its own."""
    return list(_fields.values())


def vocabulary_of(provided: Iterable[Field]) -> Vocabulary:
    """What is declared in code and these fields of the database."""
    dynamic = (item for item in provided if item.key not in _fields)
    return Vocabulary([*_fields.values(), *dynamic], dict(_row_sets), *_event_sources[-1:])
