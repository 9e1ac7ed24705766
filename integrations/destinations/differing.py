"""The one statement that finds out what a destination does not know yet: compare, remember, number.

What should be known is compared with what is known (or waits to be sent) by a FULL JOIN, as members are (see
`segments.membership`), and remembered in the same statement. The caller holds the item's row and writes the messages
in the same transaction, so that no change is remembered without its message or told twice.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db import connection
from django.db.models import F, Func, JSONField, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from accounts.fields import Field, Kind, Owner, Subject
from accounts.fields.reading import reached
from accounts.models import Account, EndUser, Relationship
from core.ids import Ids, OneOf
from integrations.models import SyncedValue, SyncItem
from segments.subjects import members_of, subject_of

_DIFF = """
WITH desired AS ({desired}),
stored AS (
    SELECT id AS row, {member} AS member, value, seq FROM {table}
    WHERE item_id = %s AND {member} IS NOT NULL {narrowed}
),
moved AS (
    SELECT coalesce(desired.id, stored.member) AS member, stored.row, coalesce(stored.seq, 0) + 1 AS seq,
           coalesce(desired.value, %s::jsonb) AS value
    FROM desired FULL JOIN stored ON stored.member = desired.id
    WHERE CASE WHEN stored.row IS NULL THEN desired.value <> 'null'
               ELSE coalesce(desired.value, %s::jsonb) <> stored.value END
    ORDER BY 1 LIMIT %s
),
changed AS (
    UPDATE {table} AS known SET value = moved.value, seq = moved.seq, cause = %s, at = %s
    FROM moved WHERE known.id = moved.row
),
added AS (
    INSERT INTO {table} (item_id, {member}, value, seq, cause, at)
    SELECT %s, member, value, seq, %s, %s FROM moved WHERE row IS NULL
)
SELECT member, value, seq FROM moved ORDER BY member
"""
_NOBODY = "SELECT NULL::bigint AS id, NULL::jsonb AS value WHERE FALSE"


@dataclass(frozen=True)
class Change:
    """A value that a destination is to know: of whom, what, and its number."""

    member: int
    value: Any
    seq: int


@dataclass(frozen=True)
class Desired:
    """What should be known under a key: `rows` yields `(id, value)`, of some only where ids are given. `gone` is what
    is true of those that are not among the rows; None leaves them as they are."""

    subject: Subject
    rows: Callable[[Ids | None], QuerySet[Any]]
    gone: str | None


def desired_of(item: SyncItem, field: Field | None) -> Desired:
    """What an item says of the accounts, or users, that it is about."""
    if item.segment is not None:
        return _membership(item)
    assert field is not None
    return _values_of_users(field) if field.owner is Owner.USER else _values_of_accounts(field)


def desired_of_users(item: SyncItem) -> Desired | None:
    """What an item about accounts says of their users: that one of the accounts they belong to is a member. None for
    values, of which a user of several accounts would have several."""
    if item.segment is None or subject_of(item.segment) is Subject.USER:
        return None
    inside = members_of(item.segment).inside(item.segment)

    def rows(only: Ids | None) -> QuerySet[Any]:
        found = Relationship.objects.open().filter(account__in=inside).order_by()
        found = found if only is None else found.filter(OneOf(F("user_id"), only))
        return found.annotate(json=_json("true")).values_list("user_id", "json").distinct()

    return Desired(Subject.USER, rows, "false")


def _membership(item: SyncItem) -> Desired:
    assert item.segment is not None
    segment, members = item.segment, members_of(item.segment)
    column = f"{members.column}_id"

    def rows(only: Ids | None) -> QuerySet[Any]:
        found = members.open_of(segment).order_by()
        found = found if only is None else found.filter(OneOf(F(column), only))
        return found.annotate(json=_json("true")).values_list(column, "json")

    return Desired(subject_of(segment), rows, "false")


def _values_of_accounts(field: Field) -> Desired:
    def rows(only: Ids | None) -> QuerySet[Any]:
        found = Account.objects.live().order_by()
        found = found if only is None else found.filter(OneOf(F("pk"), only))
        return found.annotate(json=_value(field, reached(field, field.shown or field.value))).values_list("pk", "json")

    return Desired(Subject.ACCOUNT, rows, None)


def _values_of_users(field: Field) -> Desired:
    def rows(only: Ids | None) -> QuerySet[Any]:
        found = EndUser.objects.order_by()
        found = found if only is None else found.filter(OneOf(F("pk"), only))
        return found.annotate(json=_value(field, (field.shown or field.value)(""))).values_list("pk", "json")

    return Desired(Subject.USER, rows, None)


def has_one_value(field: Field) -> bool:
    """Whether a field of users has a value of the user, and not another one in each of their accounts."""
    try:
        EndUser.objects.annotate(json=(field.shown or field.value)(""))
    except FieldError:
        return False
    return True


def _value(field: Field, expression: Any) -> Any:
    """A field's value as JSON; null where there is none."""
    found: Any = _as_json(expression)  # JSON stays what it is: custom attributes are shown as they were written
    if field.is_text or field.kind in (Kind.CHOICE, Kind.PERSON):
        found = NullIf(found, _json('""'))
    if field.kind is Kind.LIST:
        found = NullIf(found, _json("[]"))
    return Coalesce(found, _json("null"))


def _as_json(expression: Any) -> Func:
    return Func(expression, function="to_jsonb", output_field=JSONField())


def _json(text: str) -> Func:
    return Func(Value(text), template="(%(expressions)s)::jsonb", output_field=JSONField())


def remember(
    item: SyncItem, desired: Desired, only: Ids | None, *, cause: str, now: dt.datetime, limit: int
) -> list[Change]:
    """Remember at most `limit` values that are not known yet, and say which; none if everything is known."""
    try:
        sql, params = desired.rows(only).query.sql_with_params()
    except EmptyResultSet:
        sql, params = _NOBODY, ()
    member = f"{desired.subject}_id"
    narrowed = f"AND {member} IN (SELECT unnest(%s::bigint[]))" if only is not None else ""
    statement = _DIFF.format(
        desired=f'SELECT "id", "value" FROM ({sql}) AS answer ("id", "value")',  # noqa: S608  (compiled, bound values)
        table=SyncedValue._meta.db_table, member=member, narrowed=narrowed,
    )  # fmt: skip
    ids = [] if only is None else [only.array]
    values = [*params, item.pk, *ids, desired.gone, desired.gone, limit, cause, now, item.pk, cause, now]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [Change(pk, json.loads(value), seq) for pk, value, seq in cursor.fetchall()]
