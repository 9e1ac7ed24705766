"""The columns of lists, one for each field; for Accounts 360 those of accounts and of the team, and four that are put
together: numbers side by side, weekly users as a line, the dimensions of health as glyphs, the reason for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Expression, F, OrderBy

from accounts.fields import Field, Kind, Owner, Vocabulary
from accounts.fields.reading import reached
from core.intake import fold
from web.liststate import ListState

METER, WEEKLY = "active_licences", "weekly_users"
BAND, DIMENSIONS, REASON = "health.band", "health_dimensions", "health_reason"
SCORE = "health__score"  # as seen from an account
DIMENSION, DIMENSION_BAND = "health.dimension.", "health.dimension_band."
ALERTS = "alerts.open"
DEFAULT = ("stage", "plan", "mrr", METER, WEEKLY, "team.csm", "renews_on", "last_seen_at")
# Where accounts are scored, health and why come first.
DEFAULT_SCORED = (BAND, DIMENSIONS, REASON, "mrr", METER, WEEKLY, "team.csm", "renews_on", ALERTS)
DEFAULT_SORT = "-mrr"
_PUT_TOGETHER = {
    METER: ("Active / licences", "Usage"),
    WEEKLY: ("Weekly users", "Usage"),
    DIMENSIONS: ("Health by dimension", "Health"),
    REASON: ("Main reason", "Health"),
}
_CSS = {BAND: "c-health", DIMENSIONS: "c-dims", REASON: "col-reason"}
# Orders that an index or a company's own order of terms serves better than the field's value.
_SORTED_BY = {
    "name": "name_folded",
    "account": "account__name_folded",
    "stage": "stage__position",
    "level": "level__position",
    "status": "status__position",
    BAND: SCORE,
}


@dataclass(frozen=True)
class Column:
    """One column; `field` is None for those that are put together."""

    key: str
    label: str
    field: Field | None = None

    @cached_property
    def kind(self) -> str:
        """Decides the look of a cell."""
        return self.field.kind.value if self.field else self.key

    @cached_property
    def numeric(self) -> bool:
        """True if the cell is set to the right."""
        return self.field is not None and self.field.kind.numeric

    @cached_property
    def css(self) -> str:
        """A class that may be used in a style sheet."""
        return _CSS.get(self.key) or "c-" + self.key.replace(".", "-").replace("_", "-")

    @property
    def category(self) -> str:
        """Where the list of columns shows it."""
        return self.field.category.value if self.field else _PUT_TOGETHER.get(self.key, ("", "Usage"))[1]

    def shown(self) -> Expression | F:
        """The expression for what people read, from the row that the list shows."""
        assert self.field is not None
        return reached(self.field, (self.field.shown or self.field.value))

    def order(self, descending: bool) -> OrderBy | None:
        """The order by this column, missing values last; None if it cannot be sorted."""
        if self.key in _SORTED_BY:
            by: Any = F(_SORTED_BY[self.key])
        elif self.key == METER:
            by = F("usage__active_users_30d")
        elif self.field is None or self.field.kind is Kind.LIST:
            return None
        else:
            people_read = self.field.kind is Kind.PERSON and self.field.shown
            by = reached(self.field, people_read or self.field.value)
        return by.desc(nulls_last=True) if descending else by.asc(nulls_last=True)


# What stands first in every line of Accounts 360.
NAME = Column("name", "Account")


def short_key(field: Field) -> str:
    """The column's key in addresses: account.mrr is mrr."""
    return field.key.removeprefix(f"{field.owner}.")


def all_columns(vocabulary: Vocabulary) -> dict[str, Column]:
    """Every column there is, by key; the account's name is the first of every list and not among them."""
    found = [
        Column(short_key(item), item.label, item)
        for items in vocabulary.by_category().values()
        for item in items
        if item.owner in (Owner.ACCOUNT, Owner.ASSIGNMENT) and item.key != "account.name"
    ]
    found += [Column(key, label) for key, (label, _) in _PUT_TOGETHER.items()]
    return {column.key: column for column in found}


def standard_columns(available: dict[str, Column]) -> Sequence[str]:
    """The columns of Accounts 360 for those who have not chosen any."""
    return DEFAULT_SCORED if has_health(available) else DEFAULT


def chosen_columns(available: dict[str, Column], *wishes: Sequence[str] | None) -> list[Column]:
    """Those of the first wish that names a known column; at most twenty."""
    for wish in wishes:
        found = [available[key] for key in dict.fromkeys(wish or ()) if key in available]
        if found:
            return found[:20]
    return []


def apart(columns: Iterable[Column], available: dict[str, Column]) -> list[Column]:
    """The columns for a file, which holds one value in a cell: those that are put together as their parts, each
    dimension as score and band. Lines are only to be looked at, and left out."""
    names = [key.removeprefix(DIMENSION) for key in available if key.startswith(DIMENSION)]
    parts = {
        METER: ["active_users_30d", "licences"],
        WEEKLY: [],
        BAND: [BAND, "health.score"],
        DIMENSIONS: [key for name in names for key in (f"{DIMENSION}{name}", f"{DIMENSION_BAND}{name}")],
    }
    keys = [key for column in columns for key in parts.get(column.key, [column.key])]
    return [available[key] for key in dict.fromkeys(keys) if key in available]


def has_health(keys: Iterable[str]) -> bool:
    """Whether accounts are scored, which shows in the fields there are: a config brings one for each dimension."""
    return any(key.startswith(DIMENSION) for key in keys)


def sort_column(available: dict[str, Column], sort: str, first: Column = NAME) -> tuple[Column, bool] | None:
    """The column and direction that `sort` names; None if it cannot be sorted so. `first` is the list's own column."""
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    column = first if key == first.key else available.get(key)
    return (column, descending) if column and column.order(descending) is not None else None


@dataclass(frozen=True)
class Head:
    """A column's head: its link sorts, the other way round if it already does."""

    column: Column
    url: str
    aria: str


def heads(state: ListState, columns: Sequence[Column], sort: tuple[Column, bool], first: Column = NAME) -> list[Head]:
    """The heads of a list, that of its own first column before those that were chosen."""
    found = []
    for column in [first, *columns]:
        mine, descending = column.key == sort[0].key, sort[1]
        aria = ("descending" if descending else "ascending") if mine else ""
        # Numbers and dates of the past are first asked for from the top.
        down = not descending if mine else column.numeric
        url = state.but(sort=("-" if down else "") + column.key).url if column.order(down) is not None else ""
        found.append(Head(column, url, aria))
    return found


def column_groups(
    available: dict[str, Column], chosen: Sequence[Column]
) -> list[tuple[str, list[tuple[Column, bool]]]]:
    """Every column by category for the column chooser, with whether it shows; those that show come first, in order."""
    keys = {column.key for column in chosen}
    groups: dict[str, list[tuple[Column, bool]]] = {"Shown, in this order": [(column, True) for column in chosen]}
    for column in available.values():
        if column.key not in keys:
            groups.setdefault(column.category, []).append((column, False))
    return list(groups.items())


class Labels:
    """Words for the stored keys of choices; a list of choices is asked for once a page."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str]] = {}

    def of(self, field: Field, value: Any) -> str:
        """The label of a choice, or the value itself if it is no longer one."""
        if field.key not in self._found:
            self._found[field.key] = {fold(choice.value): choice.label for choice in field.choices()}
        return self._found[field.key].get(fold(str(value)), str(value))


def readable(field: Field, value: Any, labels: Labels) -> Any:
    """A stored value in the form that cells and files take: text, number, date, instant, bool, list or money."""
    if value is None or value == "" or value == []:
        return None
    if field.kind is Kind.CHOICE:
        return labels.of(field, value)
    if isinstance(value, str) and field.kind is Kind.DATE:
        return _parsed(dt.date.fromisoformat, value)
    if isinstance(value, str) and field.kind is Kind.DATETIME:
        return _parsed(dt.datetime.fromisoformat, value)
    return value


def _parsed(read: Any, value: str) -> Any:
    try:
        return read(value)
    except ValueError:
        return value


def shown_values(columns: Iterable[Column]) -> dict[str, Any]:
    """What a query must yield for columns that are fields: one name per column."""
    return {f"c{i}": column.shown() for i, column in enumerate(columns) if column.field}


def selection(columns: Iterable[Column]) -> dict[str, Any]:
    """What a query must yield for the columns of accounts: also the two sides of the meter, the score of a band."""
    columns = list(columns)
    found: dict[str, Any] = shown_values(columns)
    if any(column.key == BAND for column in columns):
        found["score"] = F(SCORE)
    return found | {"active": F("usage__active_users_30d"), "seats": F("licences")}
