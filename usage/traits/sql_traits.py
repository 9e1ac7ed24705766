"""Traits written in SQL by administrators: read, explained, run by a role that can only read, and checked row by row.

The statement goes through the extended protocol without parameters (`prepare=True`), which takes one statement only and
reads no % in it; the transaction only reads, has a time limit, and is rolled back on a connection that is then closed.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from accounts.fields import Kind
from accounts.models import Account, Relationship
from core.intake import BadValue, clean_number, clean_text, short
from usage.models import UserActivity
from usage.traits.definitions import Method, Scope, register_methods
from usage.traits.properties import Sql
from usage.traits.reading import Reading, TraitError, TraitFailed
from usage.traits.sql_role import LONGEST_SQL, connect

LIMIT_MS = 5_000
MOST_ROWS, MOST_COST, LONGEST_VALUE = 500_000, 50_000_000, 255
KINDS = ("number", "text", "boolean", "date")
_COLUMNS = {"account": ("account_id",), "user": ("account_id", "user_id")}


@dataclass(frozen=True)
class SqlTrait:
    """One SELECT and the kind of its value column."""

    sql: str
    value_kind: Kind

    @property
    def kind(self) -> Kind:
        """As declared."""
        return self.value_kind

    @property
    def words(self) -> str:
        """It is its own explanation."""
        return "Written in SQL"

    def fields(self) -> set[str]:
        """It reads views, not fields."""
        return set()

    def source(self, scope: Scope) -> Sql:
        """Run the statement and hand its rows on. Raises TraitFailed if it cannot be run or gives something else."""
        columns = _COLUMNS[scope.subject]
        rows = checked(run(self.sql, len(columns) + 1), scope.subject, self.value_kind)
        types = ", ".join(["%s::bigint[]"] * len(columns) + ["%s::jsonb[]"])
        names = ", ".join((*columns, "value"))
        parts = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(len(columns) + 1)]
        return f"SELECT * FROM unnest({types}) AS found ({names})", parts  # noqa: S608 - constants


def run(text: str, columns: int) -> list[tuple[Any, ...]]:
    """The rows of a statement, of so many columns. Raises TraitFailed."""
    reader = connect()
    try:
        reader.execute(f"SET LOCAL statement_timeout = {LIMIT_MS}".encode())
        plan = reader.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), None, prepare=True).fetchone()
        cost = plan[0][0]["Plan"]["Total Cost"] if plan else 0
        if cost > MOST_COST:
            raise TraitFailed(
                f"The database expects a cost of {cost:,.0f}; at most {MOST_COST:,} is allowed. Narrow it."
            )
        found = reader.execute(text.encode(), None, prepare=True)
        wide = len(found.description or ())
        if wide != columns:
            raise TraitFailed(f"The result has {wide} columns; {columns} are expected: ids first, then the value.")
        rows = found.fetchmany(MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            raise TraitFailed(f"The result has more than {MOST_ROWS:,} rows.")
        return rows
    except psycopg.errors.QueryCanceled as error:
        raise TraitFailed(f"The statement took longer than {LIMIT_MS // 1000} s and was stopped.") from error
    except psycopg.Error as error:
        raise TraitFailed(f"The database refused the statement: {short(str(error).splitlines()[0], 200)}.") from error
    finally:
        reader.close()  # which also rolls back


def checked(rows: list[tuple[Any, ...]], subject: str, kind: Kind) -> list[tuple[Any, ...]]:
    """The rows as ids and JSON texts; a NULL value is missing. Rows of users who have left the account, whose events
    stay, and of no user are left out. Raises TraitFailed that names the first wrong row."""
    if subject == "account":
        known: set[Any] = {(pk,) for pk in Account.objects.live().values_list("pk", flat=True)}
    else:
        known = set(Relationship.objects.open().values_list("account_id", "user_id"))
    left: set[Any] | None = None
    seen: set[Any] = set()
    found = []
    for number, row in enumerate(rows, 1):
        ids, value = row[:-1], row[-1]
        if subject == "user" and ids[-1] is None:
            continue  # events of nobody in particular
        if not all(isinstance(item, int) and not isinstance(item, bool) for item in ids):
            raise TraitFailed(f"Row {number}: the id {short(', '.join(map(str, ids)))} is no number of the view.")
        if ids not in known:
            left = _once_there(subject) if left is None else left
            if ids not in left:
                raise TraitFailed(f"Row {number}: there is no {subject} {short(', '.join(map(str, ids)))}.")
        if ids in seen:
            raise TraitFailed(f"Row {number}: {short(', '.join(map(str, ids)))} comes twice.")
        seen.add(ids)
        if value is not None and ids in known:
            found.append((*ids, json.dumps(_json(number, value, kind))))
    return found


def _once_there(subject: str) -> set[Any]:
    """The users that were in an account once, or did something there, with that account."""
    if subject != "user":
        return set()
    return {
        pair
        for model in (Relationship, UserActivity)
        for pair in model.objects.order_by().values_list("account_id", "user_id").iterator()
    }


def _json(number: int, value: Any, kind: Kind) -> Any:
    """One value in the JSON form of its kind."""
    try:
        if kind is Kind.NUMBER and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            exact = clean_number(value)
            return int(exact) if exact == exact.to_integral_value() else float(exact)
        if kind is Kind.BOOLEAN and isinstance(value, bool):
            return value
        if kind is Kind.DATE and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value.isoformat()
        if kind is Kind.TEXT and isinstance(value, str):
            return clean_text(value, LONGEST_VALUE)
    except BadValue as error:
        raise TraitFailed(f"Row {number}: {error}") from error
    raise TraitFailed(f"Row {number}: {short(repr(value))} is not a {kind.value}.")


def _read(reading: Reading) -> SqlTrait:
    text = reading.text("sql", "The SQL", limit=LONGEST_SQL)
    if text:
        # The parser takes a tenth of the time in which a process starts, and hardly any process reads SQL.
        from usage.traits.sql_reading import check_sql

        try:
            check_sql(text)
        except TraitError as error:
            reading.problems += error.problems
    return SqlTrait(text, Kind(reading.one_of("as", KINDS, "number")))


register_methods(
    [Method("sql", "SQL, by administrators", "SQL", _read, needs=("sql", "as"), administrators=True, together=True)]
)
