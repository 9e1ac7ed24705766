"""For tests of what happens at once: rows that other connections see, and functions that run at the same moment."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections, transaction

# What migrations fill: the terms of a new installation, and Django's own.
FILLED = {
    "accounts.LifecycleStage",
    "accounts.AccountLevel",
    "accounts.AccountStatus",
    "accounts.AssignmentRole",
    "accounts.SubscriptionStatus",
    "auth.Permission",
    "contenttypes.ContentType",
}


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database that keeps what is committed, emptied before and after. (Django's own way flushes the terms too.)"""
    with django_db_blocker.unblock():
        empty()
        try:
            yield
        finally:
            empty()
            connections.close_all()


def is_test_database() -> bool:
    """True if the connection leads to the database of this run. pytest-django makes one only if some test of the run
    asks for it by mark or by the fixture db; until then the connection leads to the real one."""
    return bool(connection.settings_dict["NAME"] == connection.settings_dict["TEST"]["NAME"])


def empty() -> None:
    """Take away every row but those of migrations. Only tables that hold some are touched, without their triggers:
    truncating them all takes twenty times as long."""
    assert is_test_database(), "the test database was not made; run this together with a test that is marked django_db"
    with transaction.atomic(), connection.cursor() as cursor:
        held = _held()
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in held:
            cursor.execute(f'DELETE FROM "{table}"')


def written() -> dict[str, bytes]:
    """Every row but those of migrations, by table, for `write_again`."""
    return {table: _copied_out(table) for table in _held()}


def write_again(rows: dict[str, bytes]) -> None:
    """Put the rows of this database back that were there when `written` was called, in a tenth of the time that it took
    to make them. The database must be empty; its sequences go on from where they are."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, data in rows.items():
            with cursor.copy(f'COPY "{table}" ({_columns(table)}) FROM STDIN') as copy:
                copy.write(data)


def _copied_out(table: str) -> bytes:
    statement = f'COPY (SELECT {_columns(table)} FROM "{table}") TO STDOUT'
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def _held() -> list[str]:
    """The tables that hold rows."""
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM \"{table}\" LIMIT 1)" for table in _tables()))
        return [table for (table,) in cursor.fetchall()]


@functools.cache
def _columns(table: str) -> str:
    """The columns that are written, which leaves out those that the database makes of others."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [f'"{table}"'],
        )
        return ", ".join(f'"{name}"' for (name,) in cursor.fetchall())


@functools.cache
def _tables() -> tuple[str, ...]:
    """Every table but those that migrations fill, and but the parts of partitioned ones."""
    kept = {apps.get_model(label)._meta.db_table for label in FILLED} | {"django_migrations"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        return tuple(sorted({name for (name,) in cursor.fetchall()} - kept))


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Run functions at the same moment, each on a connection of its own; their results or errors in order."""

    def run(*work: Callable[[], Any]) -> list[Any]:
        gate = threading.Barrier(len(work))
        results: list[Any] = [None] * len(work)

        def one(place: int, function: Callable[[], Any]) -> None:
            try:
                gate.wait()
                results[place] = function()
            except Exception as error:
                results[place] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=one, args=item) for item in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results

    return run
