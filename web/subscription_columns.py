"""The columns of subscriptions, one for each field of theirs, and rows for Subscription 360 and the account page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.fields import Owner, Vocabulary
from accounts.models import Subscription
from web.columns import Column, Labels, readable, short_key, shown_values
from web.listing import Cell

ACCOUNT = Column("account", "Account")  # stands first in every line of Subscription 360
DEFAULT = (
    "plan", "status", "mrr", "licences", "billing_period", "starts_on", "renews_on", "auto_renew", "ends_on",
)  # fmt: skip
_FACT = Column("fact", "")


@dataclass(frozen=True)
class SubscriptionRow:
    """One subscription of a list; `facts` stand for its cells on a narrow screen."""

    subscription: Subscription
    cells: list[Cell]
    facts: list[Cell]


def subscription_columns(vocabulary: Vocabulary) -> dict[str, Column]:
    """Every column there is after the account's name, by key."""
    found = [
        Column(short_key(item), item.label, item)
        for items in vocabulary.by_category().values()
        for item in items
        if item.owner is Owner.SUBSCRIPTION
    ]
    return {column.key: column for column in found}


def valued(rows: QuerySet[Subscription], columns: Iterable[Column]) -> QuerySet[Subscription]:
    """Subscriptions with their account, status and the value of each column."""
    return rows.select_related("account", "status").annotate(**shown_values(columns))


def values_of(found: Subscription, columns: Sequence[Column], labels: Labels) -> list[Any]:
    """What a subscription of `valued` has in the columns, in the form that files take."""
    return [readable(column.field, getattr(found, f"c{i}"), labels) for i, column in enumerate(columns) if column.field]


def subscription_rows(found: Iterable[Subscription], columns: Sequence[Column]) -> list[SubscriptionRow]:
    """The rows of a page of subscriptions of `valued`. A plan without a name goes by the subscription's id, and MRR has
    the amount in its own currency beside it."""
    labels, rows = Labels(), []
    for one in found:
        beside = {"mrr": (one.mrr, one.currency)}
        cells = [
            Cell(column, value or one.external_id if column.key == "plan" else value, beside.get(column.key))
            for column, value in zip(columns, values_of(one, columns, labels), strict=True)
        ]
        facts = [
            Cell(_FACT, one.plan),
            Cell(_FACT, one.status.name),
            Cell(_FACT, one.mrr_base, "mrr"),
            Cell(_FACT, one.renews_on, "renews"),
            *(cell for cell in cells if cell.column.key.startswith("custom.")),
        ]
        rows.append(SubscriptionRow(one, cells, [fact for fact in facts if fact.value not in (None, "")]))
    return rows


def filled(columns: Sequence[Column], rows: Sequence[SubscriptionRow]) -> tuple[list[Column], list[SubscriptionRow]]:
    """Only those columns in which some row has a value."""
    kept = [i for i in range(len(columns)) if any(row.cells[i].value is not None for row in rows)]
    shown = [SubscriptionRow(row.subscription, [row.cells[i] for i in kept], row.facts) for row in rows]
    return [columns[i] for i in kept], shown
