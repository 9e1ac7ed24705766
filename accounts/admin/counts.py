"""Figures of the company's own lists: what has a stage or a status, what rules read an attribute, whose a value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.fields.uses import uses_by_text
from accounts.models import (
    Account,
    Assignment,
    AttributeChange,
    AttributeDefinition,
    EndUser,
    Relationship,
    Subject,
    Subscription,
)
from core.backoffice import list_link
from core.figures import Figure

_RECORDS: dict[str, type[Any]] = {
    Subject.ACCOUNT: Account,
    Subject.USER: EndUser,
    Subject.RELATIONSHIP: Relationship,
    Subject.SUBSCRIPTION: Subscription,
}


def having(name: str, title: str, records: QuerySet[Any], **narrowed: Any) -> Figure:
    """How many records have an entry of a list in a column, leading to the admin's list of them."""

    def read(keys: Sequence[Any]) -> Mapping[Any, SafeString]:
        counted = records.all().filter(**{f"{name}__in": keys}).order_by().values_list(name).annotate(Count("pk"))
        return {
            key: list_link(records.model, f"{number:,}", **{f"{name}__key__exact": key}, **narrowed)
            for key, number in counted
        }

    return Figure(name, title, read, "0")


def accounts_having(name: str) -> Figure:
    """How many live accounts have it."""
    return having(name, "Accounts", Account.objects.live())


def playing() -> Figure:
    """How many accounts somebody plays the role for at present."""
    return having("role", "Accounts", Assignment.objects.filter(ended_at=None), ended_at__isempty=1)


def rules_reading(ids: Sequence[Any]) -> Mapping[Any, str]:
    """How many rules and other definitions read some attributes, with the first of them."""
    uses = uses_by_text()
    found = {}
    for made in AttributeDefinition.objects.filter(pk__in=ids):
        if named := uses.get(f"{made.subject}.custom.{made.key}"):
            more = f" and {len(named) - 1:,} more" if len(named) > 1 else ""
            found[made.pk] = f"{named[0].kind} “{named[0].name}”{more}"
    return found


def owners_of(ids: Sequence[Any]) -> Mapping[Any, SafeString]:
    """Whose some changed values are, leading to the record; one query for each kind of record among them."""
    changed = list(AttributeChange.objects.filter(pk__in=ids).values_list("pk", "subject", "object_id"))
    owners: dict[tuple[str, int], SafeString] = {}
    for subject, model in _RECORDS.items():
        wanted = {of for _, kind, of in changed if kind == subject}
        related = ("user", "account") if model is Relationship else ()
        for record in model._base_manager.select_related(*related).filter(pk__in=wanted) if wanted else ():
            address = reverse(f"admin:accounts_{model._meta.model_name}_change", args=[record.pk])
            owners[subject, record.pk] = format_html('<a href="{}">{}</a>', address, record)
    return {pk: owners[subject, of] for pk, subject, of in changed if (subject, of) in owners}
