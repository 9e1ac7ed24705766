"""Traits as fields: filter, column, sort and explanation follow from the registry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from django.db.models import (
    Case,
    DateTimeField,
    DecimalField,
    ExpressionWrapper,
    OuterRef,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual

from accounts.fields import Category, Choice, Field, Kind, Owner
from accounts.fields.attributes import TypedKey, where_known
from usage.traits import events, formulas, scores, sql_traits
from usage.traits.definitions import METHODS
from usage.traits.models import Trait, UserTraits
from usage.traits.scores import Band

METHOD_MODULES = (events, formulas, scores, sql_traits)  # importing them registers their methods
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
        if not zero:
            return found
        return where_known(prefix.removesuffix("__"), Coalesce(found, Value(Decimal(0)), output_field=_NUMBER))

    return value


def of_user(make: Make, key: str, kind: Kind, zero: bool) -> Callable[[str], Combinable]:
    """The expression from a user in an account (the row in hand is the relationship)."""

    def value(prefix: str) -> Combinable:
        relationship = prefix.removesuffix("user__")
        mine = UserTraits.objects.filter(
            account=OuterRef(f"{relationship}account_id"), user=OuterRef(f"{relationship}user_id")
        )
        found = Subquery(mine.annotate(of_trait=make(key, kind, "")).values("of_trait")[:1])
        if not zero:
            return found
        return where_known(f"{relationship}account", Coalesce(found, Value(Decimal(0)), output_field=_NUMBER))

    return value


def band_of(score: ValueOf, bands: tuple[Band, ...]) -> ValueOf:
    """The name of the band that a score is in."""

    def value(prefix: str) -> Combinable:
        found = ExpressionWrapper(score(prefix), output_field=_NUMBER)
        steps = [When(GreaterThanOrEqual(found, band.start), then=Value(band.name)) for band in reversed(bands)]
        return Case(*steps, output_field=TextField())

    return value


def computed_at(instant: dt.datetime | None, prefix: str) -> Combinable:
    """When a trait was last computed, the same for each of its values."""
    return Value(instant, output_field=DateTimeField())


def trait_fields() -> Iterable[Field]:
    """One field for each active trait, and one for the bands of a score."""
    for trait in Trait.objects.filter(active=True):
        method, kind = METHODS.get(trait.method), Kind(trait.kind)
        zero = method is not None and method.zero
        expression = of_account if trait.subject == Trait.Subject.ACCOUNT else of_user
        value = expression(compared, trait.key, kind, zero)
        known = partial(computed_at, trait.computed_at)
        field = partial(Field, category=Category.TRAITS, owner=Owner(trait.subject), known=known)
        yield field(
            key=trait.field_key,
            label=trait.name,
            kind=kind,
            value=value,
            shown=expression(read, trait.key, kind, zero),
            fed=expression(compared, trait.key, kind, False),
            description=trait.description,
            unit=method.unit if method else "",
        )
        if trait.method == "engagement":
            bands = scores.bands_in(trait.definition)
            yield field(
                key=trait.band_key,
                label=f"{trait.name}, band",
                kind=Kind.CHOICE,
                value=band_of(value, bands),
                choices=partial(_band_choices, bands),
                description=f"The band of {trait.name}.",
            )


def _band_choices(bands: tuple[Band, ...]) -> list[Choice]:
    return [Choice(band.name, band.name) for band in bands]
