"""The fields that live in the database: read anew only when a row changed from which they are made.

Every page and every refresh needs them, and they change a few times a month. PostgreSQL gives each version of a row a
place (`ctid`) and the transaction that wrote it (`xmin`), so one statement tells whether the rows are still those that
were read last; the statements of the providers, and making the fields, are then not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.models import Model

from accounts.fields.registry import Field, Vocabulary, vocabulary_of

Provider = Callable[[], Iterable[Field]]

_providers: list[tuple[type[Model], Provider]] = []
_ROWS = "(SELECT array_agg(ctid::text || ' ' || xmin::text) FROM \"{table}\")"
_last: tuple[Any, list[Field]] | None = None  # what the rows were, and the fields made of them


def provide(model: type[Model]) -> Callable[[Provider], Provider]:
    """Declare a function that makes fields of the rows of a model, and of nothing else that may change."""

    def declare(provider: Provider) -> Provider:
        _providers.append((model, provider))
        return provider

    return declare


def vocabulary() -> Vocabulary:
    """Everything declared in code and in the database at this moment; one statement if nothing there changed."""
    return vocabulary_of(_provided())


def _provided() -> list[Field]:
    global _last
    # Asked before the rows are read: what changes in between is then read again next time, and never missed.
    versions = _versions()
    last = _last
    if last is None or last[0] != versions:
        last = _last = (versions, [item for _, provider in _providers for item in provider()])
    return last[1]


def _versions() -> tuple[Any, ...]:
    """Which versions of which rows there are, in this database."""
    tables = dict.fromkeys(model._meta.db_table for model, _ in _providers)
    if not tables:
        return ()
    rows = ", ".join(_ROWS.format(table=table) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {rows}")
        found = cursor.fetchone()
    place = connection.settings_dict
    return (place["HOST"], place["PORT"], place["NAME"], *(tuple(one or ()) for one in found or ()))
