"""The newest of a person's requests for one thing: the older ones are ended in the database, where their work is.

A browser that gives up on an answer ends nothing on the server: the statement would run on, beside the newer one. So a
session carries the name and number of its request while it works, and a newer request of the same name cancels it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection

TRIES, PAUSE = 5, 0.02  # a session between two statements has nothing to cancel; look again
_NAME = re.compile(r"[A-Za-z0-9.-]{1,36}")  # PostgreSQL keeps 63 bytes
# A session may have gone on to something else by the time the signal arrives, which no one can rule out; that is why
# the name is taken off as soon as the work is done.
_CANCEL = """
SELECT number, number < %(number)s AND pg_cancel_backend(pid)
FROM (SELECT pid, substr(application_name, length(%(name)s) + 1) AS said FROM pg_stat_activity
      WHERE starts_with(application_name, %(name)s) AND pid <> pg_backend_pid() AND datname = current_database()
          AND usename = current_user) AS session,
    LATERAL (SELECT CASE WHEN said ~ '^[0-9]{1,18}$' THEN said::bigint END AS number) AS asked
WHERE number IS NOT NULL
"""


class Superseded(Exception):
    """A newer request of the same name runs; nobody waits for this one's answer."""


@contextmanager
def newest(name: str, number: int) -> Iterator[None]:
    """Run the block as request `number` of this name (36 letters, digits, dots and dashes at most).

    Older ones that still run are cancelled. Raises Superseded if a newer one runs already, or comes meanwhile.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a request")
    named = f"csbox:{name}:"
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [f"{named}{number}"])
    try:
        if _cancel_older(named, number):  # under its own name already, so that of two at once each sees the other
            raise Superseded
        yield
    except Superseded:
        raise
    except Exception as error:
        with suppress(DatabaseError):  # of which the first one tells more
            if max(_others(named, number), default=number) > number:
                raise Superseded from error
        raise
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET application_name")


def _cancel_older(named: str, number: int) -> bool:
    """Cancel the older ones until none is left, for a tenth of a second at most; True if there is a newer one."""
    for _ in range(TRIES):
        others = _others(named, number)
        if not others or max(others) > number:
            return bool(others)
        time.sleep(PAUSE)
    return False


def _others(named: str, number: int) -> list[int]:
    """The numbers of the other requests of this name; those that are older were just cancelled."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # which lasts for a transaction
        cursor.execute(_CANCEL, {"name": named, "number": number})
        return [found for found, _ in cursor.fetchall()]
