"""A time limit for the statements of a block, kept by the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

_CANCELLED = "57014"


class TooSlow(Exception):
    """A statement took longer than it may; the block was rolled back."""


@contextmanager
def time_limit(milliseconds: int) -> Iterator[None]:
    """Run the block in a transaction whose statements have so much time each. Raises TooSlow past it."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
            if connection.in_atomic_block and not connection.needs_rollback:
                _reset()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == _CANCELLED:
            raise TooSlow from error
        raise


def _reset() -> None:
    """Inside an outer transaction the limit would last to its end; give the connection its own back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', reset_val, true) FROM pg_settings WHERE name = 'statement_timeout'"
        )
