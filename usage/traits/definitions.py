"""What a trait is made of: a method and the definition that it reads. Methods are registered, here and in apps above.

The grammar, by method (the manual's page on traits says it in full):
    count | sum, avg, min, max | most_frequent | first, last | unique_list, unique_count
        {"event": "Report Exported" or a list, "window": …, "where": […], "property": "pages", "as": "text" | "number"}
    ratio | difference | percent_change    {"left": field, "right": field}
    tenure                                 {"since": field, "unit": "day" | "week" | "month"}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from accounts.fields import Kind, Vocabulary
from core.clock import Moment
from core.ids import Ids
from usage.traits.properties import Sql
from usage.traits.reading import Reading

SUBJECTS = ("account", "user")


@dataclass(frozen=True)
class Scope:
    """What a computation is about: the subject, its moment, the fields it may read.

    `accounts` are the only ones whose values are wanted (primary keys), None for all; a source may yield others too.
    """

    subject: str
    moment: Moment
    vocabulary: Vocabulary
    accounts: Ids | None = None

    @property
    def keys(self) -> str:
        """The columns that say whose value it is, of an event `e`."""
        return "e.account_id" if self.subject == "account" else "e.account_id, e.user_id"

    def asked(self, column: str) -> tuple[str, list[Any]]:
        """That a column names one of these accounts, as the end of a WHERE; nothing if all are wanted."""
        if self.accounts is None:
            return "", []
        return f" AND {column} IN (SELECT unnest(%s::bigint[]))", [self.accounts.array]


class Definition(Protocol):
    """A definition as it was understood."""

    @property
    def kind(self) -> Kind:
        """The kind of the values."""

    @property
    def words(self) -> str:
        """How it is computed, in a sentence without its full stop."""

    def fields(self) -> set[str]:
        """The keys of the fields that it reads."""

    def source(self, scope: Scope) -> Sql:
        """A query of (account_id, value as jsonb), or (account_id, user_id, value); a missing value gives no row."""


@dataclass(frozen=True)
class Method:
    """A way to compute a trait. `zero` says that the field is 0 where nothing was found, `needs` names the
    keys of its definition, for forms; `administrators` keeps it to them. `together` says that one account's
    value may depend on other accounts."""

    key: str
    label: str
    group: str
    read: Callable[[Reading], Definition]
    subjects: tuple[str, ...] = SUBJECTS
    zero: bool = False
    unit: str = ""
    needs: tuple[str, ...] = field(default=())
    administrators: bool = False
    together: bool = False


METHODS: dict[str, Method] = {}


def register_methods(methods: Iterable[Method]) -> None:
    """Declare ways to compute traits."""
    METHODS.update({method.key: method for method in methods})


def read_definition(subject: str, method: str, data: Any, vocabulary: Vocabulary) -> Definition:
    """A definition as it was sent or stored. Raises TraitError with every problem found."""
    reading = Reading(data, subject, vocabulary)
    known = METHODS.get(method)
    if known is None:
        reading.problems.clear()
        reading.known.update(map(str, reading.data))
        reading.fail("/method", "unknown-method", f"There is no method “{method[:60]}”.", METHODS)
        reading.end()
    assert known is not None
    if subject not in known.subjects:
        reading.fail("/method", "invalid-value", f"{known.label} is not made for the {subject}.", known.subjects)
    found = known.read(reading)
    reading.end()
    return found
