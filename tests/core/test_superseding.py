"""A newer request ends the older one where its work is: in the database."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from core.superseding import Superseded, newest
from tests.committing import committed

__all__ = ["committed"]
pytestmark = pytest.mark.usefixtures("committed")


class Work(threading.Thread):
    """A request on a connection of its own that works for twenty seconds, unless it is ended."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(daemon=True)
        self.asked = (name, number)
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        """Sleep in the database."""
        try:
            with newest(*self.asked), connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(20)")
                self.outcome = "done"
        except Exception as error:
            self.outcome = error
        finally:
            connections.close_all()


def working(name: str) -> list[str]:
    """The sessions that sleep under a name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_stat_activity WHERE starts_with(application_name, %s)"
            " AND state = 'active' AND query LIKE 'SELECT pg_sleep%%' AND datname = current_database()",
            [f"csbox:{name}:"],
        )
        return sorted(found for (found,) in cursor.fetchall())


def wait_for(name: str, wanted: list[str]) -> None:
    """Until exactly these sleep."""
    until = time.monotonic() + 10
    while working(name) != wanted:
        assert time.monotonic() < until, working(name)
        time.sleep(0.01)


def test_a_newer_request_ends_the_older_ones_statement_on_the_server() -> None:
    first, other = Work("a.1", 1), Work("b.1", 1)
    wait_for("a.1", ["csbox:a.1:1"])
    wait_for("b.1", ["csbox:b.1:1"])
    second = Work("a.1", 2)
    wait_for("a.1", ["csbox:a.1:2"])
    first.join(5)
    assert isinstance(first.outcome, Superseded)
    assert working("b.1") == ["csbox:b.1:1"]  # another name is left alone
    for name in ("a.1", "b.1"):
        with pytest.raises(ZeroDivisionError), newest(name, 9):
            raise ZeroDivisionError  # an error of the newest's own stays what it is
    for work in (second, other):
        work.join(5)
        assert isinstance(work.outcome, OperationalError | Superseded)
    assert working("a.1") == working("b.1") == []


def test_an_older_request_that_arrives_late_gives_way() -> None:
    newer = Work("c.1", 7)
    wait_for("c.1", ["csbox:c.1:7"])
    with pytest.raises(Superseded), newest("c.1", 6):
        raise AssertionError("it must not begin")
    assert working("c.1") == ["csbox:c.1:7"]
    with newest("c.1", 8):
        newer.join(5)
    assert not newer.is_alive()


def test_the_name_is_taken_off_whatever_happens() -> None:
    def name() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW application_name")
            return str(cursor.fetchone()[0])

    usual = name()
    with newest("d.1", 1):
        assert name() == "csbox:d.1:1"
    assert name() == usual
    with pytest.raises(ZeroDivisionError), newest("d.1", 2):
        raise ZeroDivisionError
    assert name() == usual
    for bad in ("", "a b", "a:1", "x" * 37, "%"):
        with pytest.raises(ValueError, match="cannot be the name"), newest(bad, 1):
            pass
