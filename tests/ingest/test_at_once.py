"""Several connections at the same moment: each message once, every answer 200, no deadlock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import EndUser, Relationship
from integrations.models import Message, Outcome
from integrations.tracking import keys, outages, recording, spool
from tests.ingest.conftest import KEY, basic, batch, group, identify, track
from usage.models import Event


@pytest.fixture(autouse=True)
def _unhurried(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy with other things nobody gives up waiting, and what is kept is no other test's."""
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(outages, "PATIENCE", 120)
    monkeypatch.setattr(recording, "LONGEST_STATEMENT_MS", 120_000)


def post(body: dict[str, Any]) -> int:
    """The status of one request."""
    raw = json.dumps(body)
    return Client(headers={"authorization": basic()}).post("/v1/batch", raw, "application/json").status_code


def deadlocks() -> int:
    """How many deadlocks the server has ended in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("committed")
def test_one_batch_on_sixteen_connections_is_stored_once(at_once: Callable[..., list[Any]]) -> None:
    keys.create_source("Web app", key=KEY)
    before = deadlocks()
    calls = [call for n in range(10) for call in (group(f"a{n}", f"u{n}", traits={"n": n}), track(user=f"u{n}"))]
    assert at_once(*[partial(post, batch(*calls))] * 16) == [200] * 16
    assert Event.objects.count() == 10 and Relationship.objects.count() == 10
    assert Message.objects.filter(outcome=Outcome.STORED).count() == 20
    assert Message.objects.filter(outcome=Outcome.DUPLICATE).count() == 20 * 15
    assert deadlocks() == before


@pytest.mark.usefixtures("committed")
def test_batches_about_the_same_people_in_other_orders_do_not_deadlock(at_once: Callable[..., list[Any]]) -> None:
    keys.create_source("Web app", key=KEY)
    before = deadlocks()

    def sender(number: int) -> set[int]:
        found = set()
        for turn in range(6):
            order = range(12) if (number + turn) % 2 else reversed(range(12))
            calls = []
            for n in order:
                mark = {"anonymousId": f"v{n}", "traits": {f"t{number % 3}": turn}}
                calls += [identify(f"u{n}", **mark), group(f"a{n % 5}", f"u{n}", traits={"size": turn + number})]
                calls += [track(f"E{n}", user=None, anonymousId=f"v{n}"), track(f"E{12 - n}", user=f"u{n}")]
            found.add(post({"batch": [{"messageId": f"{number}-{turn}-{p}"} | c for p, c in enumerate(calls)]}))
        return found

    results = at_once(*[partial(sender, number) for number in range(8)])
    assert results == [{200}] * 8
    assert Event.objects.count() == 8 * 6 * 24 and EndUser.objects.count() == 12
    assert not Event.objects.filter(user=None).exists()
    assert not Message.objects.exclude(outcome__in=[Outcome.STORED, Outcome.NO_ACCOUNT]).exists()
    assert deadlocks() == before


@pytest.mark.usefixtures("committed")
def test_a_table_that_is_locked_keeps_nobody_waiting(
    at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is kept on the disk instead, and recorded once the lock is gone."""
    keys.create_source("Web app", key=KEY)
    monkeypatch.setattr(recording, "LONGEST_STATEMENT_MS", 300)
    held, answered = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE usage_event IN ACCESS EXCLUSIVE MODE")
            held.set()
            answered.wait(30)

    def sender() -> int:
        held.wait(30)
        try:
            return post(batch(group(), track()))
        finally:
            answered.set()

    assert at_once(hold, sender) == [None, 200]
    assert len(spool.waiting()) == 1 and not Event.objects.exists()
    outages.note_there()
    assert spool.drain() == 1
    assert Event.objects.count() == 1
