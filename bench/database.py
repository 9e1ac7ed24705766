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

    With a template, one that `migrated` has made, it is a copy of that.
    """
    if template:
        with _pointed_at(name, f'TEMPLATE "{template}"'):
            yield
    else:
        with migrated(name):
            yield


@contextmanager
def migrated(name: str) -> Iterator[None]:
    """A new database with all migrations; it is dropped at the end."""
    with _pointed_at(name):
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        yield


@contextmanager
def _pointed_at(name: str, options: str = "") -> Iterator[None]:
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
        _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _run(*statements: str) -> None:
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        for statement in statements:
            cursor.execute(statement)
