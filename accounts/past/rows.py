"""The rows of a past day, from the changes of `accounts.past.changes`, under the names of the real tables."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Model

from accounts.billing import roll_up_billing
from accounts.facts import ACCOUNT, SUBSCRIPTION
from accounts.facts.shapes import Column, Form, Shape
from accounts.models import Assignment, Relationship
from accounts.past.changes import Needed
from core.clock import Moment
from core.shadow import Shadows

# The newest value of each key that was known at the end of the day.
_KNOWN = """
SELECT object_id, jsonb_object_agg(key, value) AS v,
       jsonb_object_agg(key, folded) FILTER (WHERE folded IS NOT NULL) AS f,
       jsonb_object_agg(substr(key, 8), value) FILTER (WHERE key LIKE 'custom.%%') AS custom
FROM (SELECT DISTINCT ON (object_id, key) object_id, key, value, folded FROM past_change
      WHERE subject = %(subject)s AND since < %(end)s ORDER BY object_id, key, since DESC, place DESC) AS newest
WHERE value IS NOT NULL GROUP BY object_id
"""
# A contract was there before its terms were told; they are then taken to be the first that were told (`known` says so).
_FIRST_TOLD = """
SELECT object_id, jsonb_object_agg(key, value) AS v,
       jsonb_object_agg(key, folded) FILTER (WHERE folded IS NOT NULL) AS f,
       jsonb_object_agg(substr(key, 8), value) FILTER (WHERE key LIKE 'custom.%%' AND since < %(end)s) AS custom,
       jsonb_object_agg(key, since < %(end)s) AS known, min(since) AS first
FROM (SELECT DISTINCT ON (object_id, key) object_id, key, value, folded, since FROM past_change
      WHERE subject = %(subject)s
      ORDER BY object_id, key, since < %(end)s DESC, CASE WHEN since < %(end)s THEN since END DESC,
               CASE WHEN since < %(end)s THEN place END DESC, since, place) AS newest
WHERE value IS NOT NULL GROUP BY object_id
"""
_ACCOUNTS = (
    """
SELECT {columns} FROM {real} AS r JOIN past_account AS came ON came.id = r.id AND came.came <= %(day)s
LEFT JOIN ("""
    + _KNOWN
    + ") AS t ON t.object_id = r.id"
)  # constants of this module
_SUBSCRIPTIONS = (
    """
SELECT {columns} FROM {real} AS r LEFT JOIN ("""
    + _FIRST_TOLD
    + """) AS t ON t.object_id = r.id
LEFT JOIN accounts_subscriptionstatus AS state ON state.key = coalesce(t.v ->> 'status', r.status)
LEFT JOIN accounts_exchangerate AS rate ON rate.currency = coalesce(t.v ->> 'currency', r.currency)
WHERE coalesce((t.v ->> 'starts_on')::date, (t.v ->> 'trial_starts_on')::date,
               (t.first AT TIME ZONE %(zone)s)::date) <= %(day)s
"""
)
_ENDED = "(t.v ->> 'ends_on')::date"
# Whoever is told to be cancelled later was not while the contract ran.
_STATUS = f"""
CASE WHEN (t.known ->> 'status')::boolean IS NOT TRUE AND state.kind IN ('cancelled', 'suspended')
      AND ({_ENDED} IS NULL OR {_ENDED} >= %(day)s)
     THEN (SELECT key FROM accounts_subscriptionstatus WHERE kind = 'active' ORDER BY position, key LIMIT 1)
     ELSE coalesce(t.v ->> 'status', r.status) END
"""  # noqa: S608  # likewise
_OF_SUBSCRIPTIONS = {
    "account_id": "coalesce((t.v ->> 'account')::bigint, r.account_id)",
    "status": _STATUS,
    # An end and a renewal ahead are not known before they are told.
    "ends_on": f"CASE WHEN (t.known ->> 'ends_on')::boolean OR {_ENDED} < %(day)s THEN {_ENDED} END",
    "renews_on": "CASE WHEN (t.known ->> 'renews_on')::boolean THEN (t.v ->> 'renews_on')::date END",
    "mrr_base": "round(coalesce((t.v ->> 'mrr')::numeric, r.mrr) * rate.rate, 2)",
}
_OF_ACCOUNTS = {
    "name": "coalesce(t.v ->> 'name', r.name)",
    "name_folded": "coalesce(t.f ->> 'name', r.name_folded)",
    "search_text": "NULL",
    "archived_at": "CASE WHEN r.archived_at < %(end)s THEN r.archived_at END",
}
# The rest hangs on an account with its own first and last instant.
_OPEN = "SELECT {columns} FROM {real} AS r WHERE {began} < %s AND ({ended} IS NULL OR {ended} >= %s)"


def show_accounts(shadows: Shadows, moment: Moment, needed: Needed) -> None:
    """Accounts with their subscriptions, billing, team, people and notes as they were known at the end of a day."""
    if needed.subscriptions:
        _show(shadows, SUBSCRIPTION, moment, needed)
    _show(shadows, ACCOUNT, moment, needed)
    end = moment.start_of(moment.today + dt.timedelta(days=1))
    for model in (Assignment, Relationship):
        _show_open(shadows, model, end)
    notes = f"SELECT * FROM {shadows.real('accounts_note')} WHERE at < %s"  # noqa: S608
    shadows.view("accounts_note", notes, [end])
    if needed.subscriptions:
        roll_up_billing(moment)


def _show(shadows: Shadows, shape: Shape, moment: Moment, needed: Needed) -> None:
    """One kind of row with its values of then."""
    table = shape.model._meta.db_table
    query, special = (_ACCOUNTS, _OF_ACCOUNTS) if shape is ACCOUNT else (_SUBSCRIPTIONS, _OF_SUBSCRIPTIONS)
    told_keys = set(needed.keys(shape))
    by_column = {_column(shape, column): (key, column) for key, column in shape.columns.items() if key in told_keys}
    plan = "'plan', r.folded -> 'plan', " if shape is ACCOUNT else ""  # which billing then corrects
    made = {
        "attributes": "coalesce(t.custom, '{}'::jsonb)",
        "folded": "jsonb_strip_nulls(jsonb_build_object(" + plan + "'external_id', r.folded -> 'external_id'))"
        " || coalesce(t.f, '{}'::jsonb)",
        "stamps": "'{}'::jsonb",
    }
    names, values = [], []
    for field in shape.model._meta.concrete_fields:
        name = str(field.column)
        told = by_column.get(name)
        found = special.get(name) or made.get(name) or (told and _then(field, *told))
        names.append(f'"{name}"')
        values.append(found or f'r."{name}"')
    day, zone = moment.today, moment.zone.key
    params = {"subject": shape.subject.value, "day": day, "zone": zone}
    params["end"] = moment.start_of(day + dt.timedelta(days=1))
    shadows.table(table, "id", names, query.format(columns=", ".join(values), real=shadows.real(table)), params)


def _column(shape: Shape, column: Column) -> str:
    return str(shape.model._meta.get_field(column.attribute).column)  # type: ignore[union-attr]


def _then(field: Any, key: str, column: Column) -> str:
    """A column's value of then; what was not known is missing."""
    text = f"(t.v ->> '{key}')::{field.db_type(connection)}"
    if column.form is Form.TEXT or column.empty is not None:
        return f"coalesce({text}, '')"
    # What a row must have is what it has now, where nothing was told of it.
    return text if field.null else f'coalesce({text}, r."{field.column}")'


def _show_open(shadows: Shadows, model: type[Model], end: dt.datetime) -> None:
    """Rows that had begun by an instant and had not ended; an end after it is not known yet."""
    names = [field.column for field in model._meta.concrete_fields]
    columns = ", ".join("NULL::timestamptz AS ended_at" if name == "ended_at" else f'r."{name}"' for name in names)
    table = model._meta.db_table
    query = _OPEN.format(columns=columns, real=shadows.real(table), began="r.started_at", ended="r.ended_at")
    shadows.view(table, query, [end, end])
