"""The columns of the list of users that are fields of a user in an account: traits, attributes, roles.

A person of several accounts has a value in each; they stand side by side in the order of the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.fields import Field, Kind, Vocabulary
from accounts.fields.reading import OF_RELATIONSHIPS, fields_of, in_relationship
from accounts.models import EndUser, UserInAccount

# Those that the list shows anyway.
SHOWN = {"user.name", "user.email", "user.title", "user.first_seen_at", "relationship.role", "user.external_id"}
MOST_COLUMNS = 8


@dataclass(frozen=True)
class UserColumn:
    """One further column."""

    key: str
    label: str
    field: Field

    @property
    def kind(self) -> str:
        """Decides the look of a cell."""
        return self.field.kind.value

    @property
    def numeric(self) -> bool:
        """True if the cell is set to the right."""
        return self.field.kind.numeric

    @property
    def sorts(self) -> bool:
        """Whether the list can be put in order by it."""
        return self.field.kind is not Kind.LIST


def user_columns(vocabulary: Vocabulary) -> dict[str, UserColumn]:
    """Every further column there is, by key."""
    fields = fields_of(vocabulary, OF_RELATIONSHIPS)
    return {key: UserColumn(key, item.label, item) for key, item in fields.items() if key not in SHOWN}


def chosen_of(available: dict[str, UserColumn], wanted: Iterable[str] | None) -> list[UserColumn]:
    """Those that an address names, at most eight."""
    return [available[key] for key in dict.fromkeys(wanted or ()) if key in available][:MOST_COLUMNS]


def groups_of(
    available: dict[str, UserColumn], chosen: Sequence[UserColumn]
) -> list[tuple[str, list[tuple[UserColumn, bool]]]]:
    """All of them by category, with whether they show."""
    groups: dict[str, list[tuple[UserColumn, bool]]] = {}
    for column in sorted(available.values(), key=lambda one: one.label.lower()):
        groups.setdefault(column.field.category.value, []).append((column, column in chosen))
    return sorted(groups.items())


def by_field(
    rows: QuerySet[EndUser], field: Field, seen: QuerySet[UserInAccount], *, descending: bool
) -> QuerySet[EndUser]:
    """People by a field, missing values last. Of several accounts (among those `seen`) the highest value counts where
    the highest come first, else the lowest."""
    places = seen.filter(user=OuterRef("pk"), account__isnull=False).annotate(by=in_relationship(field, sorted_by=True))
    ends: Any = Subquery(places.order_by(_way(descending)).values("by")[:1])
    return rows.alias(by=ends).order_by(_way(descending), "name_folded", "pk")


def _way(descending: bool) -> Any:
    by = F("by")
    return by.desc(nulls_last=True) if descending else by.asc(nulls_last=True)
