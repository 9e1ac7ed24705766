"""A database for one measurement, on the server that the application uses; no other one is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection


@contextmanager
def own_database(name: str, template: str = "") -> Iterator[None]:
    """Make and migrate the database, point Django at it, and drop it at the end. The name must begin with csbox_bench.

    With the name of a template it is a copy of that, which is made where it does not exist, and stays.
    """
    if not template:
        with _pointed_at(name):
            _migrate()
            yield
        return
    if not _exists(template):
        with _pointed_at(template, keep=True):
            _migrate()
    with _pointed_at(name, f'TEMPLATE "{template}"'):
        yield


@contextmanager
def _pointed_at(name: str, options: str = "", *, keep: bool = False) -> Iterator[None]:
    if not re.fullmatch(r"csbox_bench[a-z0-9_]*", name):
        raise SystemExit("The name of the database must begin with csbox_bench, so that no other one can be dropped.")
    usual = connection.settings_dict["NAME"]
    _run(f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}" {options}')
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
        if not keep:
            _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _migrate() -> None:
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


def _exists(name: str) -> bool:
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name])
        return bool(cursor.fetchone()[0])


def _run(*statements: str) -> None:
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        for statement in statements:
            cursor.execute(statement)
