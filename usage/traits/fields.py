"""Traits as fields: filter, column, sort and explanation follow from the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from django.db.models import DecimalField, OuterRef, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce

from accounts.fields import Category, Field, Kind, Owner
from accounts.fields.attributes import TypedKey
from usage.traits import events, formulas
from usage.traits.definitions import METHODS
from usage.traits.models import Trait, UserTraits

METHOD_MODULES = (events, formulas)  # importing them registers their methods
Make = Callable[[str, Kind, str], Combinable]
ValueOf = Callable[[str], Combinable]
_NUMBER = DecimalField(max_digits=40, decimal_places=12)


def compared(key: str, kind: Kind, table: str = "") -> Combinable:
    """A trait in comparable form, from the row that has its values."""
    if kind in (Kind.TEXT, Kind.CHOICE):
        return KeyTextTransform(key, f"{table}folded")
    if kind is Kind.LIST:
        return KeyTransform(key, f"{table}folded")
    return TypedKey(f"{table}shown", key, kind=kind)


def read(key: str, kind: Kind, table: str = "") -> Combinable:
    """A trait as people read it."""
    if kind in (Kind.TEXT, Kind.CHOICE, Kind.LIST):
        return KeyTransform(key, f"{table}shown")
    return compared(key, kind, table)


def of_account(make: Make, key: str, kind: Kind, zero: bool) -> Callable[[str], Combinable]:
    """The expression from an account; a count is 0 where there was nothing."""

    def value(prefix: str) -> Combinable:
        found = make(key, kind, f"{prefix}traits__")
        return Coalesce(found, Value(Decimal(0)), output_field=_NUMBER) if zero else found

    return value


def of_user(make: Make, key: str, kind: Kind, zero: bool) -> Callable[[str], Combinable]:
    """The expression from a user in an account (the row in hand is the relationship)."""

    def value(prefix: str) -> Combinable:
        relationship = prefix.removesuffix("user__")
        mine = UserTraits.objects.filter(
            account=OuterRef(f"{relationship}account_id"), user=OuterRef(f"{relationship}user_id")
        )
        found = Subquery(mine.annotate(of_trait=make(key, kind, "")).values("of_trait")[:1])
        return Coalesce(found, Value(Decimal(0)), output_field=_NUMBER) if zero else found

    return value


def trait_fields() -> Iterable[Field]:
    """One field for each active trait."""
    for trait in Trait.objects.filter(active=True):
        method, kind = METHODS.get(trait.method), Kind(trait.kind)
        zero = method is not None and method.zero
        expression = of_account if trait.subject == Trait.Subject.ACCOUNT else of_user
        yield Field(
            key=trait.field_key,
            label=trait.name,
            category=Category.TRAITS,
            kind=kind,
            owner=Owner(trait.subject),
            value=expression(compared, trait.key, kind, zero),
            shown=expression(read, trait.key, kind, zero),
            description=trait.description,
            unit=method.unit if method else "",
        )
