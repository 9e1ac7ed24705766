"""For tests of what happens at once: rows that other connections see, and functions that run at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections

# With all that refers to them; the terms of a new installation stay.
TABLES = (
    "accounts_account, accounts_enduser, accounts_attributedefinition, accounts_attributechange, "
    "accounts_exchangerate, accounts_touchedaccount, usage_event, usage_eventname, usage_messagereceipt, "
    "usage_dirtyday, core_workspace, integrations_import, integrations_source, integrations_identity, "
    "usage_feed, usage_feedarrival, accounts_erasure, accounts_dataexport, "
    "usage_pendingusage, usage_prunedmonth, core_wakeup, django_q_ormq, health_scoringrequest"
)


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database that keeps what is committed, emptied before and after. (Django's own way flushes the terms too.)"""
    with django_db_blocker.unblock():
        _empty()
        try:
            yield
        finally:
            _empty()
            connections.close_all()


def is_test_database() -> bool:
    """True if the connection leads to the database of this run. pytest-django makes one only if some test of the run
    asks for it by mark or by the fixture db; until then the connection leads to the real one."""
    return bool(connection.settings_dict["NAME"] == connection.settings_dict["TEST"]["NAME"])


def _empty() -> None:
    assert is_test_database(), "the test database was not made; run this together with a test that is marked django_db"
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES} CASCADE")


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Run functions at the same moment, each on a connection of its own; their results or errors in order."""

    def run(*work: Callable[[], Any]) -> list[Any]:
        gate = threading.Barrier(len(work))
        results: list[Any] = [None] * len(work)

        def one(place: int, function: Callable[[], Any]) -> None:
            try:
                gate.wait()
                results[place] = function()
            except Exception as error:
                results[place] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=one, args=item) for item in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results

    return run
