"""The rows of a past day, from the changes of `accounts.past.changes`, under the names of the real tables."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Model

from accounts.billing import roll_up_billing
from accounts.facts import ACCOUNT, SUBSCRIPTION
from accounts.facts.shapes import Column, Form, Shape
from accounts.models import Assignment, Relationship
from accounts.past.changes import STATES, Needed
from core.clock import Moment
from core.shadow import Shadows, passing_shadows, session_table
from core.spans import ONE_DAY

# Those of which something became known since the day before.
_CONCERNED = "SELECT object_id FROM past_change WHERE subject = %(subject)s AND since >= %(after)s AND since < %(end)s"
# The newest value of each key that was known at the end of the day.
_KNOWN = """
SELECT object_id, jsonb_object_agg(key, value) AS v,
       jsonb_object_agg(key, folded) FILTER (WHERE folded IS NOT NULL) AS f,
       jsonb_object_agg(substr(key, 8), value) FILTER (WHERE key LIKE 'custom.%%') AS custom
FROM (SELECT DISTINCT ON (object_id, key) object_id, key, value, folded FROM past_change
      WHERE subject = %(subject)s AND since < %(end)s {of}
      ORDER BY object_id, key, since DESC, place DESC) AS newest
WHERE value IS NOT NULL GROUP BY object_id
"""
# A contract was there before its terms were told; they are then taken to be the first that were told (`known` says so).
_FIRST_TOLD = """
SELECT object_id, jsonb_object_agg(key, value) AS v,
       jsonb_object_agg(key, folded) FILTER (WHERE folded IS NOT NULL) AS f,
       jsonb_object_agg(substr(key, 8), value) FILTER (WHERE key LIKE 'custom.%%' AND since < %(end)s) AS custom,
       jsonb_object_agg(key, since < %(end)s) AS known, min(since) AS first
FROM (SELECT DISTINCT ON (object_id, key) object_id, key, value, folded, since FROM past_change
      WHERE subject = %(subject)s {of}
      ORDER BY object_id, key, since < %(end)s DESC, CASE WHEN since < %(end)s THEN since END DESC,
               CASE WHEN since < %(end)s THEN place END DESC, since, place) AS newest
WHERE value IS NOT NULL GROUP BY object_id
"""
# Everything of a row that stays the same until something else becomes known of it. What the day itself decides is left
# to the views below, which read the columns that begin with past_.
_OF_ACCOUNTS = {
    "name": "coalesce(t.v ->> 'name', r.name)",
    "name_folded": "coalesce(t.f ->> 'name', r.name_folded)",
    "search_text": "NULL",
}
_OF_SUBSCRIPTIONS = {
    "account_id": "coalesce((t.v ->> 'account')::bigint, r.account_id)",
    "status": "coalesce(t.v ->> 'status', r.status)",
    # An end and a renewal ahead are not known before they are told.
    "ends_on": "(t.v ->> 'ends_on')::date",
    "renews_on": "CASE WHEN (t.known ->> 'renews_on')::boolean THEN (t.v ->> 'renews_on')::date END",
    "mrr_base": "round(coalesce((t.v ->> 'mrr')::numeric, r.mrr) * rate.rate, 2)",
}
_ACCOUNTS = """
SELECT {columns}, came.came AS past_came
FROM {real} AS r JOIN past_account AS came ON came.id = r.id LEFT JOIN ({known}) AS t ON t.object_id = r.id {of}
"""
_SUBSCRIPTIONS = """
SELECT {columns},
       coalesce((t.v ->> 'starts_on')::date, (t.v ->> 'trial_starts_on')::date,
                (t.first AT TIME ZONE %(zone)s)::date) AS past_began,
       coalesce((t.known ->> 'ends_on')::boolean, false) AS past_end_told,
       (t.known ->> 'status')::boolean IS NOT TRUE AND state.kind IN ('cancelled', 'suspended') AS past_not_yet
FROM {real} AS r LEFT JOIN ({known}) AS t ON t.object_id = r.id
LEFT JOIN accounts_subscriptionstatus AS state ON state.key = coalesce(t.v ->> 'status', r.status)
LEFT JOIN accounts_exchangerate AS rate ON rate.currency = coalesce(t.v ->> 'currency', r.currency) {of}
"""
# Who was there on the day, with what only the day decides.
_SHOWN_ACCOUNTS = "SELECT {columns} FROM {state} AS s WHERE past_came <= %(day)s"
_SHOWN_SUBSCRIPTIONS = "SELECT {columns} FROM {state} AS s WHERE past_began <= %(day)s"
_ACCOUNTS_BY_DAY = {"archived_at": "CASE WHEN s.archived_at < %(end)s THEN s.archived_at END"}
_SUBSCRIPTIONS_BY_DAY = {
    "ends_on": "CASE WHEN past_end_told OR s.ends_on < %(day)s THEN s.ends_on END",
    # Whoever is told to be cancelled later was not while the contract ran.
    "status": """CASE WHEN past_not_yet AND (s.ends_on IS NULL OR s.ends_on >= %(day)s)
        THEN (SELECT key FROM accounts_subscriptionstatus WHERE kind = 'active' ORDER BY position, key LIMIT 1)
        ELSE s.status END""",
}
# The rest hangs on an account with its own first and last instant.
_OPEN = "SELECT {columns} FROM {real} AS r WHERE {began} < %s AND ({ended} IS NULL OR {ended} >= %s)"


@dataclass
class PastRows:
    """Accounts with what belongs to them, going forward from day to day. A row is made anew only where something became
    known of it since the day before, and its billing is written only where it differs. Use it after `prepare_changes`.
    """

    needed: Needed
    until: dt.datetime | None = None

    @property
    def shapes(self) -> list[Shape]:
        """The kinds of rows that are asked for; accounts are made of subscriptions."""
        return [SUBSCRIPTION, ACCOUNT] if self.needed.subscriptions else [ACCOUNT]

    def advance(self, moment: Moment) -> None:
        """Go on to the end of a later day."""
        end = moment.start_of(moment.today + ONE_DAY)
        with passing_shadows() as shadows:
            for shape in self.shapes:
                self.follow(shape, shadows, end, moment.zone.key)
            self.show_rows(shadows, moment)
            if self.needed.subscriptions:
                roll_up_billing(moment)
        self.until = end

    def follow(self, shape: Shape, shadows: Shadows, end: dt.datetime, zone: str) -> None:
        """Make the rows of one kind, or those again of which something became known."""
        is_account, state = shape is ACCOUNT, STATES[shape.subject]
        query, known = (_ACCOUNTS, _KNOWN) if is_account else (_SUBSCRIPTIONS, _FIRST_TOLD)
        names, values = _columns(shape, self.needed)
        made = {"columns": ", ".join(f"{value} AS {name}" for name, value in zip(names, values, strict=True))}
        made["real"] = shadows.real(shape.model._meta.db_table)
        params: dict[str, Any] = {"subject": shape.subject.value, "end": end, "after": self.until, "zone": zone}
        if self.until is None:
            session_table(state, query.format(known=known.format(of=""), of="", **made), params, key="id")
            return
        again = query.format(
            known=known.format(of=f"AND object_id IN ({_CONCERNED})"), of=f"WHERE r.id IN ({_CONCERNED})", **made
        )
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {state} WHERE id IN ({_CONCERNED})", params)  # noqa: S608  # of this module
            cursor.execute(f"INSERT INTO {state} {again}", params)

    def show_rows(self, shadows: Shadows, moment: Moment) -> None:
        """Accounts and subscriptions under their names, as of the end of a day."""
        params = {"day": moment.today, "end": moment.start_of(moment.today + ONE_DAY)}
        for shape in self.shapes:
            is_account = shape is ACCOUNT
            query = _SHOWN_ACCOUNTS if is_account else _SHOWN_SUBSCRIPTIONS
            by_day = _ACCOUNTS_BY_DAY if is_account else _SUBSCRIPTIONS_BY_DAY
            names = [str(field.column) for field in shape.model._meta.concrete_fields]
            columns = [f'{by_day[name]} AS "{name}"' if name in by_day else f's."{name}"' for name in names]
            shown = query.format(columns=", ".join(columns), state=STATES[shape.subject])
            shadows.view(shape.model._meta.db_table, shown, params)

    def show(self, shadows: Shadows, moment: Moment) -> None:
        """These with their team, people and notes, as they were known at the end of the day in hand."""
        end = moment.start_of(moment.today + ONE_DAY)
        assert end == self.until
        self.show_rows(shadows, moment)
        for model in (Assignment, Relationship):
            _show_open(shadows, model, end)
        notes = f"SELECT * FROM {shadows.real('accounts_note')} WHERE at < %s"  # noqa: S608
        shadows.view("accounts_note", notes, [end])


def _columns(shape: Shape, needed: Needed) -> tuple[list[str], list[str]]:
    """The names of a kind of row's columns, and what each of them was, in SQL."""
    special = _OF_ACCOUNTS if shape is ACCOUNT else _OF_SUBSCRIPTIONS
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
    return names, values


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
