"""The columns of the list of users that are fields of a user in an account: traits, attributes, roles.

A person of several accounts has a value in each; they stand side by side in the order of the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.fields import Field, Kind, Vocabulary
from accounts.fields.reading import OF_RELATIONSHIPS, fields_of, in_relationship
from accounts.models import EndUser, UserInAccount
from web.columns import Column

# Those that the list shows anyway.
SHOWN = {"user.name", "user.email", "user.title", "user.first_seen_at", "relationship.role", "user.external_id"}
MOST_COLUMNS = 8


def field_of(column: Column) -> Field:
    """What such a column shows."""
    assert column.field is not None
    return column.field


def sorts(column: Column) -> bool:
    """Whether the list can be put in order by it."""
    return field_of(column).kind is not Kind.LIST


def user_columns(vocabulary: Vocabulary) -> dict[str, Column]:
    """Every further column there is, by key."""
    fields = fields_of(vocabulary, OF_RELATIONSHIPS)
    return {key: Column(key, item.label, item) for key, item in fields.items() if key not in SHOWN}


def chosen_of(available: dict[str, Column], wanted: Iterable[str] | None) -> list[Column]:
    """Those that an address names, at most eight."""
    return [available[key] for key in dict.fromkeys(wanted or ()) if key in available][:MOST_COLUMNS]


def groups_of(available: dict[str, Column], chosen: Sequence[Column]) -> list[tuple[str, list[tuple[Column, bool]]]]:
    """All of them by category, with whether they show."""
    groups: dict[str, list[tuple[Column, bool]]] = {}
    for column in sorted(available.values(), key=lambda one: one.label.lower()):
        groups.setdefault(column.category, []).append((column, column in chosen))
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
