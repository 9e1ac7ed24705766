"""Traits made of other fields: a ratio, a difference, a change in percent, and the time since a date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import F

from accounts.fields import Field, Kind, Rows
from accounts.models import Account, Relationship
from core.ids import OneOf
from usage.traits.definitions import Method, Scope, register_methods
from usage.traits.properties import Sql
from usage.traits.reading import Reading

_NUMERIC = (Kind.NUMBER, Kind.MONEY, Kind.PERCENT)
# A missing side gives no value, and neither does a division by zero.
_FORMULAS = {
    "ratio": "q.x / nullif(q.y, 0)",
    "difference": "q.x - q.y",
    "percent_change": "(q.x - q.y) * 100 / nullif(abs(q.y), 0)",
}
_LABELS = {"ratio": "Ratio", "difference": "Difference", "percent_change": "Percent change"}
# Whole units that have passed; months clamp as everywhere (31 January to 28 February is a month).
_UNITS = {
    "day": "(%s::date - q.x)",
    "week": "(%s::date - q.x) / 7",
    "month": "(extract(year FROM age(%s::date, q.x)) * 12 + extract(month FROM age(%s::date, q.x)))",
}


def values_of(fields: list[Field], scope: Scope) -> Sql:
    """A query of the keys of every account (or user in an account) and the values of these fields."""
    rows: Any
    if scope.subject == "account":
        rows, keys = Account.objects.live(), ["pk"]
        made = {f"trait_{i}": field.value("") for i, field in enumerate(fields)}
    else:
        rows, keys = Relationship.objects.open(), ["account_id", "user_id"]
        owners = scope.vocabulary.row_sets[Rows.USERS].owners
        made = {f"trait_{i}": field.value(owners[field.owner]) for i, field in enumerate(fields)}
    if scope.accounts is not None:
        rows = rows.filter(OneOf(F(keys[0]), scope.accounts))
    try:
        sql, params = rows.order_by().annotate(**made).values_list(*keys, *made).query.sql_with_params()
    except EmptyResultSet:
        return "SELECT NULL::bigint, NULL::bigint, NULL, NULL WHERE false", []
    return sql, list(params)


def columns_of(scope: Scope) -> str:
    """The names of the keys of such a query."""
    return "account_id" if scope.subject == "account" else "account_id, user_id"


@dataclass(frozen=True)
class Formula:
    """Two numbers of the same account or user."""

    method: str
    left: Field
    right: Field

    @property
    def kind(self) -> Kind:
        """A change in percent is one; a difference of money is money."""
        if self.method == "percent_change":
            return Kind.PERCENT
        money = self.left.kind is Kind.MONEY and self.right.kind is Kind.MONEY
        same = self.left.kind is self.right.kind
        return self.left.kind if self.method == "difference" and (money or same) else Kind.NUMBER

    @property
    def words(self) -> str:
        """How it is computed, in a sentence."""
        left, right = self.left.label, self.right.label
        return {
            "ratio": f"{left} divided by {right}",
            "difference": f"{left} less {right}",
            "percent_change": f"Change from {right} to {left}, in percent",
        }[self.method]

    def fields(self) -> set[str]:
        """Both sides."""
        return {self.left.key, self.right.key}

    def source(self, scope: Scope) -> Sql:
        """One pass over the accounts or users."""
        sql, params = values_of([self.left, self.right], scope)
        keys = columns_of(scope)
        rounded = f"trim_scale(round(({_FORMULAS[self.method]})::numeric, 6))"
        return f"SELECT {keys}, to_jsonb({rounded}) FROM ({sql}) AS q ({keys}, x, y)", params  # noqa: S608


@dataclass(frozen=True)
class Tenure:
    """How long ago a date was, in whole units; of a date that is still ahead it is missing."""

    since: Field
    unit: str

    @property
    def kind(self) -> Kind:
        """Whole units."""
        return Kind.NUMBER

    @property
    def words(self) -> str:
        """How it is computed, in a sentence."""
        return f"Whole {self.unit}s since {self.since.label}"

    def fields(self) -> set[str]:
        """The date."""
        return {self.since.key}

    def source(self, scope: Scope) -> Sql:
        """One pass over the accounts or users; an instant counts by its local day."""
        sql, params = values_of([self.since], scope)
        keys, today = columns_of(scope), scope.moment.today
        local, zone = "q.x", []
        if self.since.kind is Kind.DATETIME:
            local, zone = "(q.x AT TIME ZONE %s)::date", [scope.moment.zone.key]
        age = _UNITS[self.unit]
        outer = f"SELECT {keys}, to_jsonb({age}) FROM (SELECT {keys}, {local} AS x FROM"  # noqa: S608
        return f"{outer} ({sql}) AS q ({keys}, x)) AS q WHERE q.x <= %s", [
            *[today] * age.count("%s"), *zone, *params, today,
        ]  # fmt: skip


def _formula(method: str) -> Any:
    def read(reading: Reading) -> Formula:
        left = reading.field("left", _NUMERIC, "a number")
        right = reading.field("right", _NUMERIC, "a number")
        return Formula(method, left, right)  # type: ignore[arg-type]  # a missing one is refused before it is used

    return read


def _tenure(reading: Reading) -> Tenure:
    since = reading.field("since", (Kind.DATE, Kind.DATETIME), "a date")
    return Tenure(since, reading.one_of("unit", tuple(_UNITS), "day"))  # type: ignore[arg-type]


register_methods(
    Method(key, label, "Formulas", _formula(key), needs=("left", "right")) for key, label in _LABELS.items()
)
register_methods([Method("tenure", "Tenure", "Formulas", _tenure, needs=("since", "unit"))])
