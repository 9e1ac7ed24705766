"""Against a real server: chunked bodies, a body that is cut short, and kill -9 under load."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from integrations.tracking import keys
from tests.ingest.conftest import KEY, basic, batch, group, track
from tests.ingest.serving import Server, served
from tests.runtime.conftest import eventually
from usage.models import Event, MessageReceipt

pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("committed")]
KILLS, SENDERS = 20, 4


@pytest.fixture
def server() -> Iterator[Server]:
    """Two processes, of which one may die."""
    with (
        tempfile.TemporaryDirectory(prefix="csbox-ingest-") as folder,
        served(Path(folder), workers=2, preload=True) as running,
    ):
        keys.create_source("Web app", key=KEY)
        yield running


def raw(port: int, *parts: bytes) -> bytes:
    """Send bytes as they are, in pieces; what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(0.05)
        line.shutdown(socket.SHUT_WR)
        found = b""
        while piece := line.recv(65_536):
            found += piece
        return found


def test_bodies_in_chunks_are_read(server: Server) -> None:
    """As mobile SDKs stream them: no length, the key in the body's last member."""
    body = json.dumps(batch(group(), track(properties={"text": "é" * 5_000}), writeKey=KEY)).encode()
    head = b"POST /v1/b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for n in range(0, len(body), 700) if (part := body[n : n + 700])]
    answer = raw(server.port, head, *chunks, b"0\r\n\r\n")
    assert b" 200 OK" in answer and answer.endswith(b'{"success": true}')
    assert Event.objects.get().account.external_id == "a1"  # type: ignore[union-attr]


def test_a_body_that_is_cut_short_is_refused_and_stores_nothing(server: Server) -> None:
    head = f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {basic()}\r\nContent-Length: 900\r\n\r\n"
    assert b" 400 " in raw(server.port, head.encode(), json.dumps(batch(track())).encode())
    both = b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 200 " not in raw(server.port, both + b"0\r\n\r\n")
    assert not MessageReceipt.objects.exists()


def test_nothing_that_was_acknowledged_is_lost_when_the_server_is_killed(server: Server) -> None:
    """Twenty kills at random moments under load: acknowledged minus stored is nothing, and nothing is there twice."""
    acknowledged: set[str] = set()
    sent: set[str] = set()
    over = threading.Event()

    def sender(number: int) -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            ids = [f"{number}-{turn}-{n}" for n in range(20)]
            sent.update(ids)
            body = {"batch": [track(user=f"u{n}", messageId=one) for n, one in enumerate(ids)]}
            while not over.is_set():
                with suppress(OSError, HTTPException):
                    line = HTTPConnection("127.0.0.1", server.port, timeout=15)
                    line.request("POST", "/v1/batch", json.dumps(body), {"Authorization": basic()})
                    if line.getresponse().status == 200:
                        acknowledged.update(ids)
                        break

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    kills = 0
    try:
        for kill in range(KILLS):
            _wait_for_more(acknowledged)  # so that each kill meets a server that works, under load
            time.sleep(chance.uniform(0, 0.2))
            if kill % 10 == 9:  # everything at once, as a power cut
                server.kill()
                kills += 1
                server.start()
            else:
                kills += _kill_a_worker(server, chance)
        _wait_for_more(acknowledged)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert kills == KILLS, f"seed {seed}"
    stored = list(Event.objects.values_list("message_id", flat=True))
    assert len(stored) == len(set(stored)), f"seed {seed}"
    assert acknowledged - set(stored) == set(), f"seed {seed}"
    assert set(stored) <= sent and len(acknowledged) > 20 * KILLS, f"seed {seed}"


def _wait_for_more(acknowledged: set[str]) -> None:
    before = len(acknowledged)
    eventually(lambda: len(acknowledged) > before, 60, "another batch is acknowledged")


def _kill_a_worker(server: Server, chance: random.Random) -> int:
    """One of those that serve; how many that were."""
    eventually(server.workers, 60, "a worker serves")
    try:
        os.kill(chance.choice(server.workers()), signal.SIGKILL)
    except (ProcessLookupError, IndexError):  # it has just ended, or all have
        return 0
    return 1
