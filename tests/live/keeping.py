"""Rows that are made once and put back before each test, where tests commit and so cannot take back what they did."""

from __future__ import annotations

from django.db import connection, transaction

from tests.committing import _tables, is_test_database

Rows = dict[str, bytes]


def keep() -> Rows:
    """Every row of this moment, but those of migrations. There must be none in partitioned tables."""
    found: Rows = {}
    with transaction.atomic(), connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
            if cursor.fetchone()[0]:
                with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                    found[table] = b"".join(bytes(part) for part in copy)
    return found


def put_back(rows: Rows) -> None:
    """The rows again, with their numbers, in tables that are empty; triggers have had their say when they were made."""
    assert is_test_database()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, data in rows.items():
            with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                copy.write(data)
