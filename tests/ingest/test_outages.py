"""A database that is silent, that does not write, or a step that fails: every message is acknowledged and kept."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import InternalError, connection, connections
from psycopg.conninfo import make_conninfo

from integrations.models import Outcome
from integrations.tracking import keys, outages, recording, requests, spool
from tests.ingest.conftest import KEY, Send, batch, group, outcomes, plant_poison, track
from tests.ingest.serving import Line, served
from tests.ingest.test_spool import post
from tests.runtime.conftest import eventually
from usage.models import Event
from usage.store import PostgresStore

LIMIT = 6.0  # seconds: what is promised is five, and this machine may be busy
STEPS: list[tuple[Any, str]] = [
    (keys, "find_source"), (recording, "refuse_erased"), (PostgresStore, "claim"), (recording, "drop_repeated"),
    (recording, "log_messages"), (recording, "tally"), (recording, "Batch"), (requests.DIALECTS, "segment"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_spool(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.SPOOL_DIR = tmp_path / "spool"
    outages.note_there()
    spool._state.update(dict.fromkeys(spool._state, 0.0))
    yield
    outages.note_there()


def plant(patch: pytest.MonkeyPatch, place: Any, name: str, fault: Callable[..., Any]) -> None:
    """Put a fault in the place of a step."""
    if isinstance(place, dict):
        patch.setitem(place, name, fault)
    else:
        patch.setattr(place, name, fault)


@pytest.mark.once
@pytest.mark.parametrize("error", [RuntimeError, IndexError, OverflowError, InternalError])
@pytest.mark.parametrize(("place", "name"), STEPS)
def test_a_fault_at_any_step_loses_nothing(send: Send, place: Any, name: str, error: type[Exception]) -> None:
    """The request is kept, and recorded once the step works again."""

    def fail(*args: Any, **named: Any) -> Any:
        raise error("planted")

    sent = batch(group(), track(), track(messageId="m1"))
    with pytest.MonkeyPatch.context() as patch:
        plant(patch, place, name, fail)
        assert send("/v1/batch", sent).status_code == 200
    if (place, name) == (recording, "Batch"):  # there each message has its own fate
        assert [outcome for _, outcome in outcomes()] == [Outcome.FAILED, Outcome.FAILED, Outcome.DUPLICATE]
        return
    assert not outcomes() and len(spool.waiting()) == 1
    assert outages.may_ask()  # the database is there
    assert spool.drain() == 1 and not spool.waiting()
    assert [outcome for _, outcome in outcomes()] == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]


@pytest.mark.parametrize("error", [RuntimeError, IndexError, OverflowError, InternalError, RecursionError])
def test_a_message_that_fails_in_an_unexpected_way_is_set_aside_alone(
    send: Send, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    plant_poison(monkeypatch, "m1", lambda _: error("poison"))
    assert send("/v1/batch", batch(group(), track(), track())).status_code == 200
    assert [outcome for _, outcome in outcomes()] == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
    assert not spool.waiting()


@pytest.mark.parametrize(("place", "name"), [(recording, "log_messages"), (requests.DIALECTS, "segment")])
def test_what_fails_again_is_set_aside_without_its_neighbours(
    send: Send, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    plain = place[name] if isinstance(place, dict) else getattr(place, name)

    def stumble(first: Any, second: Any, *more: Any) -> Any:
        if "poison" in str(first) + str(second):
            raise RuntimeError("planted")
        return plain(first, second, *more)

    plant(monkeypatch, place, name, stumble)
    sent = {"batch": [group(), track(messageId="poison"), track(), track(messageId="poison2")], "sentAt": None}
    assert send("/v1/batch", sent).status_code == 200
    assert spool.drain() == 1 and not spool.waiting()
    assert [outcome for _, outcome in outcomes()] == [Outcome.STORED, Outcome.STORED]
    (aside,) = spool.aside()
    assert aside.reason == "RuntimeError: planted"
    assert Event.objects.count() == 1


def test_a_database_that_does_not_write_is_away(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **named: Any) -> Any:
        raise InternalError from psycopg.errors.ReadOnlySqlTransaction()

    with monkeypatch.context() as patch:
        patch.setattr(PostgresStore, "claim", fail)
        assert send("/v1/batch", batch(track())).status_code == 200
        assert not outages.may_ask()


def test_one_asks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(outages.time, "monotonic", lambda: clock[0])
    assert outages.may_ask() and outages.may_ask()
    outages.note_away()
    assert not outages.may_ask()
    clock[0] += outages.PAUSE
    assert [outages.may_ask() for _ in range(5)] == [True, False, False, False, False]
    outages.note_away()
    clock[0] += outages.PAUSE
    assert [outages.may_ask() for _ in range(2)] == [True, False]
    outages.note_unknown()  # it was refused before it asked
    assert [outages.may_ask() for _ in range(2)] == [True, False]
    clock[0] += outages.PAUSE + outages.PATIENCE  # nothing was heard of that one
    assert [outages.may_ask() for _ in range(2)] == [True, False]
    outages.note_there()
    assert outages.may_ask() and outages.may_ask()


@contextmanager
def connected(line: Line) -> Iterator[psycopg.Connection[Any]]:
    """A connection as Django makes one, by the line."""
    given = {key: value for key, value in connection.get_connection_params().items() if key not in _NOT_LIBPQ}
    with psycopg.connect(**given | {"host": "127.0.0.1", "port": line.port}) as made:
        yield made


_NOT_LIBPQ = ("context", "cursor_factory", "prepare_threshold", "server_side_binding", "client_encoding")


@pytest.mark.django_db
def test_the_network_may_swallow_what_is_sent_for_five_seconds() -> None:
    with connected(Line()) as made, closing(socket.socket(fileno=os.dup(made.fileno()))) as end:
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
    assert int(connection.get_connection_params()["connect_timeout"]) == 3


@pytest.mark.machine
@pytest.mark.usefixtures("committed")
def test_a_line_that_swallows_everything_keeps_nobody_waiting() -> None:
    """A real server: no request waits longer than five seconds, and after the first ones only who asks for all."""
    keys.create_source("Web app", key=KEY)
    line = Line()
    took: list[tuple[float, int]] = []
    sent: set[str] = set()

    def sender(name: int, until: float) -> None:
        while time.monotonic() < until:
            message_id = f"{name}-{len(took)}"
            sent.add(message_id)
            began = time.monotonic()
            status = post(server.port, {"batch": [track(messageId=message_id)]})
            took.append((time.monotonic() - began, status))
            time.sleep(0.1)

    with (
        tempfile.TemporaryDirectory(prefix="csbox-ingest-") as folder,
        served(Path(folder), workers=1, threads=6, line=line) as server,
    ):
        assert post(server.port, batch(group())) == 200
        line.swallow()
        before, until = line.made, time.monotonic() + 13
        threads = [threading.Thread(target=sender, args=(name, until)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {status for _, status in took} == {200}
        slow = sorted(seconds for seconds, _ in took if seconds > 1)
        assert slow and slow[-1] < LIMIT and len(slow) <= 6 + 2, slow
        assert len(took) > 100 and line.made - before <= 6 + 2
        line.arrive()
        waiting = Path(folder) / "spool"
        eventually(lambda: post(server.port, batch()) == 200 and not list(waiting.glob("*.json")), 60, "drained")
        assert not (waiting / "aside").exists()
    assert set(Event.objects.values_list("message_id", flat=True)) == sent


@contextmanager
def read_only() -> Iterator[None]:
    """The database takes no writes of anybody who connects from now on; who is connected is sent away."""
    name = connection.settings_dict["NAME"]

    def say(*statements: str) -> None:
        given = {key: str(value) for key, value in connection.get_connection_params().items() if key in _ADDRESS}
        with psycopg.connect(make_conninfo(**given), autocommit=True) as own:
            own.execute("SET default_transaction_read_only = off")
            for statement in statements:
                own.execute(statement)

    away = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    away += " AND application_name LIKE 'csbox%' AND pid <> pg_backend_pid()"
    connections.close_all()
    say(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on', away)
    try:
        yield
    finally:
        say(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        connections.close_all()


_ADDRESS = ("dbname", "host", "port", "user", "password")


@pytest.mark.machine
@pytest.mark.usefixtures("committed")
def test_a_server_that_takes_no_writes_is_waited_for(settings: Any) -> None:
    """As after a failover, when the address leads to a standby for a while."""
    keys.create_source("Web app", key=KEY)
    with tempfile.TemporaryDirectory(prefix="csbox-ingest-") as folder:
        settings.SPOOL_DIR = waiting = Path(folder) / "spool"
        with served(Path(folder), workers=1) as server:
            assert post(server.port, batch(group(), track())) == 200
            with read_only():
                for number in range(2):  # the first may find its connection ended, the second a server that reads
                    assert post(server.port, {"batch": [track(messageId=f"r{number}")]}) == 200
                    time.sleep(outages.PAUSE + 0.2)
                assert len(spool.waiting()) == 2
                assert [spool.drain() for _ in range(spool.TRIES + 1)] == [0] * (spool.TRIES + 1)
                outages.note_there()
            eventually(lambda: post(server.port, batch()) == 200 and not spool.waiting(), 30, "drained")
            assert not (waiting / "aside").exists()
    assert set(Event.objects.values_list("message_id", flat=True)) == {"m1", "r0", "r1"}
