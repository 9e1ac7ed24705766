"""The values of fields beside rows: of accounts with their team, and of users in accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.fields.registry import Field, Kind, Owner, Vocabulary
from accounts.models import Assignment

OF_ACCOUNTS = (Owner.ACCOUNT, Owner.ASSIGNMENT)
OF_RELATIONSHIPS = {Owner.USER: "user__", Owner.RELATIONSHIP: ""}


def reached(field: Field, expression: Any) -> Any:
    """A field's expression as seen from its own row (an account, a subscription, a user); one of the team is that
    of the account's open assignment."""
    if field.owner is not Owner.ASSIGNMENT:
        return expression("")
    from_rows = Assignment.objects.filter(field.rows, account=OuterRef("pk"), ended_at__isnull=True)
    return Subquery(from_rows.annotate(shown_value=expression("")).values("shown_value")[:1])


def in_relationship(field: Field, *, sorted_by: bool = False) -> Any:
    """A field's expression as seen from a user in an account: what people read, or what it is put in order by."""
    expression = field.value if sorted_by or field.shown is None else field.shown
    return expression(OF_RELATIONSHIPS[field.owner])


def fields_of(vocabulary: Vocabulary, owners: Iterable[Owner]) -> dict[str, Field]:
    """The fields of these owners, by key."""
    wanted = set(owners)
    return {key: item for key, item in vocabulary.items() if item.owner in wanted}


def read_fields(rows: QuerySet[Any], by: str, fields: Sequence[Field]) -> dict[Any, dict[str, Any]]:
    """The values of fields for some rows (accounts, or users in accounts), in one statement: by the rows' column `by`,
    then by the field's key. A missing value is None, a choice its key, a list a list."""
    named = {f"field_{i}": item for i, item in enumerate(fields)}
    values = {
        name: reached(item, item.shown or item.value) if item.owner in OF_ACCOUNTS else in_relationship(item)
        for name, item in named.items()
    }
    found = rows.order_by().annotate(**values).values(by, *named)
    return {row[by]: {item.key: _plain(item, row[name]) for name, item in named.items()} for row in found}


def _plain(field: Field, value: Any) -> Any:
    return None if value == "" or (field.kind is Kind.LIST and value == []) else value
