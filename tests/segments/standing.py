"""What every drawn world stands on, written once for a whole module; each test takes back only its own rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from tests.segments.storing import furnish


@contextmanager
def standing() -> Iterator[None]:
    """The furniture is there inside the block and gone after it. A test inside it works in a savepoint."""
    with transaction.atomic():
        furnish()
        with connection.cursor() as cursor:
            # Once, not after each test again.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def furniture(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The furniture for all tests of a module."""
    with django_db_blocker.unblock(), standing():
        yield
