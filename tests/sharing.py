"""Rows that all tests of a module begin with: written once, seen by each as they were made, gone after the last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import connection, transaction

Made = TypeVar("Made")


@contextlib.contextmanager
def shared_rows(blocker: Any, write: Callable[[], Made]) -> Iterator[Made]:
    """What `write` makes, inside the block, for the body of a fixture of the scope "module".

    Each test works in a savepoint and takes back only its own rows; a module that uses this holds no test that commits.
    """
    with blocker.unblock(), transaction.atomic():
        made = write()
        with connection.cursor() as cursor:
            # Checked once, not after each test again.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        yield made
        transaction.set_rollback(True)
