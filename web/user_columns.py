"""The columns of the list of users that are fields of a user in an account: traits, attributes, roles.

A person of several accounts has a value in each; they stand side by side in the order of the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.fields import Field, Kind, Owner, Vocabulary
from accounts.fields.reading import OF_RELATIONSHIPS, fields_of, in_relationship
from accounts.models import EndUser, Relationship, UserInAccount
from web.columns import Column, Labels, readable
from web.listing import Cell

# Those that the list shows anyway.
SHOWN = {"user.name", "user.email", "user.title", "user.first_seen_at", "relationship.role", "user.external_id"}
STARTED = "relationship.started_at"
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


@dataclass(frozen=True)
class Place:
    """An account in which a person is or was, with what is true of them there."""

    relationship: Relationship
    cells: list[Cell]


def places_of(mine: QuerySet[Relationship], vocabulary: Vocabulary) -> tuple[list[Column], list[Place]]:
    """The relationships of one person, those that go on first, and the columns in which some of them has a value:
    properties of the relationship, and what is known of the person in that account only (last seen, traits)."""
    everywhere = (STARTED, f"{Owner.USER}.custom.")
    columns = [one for one in user_columns(vocabulary).values() if not one.key.startswith(everywhere)]
    read = {f"c{i}": in_relationship(field_of(one)) for i, one in enumerate(columns)}
    rows = mine.select_related("account").annotate(**read)
    found = list(rows.order_by(F("ended_at").desc(nulls_first=True), "account__name_folded", "pk"))
    labels = Labels()
    values = [
        [readable(field_of(one), getattr(row, f"c{i}"), labels) for i, one in enumerate(columns)] for row in found
    ]
    kept = [i for i in range(len(columns)) if any(row[i] is not None for row in values)]
    places = [Place(row, [Cell(columns[i], of[i]) for i in kept]) for row, of in zip(found, values, strict=True)]
    return [columns[i] for i in kept], places


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
