"""Expressions for the columns that rules compare: folds, JSON values by kind, money in the workspace's currency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models
from django.db.models import Case, Expression, F, Func, OuterRef, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import NullIf

from accounts.fields.registry import Kind
from accounts.models import ExchangeRate

# How a kind is read out of JSON: the guard that the stored value must pass, the type it is cast to, and Django's field.
# Guards come first in a CASE, because PostgreSQL may otherwise cast before it filters.
_READ: dict[Kind, tuple[str, str, models.Field[Any, Any]]] = {
    Kind.NUMBER: (
        "jsonb_typeof({json}) = 'number'",
        "({text})::numeric",
        models.DecimalField(max_digits=40, decimal_places=12),
    ),
    Kind.BOOLEAN: ("jsonb_typeof({json}) = 'boolean'", "({text})::boolean", models.BooleanField()),
    Kind.DATE: ("({text}) ~ '^\\d{{4}}-\\d\\d-\\d\\d$'", "({text})::date", models.DateField()),
    Kind.DATETIME: ("({text}) ~ '^\\d{{4}}-\\d\\d-\\d\\dT'", "({text})::timestamptz", models.DateTimeField()),
}


class TypedKey(Func):
    """A key of a JSONB column as a number, boolean, date or instant; NULL if it holds something else."""

    def __init__(self, column: str | F, *path: str, kind: Kind) -> None:
        self.path, self.read_as = path, Kind.NUMBER if kind.numeric else kind
        super().__init__(F(column) if isinstance(column, str) else column, output_field=_READ[self.read_as][2])

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`CASE WHEN guard THEN cast END` with the path bound as parameters."""
        column, params = compiler.compile(self.source_expressions[0])
        guard, cast = _READ[self.read_as][:2]
        shape = {"json": f"{column} #> %s", "text": f"{column} #>> %s"}
        sql = f"(CASE WHEN {guard.format(**shape)} THEN {cast.format(**shape)} END)"
        return sql, [*params, list(self.path), *params, list(self.path)]


def column(path: str) -> Callable[[str], F]:
    """A plain column of the owner."""
    return lambda prefix: F(prefix + path)


def where_known(path: str, value: Combinable) -> Combinable:
    """A value that is never missing, such as a count, only where the row that it is about is there; "" is the row in
    hand. (A user of no account has no accounts' figures, not figures of 0.)"""
    return Case(When(**{f"{path}__isnull": False}, then=value)) if path else value


def filled(path: str) -> Callable[[str], Expression]:
    """A plain text column that may be blank, which means that it is missing."""
    return lambda prefix: NullIf(F(prefix + path), Value(""))


def text(path: str) -> Callable[[str], Expression]:
    """The fold of a text column; NULL if the text is empty."""
    return lambda prefix: KeyTextTransform(path, prefix + "folded")


def stamped(key: str) -> Callable[[str], Expression]:
    """When the newest value of a column or custom attribute was told, by the row's stamps (an instant in ISO form)."""
    return lambda prefix: KeyTextTransform("0", KeyTransform(key, prefix + "stamps"))


def custom(key: str, kind: Kind) -> Callable[[str], Expression]:
    """A custom attribute in comparable form."""

    def value(prefix: str) -> Expression:
        if kind in (Kind.TEXT, Kind.CHOICE, Kind.LINK):
            return KeyTextTransform(f"custom.{key}", prefix + "folded")
        if kind is Kind.LIST:
            return KeyTransform(f"custom.{key}", prefix + "folded")
        if kind is Kind.MONEY:
            return _money(prefix + "attributes", key)
        return TypedKey(prefix + "attributes", key, kind=kind)

    return value


def custom_shown(key: str) -> Callable[[str], Expression]:
    """A custom attribute as it was written (JSON)."""
    return lambda prefix: KeyTransform(key, prefix + "attributes")


def _money(attributes: str, key: str) -> Expression:
    """The amount in the workspace's currency: an unknown rate gives NULL, which is missing, not zero."""
    rate = ExchangeRate.objects.filter(currency=KeyTextTransform("currency", KeyTransform(key, OuterRef(attributes))))
    amount = TypedKey(attributes, key, "amount", kind=Kind.NUMBER)
    return models.ExpressionWrapper(
        amount * Subquery(rate.values("rate")[:1]), output_field=models.DecimalField(max_digits=40, decimal_places=12)
    )
