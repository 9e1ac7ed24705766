"""The tables as they were on a past day: others of the same names in the session's own schema.

PostgreSQL looks into that schema first, so every statement, compiled or written by hand, reads the past without knowing
of it, and what it writes goes there too. All of it lives in a savepoint that is always rolled back: afterwards the
other tables are gone and nothing else was changed either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

Params = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Shadows:
    """Makes the other tables. `schema` is where the real ones are, `views` are the names that were given to queries."""

    schema: str
    views: list[str] = field(default_factory=list)

    def real(self, table: str) -> str:
        """The real table, whatever else has its name."""
        return f'"{self.schema}"."{table}"'

    def view(self, table: str, query: str, params: Params = ()) -> None:
        """Let a name mean the rows of a query, only to be read (or written where they are those of one table)."""
        self.views.append(table)
        _run(f'CREATE TEMPORARY VIEW "{table}" AS {query}', params)

    def empty(self, table: str, key: str) -> None:
        """Let a name mean a table with the same columns and no rows, which may be written; `key` is unique in it."""
        _run(f'CREATE TEMPORARY TABLE "{table}" (LIKE {self.real(table)} INCLUDING DEFAULTS INCLUDING IDENTITY)')
        _run(f'ALTER TABLE pg_temp."{table}" ADD UNIQUE ({key})')

    def table(self, table: str, key: str, columns: Sequence[str], query: str, params: Params = ()) -> None:
        """The same, filled by a query of these columns."""
        self.empty(table, key)
        _run(f'INSERT INTO pg_temp."{table}" ({", ".join(columns)}) {query}', params)  # names of models
        self.counted(table, key)

    def counted(self, table: str, columns: str) -> None:
        """Tell the planner how many rows a table has and what is in the columns that joins use, because nobody else
        looks at temporary tables."""
        _run(f'ANALYZE pg_temp."{table}" ({columns})')


@contextmanager
def shadows() -> Iterator[Shadows]:
    """The block works with other tables; whatever it made or changed is undone at its end."""
    with transaction.atomic():
        yield Shadows(_schema())
        transaction.set_rollback(True)


@contextmanager
def passing_shadows() -> Iterator[Shadows]:
    """The same with views alone, whose names are gone at the end, while what was written through them into tables of
    the session stays there."""
    with transaction.atomic():
        made = Shadows(_schema())
        yield made
        for name in made.views:
            _run(f'DROP VIEW pg_temp."{name}"')


def _schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def session_table(name: str, query: str, params: Params = (), *, key: str = "") -> None:
    """Make a temporary table that stays until `forget`, or until the session ends."""
    forget(name)
    _run(f'CREATE TEMPORARY TABLE "{name}" AS {query}', params)
    if key:
        _run(f'ALTER TABLE pg_temp."{name}" ADD UNIQUE NULLS NOT DISTINCT ({key})')
    _run(f'ANALYZE pg_temp."{name}"')


def forget(*names: str) -> None:
    """Drop temporary tables of the session; those that are not there do not matter."""
    for name in names:
        _run(f'DROP TABLE IF EXISTS pg_temp."{name}"')


def _run(statement: str, params: Params = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params or None)
