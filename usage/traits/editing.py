"""Making and changing traits: the one way, for the page, the admin and the API."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.facts.attributes import attribute_key
from accounts.fields import vocabulary
from accounts.fields.uses import FieldUse, find_field_uses_with, texts_in, uses_of_field
from core.clock import moment
from core.intake import BadValue, clean_text, fold
from core.locks import xact_lock
from core.refusals import Problem
from usage.traits.computing import check_author, compute_for_all, forget, preview_of
from usage.traits.days import forget_days
from usage.traits.definitions import METHODS, Scope, read_definition
from usage.traits.models import Trait
from usage.traits.reading import TraitError
from usage.traits.scores import bands_in

MOST_TRAITS = 200


class TraitInUse(Exception):
    """The trait cannot go while it is used; `users` says by what."""

    def __init__(self, trait: Trait, users: list[FieldUse]) -> None:
        self.trait, self.users = trait, users
        listed = ", ".join(f"{use.kind} “{use.name}”" for use in users)
        super().__init__(f"{trait.name} is used by {listed}. Remove it there first.")


@find_field_uses_with
def _traits_that_read() -> list[tuple[FieldUse, set[str]]]:
    """Traits with the texts of their definition."""
    found = Trait.objects.only("pk", "name", "definition")
    return [(FieldUse("trait", trait.name, trait.pk), texts_in(trait.definition)) for trait in found]


def uses_of_trait(trait: Trait) -> list[FieldUse]:
    """Everything that names one of the trait's fields, other than itself."""
    own = FieldUse("trait", trait.name, trait.pk)
    found = [use for key in (trait.field_key, trait.band_key) for use in uses_of_field(key)]
    return [use for use in dict.fromkeys(found) if use != own]


def save_trait(
    trait: Trait | None,
    *,
    name: str,
    method: str,
    definition: Any,
    subject: str = Trait.Subject.ACCOUNT,
    description: str = "",
    active: bool = True,
    author: Any = None,
    compute_now: bool = True,
) -> Trait:
    """Check and store a trait, and compute it. A trait keeps its subject and key for good, because rules name them.

    Raises TraitError with every problem found (a circle of traits among them), TraitInUse if a used trait would be
    switched off or change its kind, and TraitFailed if SQL does not give what it must.
    """
    check_author(author, method, trait.method if trait else "")
    with transaction.atomic():
        xact_lock("traits")
        found = trait or Trait(subject=subject)
        problems = _named(found, name, description)
        try:
            meant = read_definition(found.subject, method, definition, vocabulary())
        except TraitError as error:
            raise TraitError([*problems, *error.problems]) from error
        if problems:
            raise TraitError(problems)
        kind = meant.kind.value
        if METHODS[method].administrators and active:
            preview_of(meant, Scope(found.subject, moment(), vocabulary()))
        if found.pk:
            _check_circle(found, definition)
            _check_uses(found, kind, active, method, definition)
        again = (found.method, found.definition, found.active) != (method, definition, active)
        found.method, found.definition, found.kind, found.active = method, definition, kind, active
        found.author = author or found.author
        found.save()
    if compute_now and found.active:
        compute_for_all(found, redefined=again)
    elif not found.active and again:
        forget(found)
    return found


def delete_trait(trait: Trait) -> None:
    """Delete a trait with its values and their history. Raises TraitInUse while anything names it."""
    users = uses_of_trait(trait)
    if users:
        raise TraitInUse(trait, users)
    forget(trait)
    forget_days(trait)
    trait.delete()


def _named(trait: Trait, name: str, description: str) -> list[Problem]:
    """Set name, key and description; what is wrong with them is returned."""
    problems = []
    try:
        trait.name, trait.description = clean_text(name, 120), clean_text(description, 255)
    except BadValue as error:
        return [Problem("/name", "invalid-text", str(error))]
    if not trait.name:
        return [Problem("/name", "required", "The name is missing.")]
    others = Trait.objects.filter(subject=trait.subject).exclude(pk=trait.pk)
    trait.key = trait.key or attribute_key(trait.name)
    if others.filter(name_folded=fold(trait.name)).exists() or (not trait.pk and others.filter(key=trait.key).exists()):
        problems.append(
            Problem("/name", "name-taken", f"There is already a trait “{trait.name}” of the {trait.subject}.")
        )
    elif not trait.pk and Trait.objects.count() >= MOST_TRAITS:
        problems.append(Problem("/name", "too-many", f"There are {MOST_TRAITS} traits already; delete one first."))
    return problems


def _check_circle(trait: Trait, definition: Any) -> None:
    """Refuse a definition that reads the trait itself, at once or by way of others; the path is spelled out."""
    by_key = {item.field_key: item for item in Trait.objects.exclude(pk=trait.pk)}

    def follow(named: set[str], path: list[str]) -> None:
        if trait.field_key in named:
            way = " → ".join([trait.name, *path, trait.name])
            raise TraitError([Problem("/definition", "cycle", f"The trait would read itself: {way}.")])
        for key in sorted(named & by_key.keys()):
            if by_key[key].name not in path:
                follow(texts_in(by_key[key].definition), [*path, by_key[key].name])

    follow(texts_in(definition), [])


def _check_uses(trait: Trait, kind: str, active: bool, method: str, definition: Any) -> None:
    """Refuse what would break a rule: no field any more, another kind, a band that is gone."""
    users: list[FieldUse] = []
    if (not active and trait.active) or kind != trait.kind:
        users = uses_of_trait(trait)
    elif trait.method == "engagement":
        kept = {band.name for band in bands_in(definition)} if method == "engagement" else set()
        if {band.name for band in bands_in(trait.definition)} - kept:
            users = uses_of_field(trait.band_key)
    if users:
        raise TraitInUse(trait, users)
