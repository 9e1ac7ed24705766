"""Advisory locks that PostgreSQL gives back by itself at the end of the transaction.

Only transaction-scoped ones: a session's lock would survive on a connection that is kept open. The space (“segment”,
“tick”, …) becomes the first half of the key, so that two kinds of lock with the same id do not meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections


class NoTransaction(RuntimeError):
    """Outside a transaction the lock would be gone before the next statement."""


def xact_lock(space: str, key: int = 0, using: str = DEFAULT_DB_ALIAS) -> None:
    """Wait for the lock, and hold it until the transaction ends."""
    _ask("pg_advisory_xact_lock", space, key, using)


def try_xact_lock(space: str, key: int = 0, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Take the lock if nobody has it; False at once otherwise."""
    return bool(_ask("pg_try_advisory_xact_lock", space, key, using))


def shared_xact_lock(space: str, key: int = 0, using: str = DEFAULT_DB_ALIAS) -> None:
    """Wait until nobody holds the lock for itself, and keep such from taking it until the transaction ends."""
    _ask("pg_advisory_xact_lock_shared", space, key, using)


@contextmanager
def held(space: str, key: int = 0, using: str = DEFAULT_DB_ALIAS) -> Iterator[bool]:
    """Hold a lock while this process commits one transaction after the other; yields False at once if somebody has it.

    A connection of its own keeps a transaction open for the lock and for nothing else. If the process dies, its
    connection does too, and the lock is free at that moment.
    """
    own = connections[using].copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s::int, %s::int)", [_int4(space), _wrap(key)])
            row = cursor.fetchone()
        yield bool(row and row[0])
    finally:
        own.close()


def _ask(function: str, space: str, key: int, using: str) -> object:
    connection = connections[using]
    if not connection.in_atomic_block:
        raise NoTransaction(f"lock “{space}” {key} was asked for outside a transaction")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s::int, %s::int)", [_int4(space), _wrap(key)])
        row = cursor.fetchone()
    return row[0] if row else None


def _int4(space: str) -> int:
    return int.from_bytes(hashlib.sha256(space.encode()).digest()[:4], "big", signed=True)


def _wrap(key: int) -> int:
    """An id beyond four bytes shares its lock with another one: slower, never wrong."""
    return (key + 2**31) % 2**32 - 2**31
