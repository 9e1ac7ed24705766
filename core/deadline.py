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
    """Run the block in a transaction whose statements have so much time each. Raises TooSlow past it.

    Blocks may be nested. Inside an outer transaction the limit would last to its end, so what was in force before is
    put back; where the block fails, the rollback does that.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                limit = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)"
                cursor.execute(limit, [str(milliseconds)])
                before = cursor.fetchone()[0]
            yield
            if connection.in_atomic_block and not connection.needs_rollback:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == _CANCELLED:
            raise TooSlow from error
        raise
