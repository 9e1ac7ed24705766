"""The database is away: requests are kept on the disk, recorded in order when it is back, none lost, none twice."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import Account
from integrations.models import Message, Outcome
from integrations.tracking import keys, outages, spool
from integrations.tracking.requests import Received
from tests.ingest.conftest import KEY, Send, basic, batch, group, outcomes, plant_poison, track
from tests.ingest.serving import Line, Server, served
from tests.runtime.conftest import eventually
from usage.models import Event


@pytest.fixture(autouse=True)
def _own_spool(settings: Any, tmp_path: Path) -> Iterator[None]:
    """A folder of this test's own, and a process that remembers no outage."""
    settings.SPOOL_DIR = tmp_path / "spool"
    outages.note_there()
    spool._state.update(dict.fromkeys(spool._state, 0.0))
    yield
    outages.note_there()
    spool._state.update(dict.fromkeys(spool._state, 0.0))


def received(data: Any, number: int, *, key: str = KEY, kind: str = "batch") -> Received:
    """A request as it was read, one second after the one before."""
    at = dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number)
    return Received("segment", kind, keys.digest_of(key), at, f"request{number}", data)


def post(port: int, body: Any, key: str = KEY) -> int:
    """The status of one request to a real server."""
    line = HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("POST", "/v1/batch", json.dumps(body), {"Authorization": basic(key)})
    return line.getresponse().status


def test_what_was_kept_is_recorded_in_order_and_once(send: Send) -> None:
    for number in (3, 1, 2):
        assert spool.keep_if_known(received({"batch": [track(f"E{number}"), group(traits={"n": number})]}, number))
    assert [path.name[21:29] for path in spool.waiting()] == ["request1", "request2", "request3"]
    copies = [(path, path.read_text()) for path in spool.waiting()]
    assert spool.drain() == 3 and not spool.waiting()
    assert list(Event.objects.order_by("id").values_list("name__name", flat=True)) == ["E1", "E2", "E3"]
    assert Account.objects.get().attributes == {"n": 3}
    for path, text in copies:  # as after a crash between the commit and the removal
        path.write_text(text)
    assert spool.drain() == 3
    assert Event.objects.count() == 3
    assert [outcome for _, outcome in outcomes()][6:] == [Outcome.DUPLICATE] * 6


def test_what_cannot_be_recorded_is_set_aside_and_blocks_nothing(send: Send) -> None:
    spool.keep_if_known(received({"batch": 7}, 1))
    spool.keep_if_known(received(batch(track()), 2, key="wk_that-opens-nothing-at-all"))
    spool.keep_if_known(received(batch(track()), 3))
    (spool.folder() / "00000000000000000001-torn.0.json").write_text('{"dialect": "seg')
    assert spool.drain() == 4 and not spool.waiting()
    assert Event.objects.count() == 1
    aside = spool.folder() / "aside"
    reasons = [path.read_text() for path in sorted(aside.glob("*.reason"))]
    assert len(reasons) == len(list(aside.glob("*.json"))) == 3
    assert "cannot be read" in reasons[0] and "not a list" in reasons[1] and "write key" in reasons[2]


def test_a_message_that_fails_is_set_aside_and_its_neighbours_are_kept(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_poison(monkeypatch, "m1")
    sent = batch(group(traits={"plan": "pro"}), track(), track())
    assert [send("/v1/batch", sent).status_code for _ in range(2)] == [200, 200]
    assert Account.objects.get().attributes == {"plan": "pro"}
    assert [outcome for _, outcome in outcomes()][:3] == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
    assert "poison" in Message.objects.get(outcome=Outcome.FAILED).reason


def test_what_the_database_refuses_again_and_again_is_set_aside(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = spool.take

    def refuse(one: Received, source: Any) -> Any:
        if one.request_id == "request1":
            raise OperationalError("canceling statement due to statement timeout")
        return plain(one, source)

    monkeypatch.setattr(spool, "take", refuse)
    monkeypatch.setattr(spool, "_is_there", lambda: True)  # as it is; asking would close the test's transaction
    for number in (1, 2):
        spool.keep_if_known(received(batch(track(messageId=f"x{number}")), number))
    spool.drain()
    assert Event.objects.get().message_id == "x2" and len(spool.waiting()) == 1
    for _ in range(spool.TRIES):
        spool.drain()
    assert not spool.waiting() and "refused it 5 times" in next((spool.folder() / "aside").glob("*.reason")).read_text()


def test_a_full_spool_and_a_wrong_key_are_told(send: Send, settings: Any) -> None:
    outages.note_away()
    settings.SPOOL_MB = 0
    answer = send("/v1/batch", batch(track()))
    assert answer.status_code == 503 and answer["Retry-After"] == "5" and answer.json()["code"] == "unavailable"
    settings.SPOOL_MB = 10
    assert keys.find_source(keys.digest_of("wk_that-opens-nothing-at-all")) is None
    assert send("/v1/batch", batch(track()), key="wk_that-opens-nothing-at-all").status_code == 401
    assert send("/v1/batch", batch(track())).status_code == 200 and len(spool.waiting()) == 1


def test_strangers_fill_a_small_share_only(send: Send, settings: Any) -> None:
    """A key that has opened nothing here may be anybody's; one that has is known to a process that starts anew."""
    settings.SPOOL_MB = 1
    assert send("/v1/batch", batch()).status_code == 200
    keys.forget_known()  # as in a process that starts while the database is away
    outages.note_away()
    large = batch(track(properties={"text": "x" * 15_000}))
    stranger = [send("/v1/batch", large, key=f"wk_of-nobody-{number}").status_code for number in range(8)]
    assert stranger == [200] * 4 + [503] * 4  # a twentieth of a megabyte
    spool._state["measured"] = 0.0  # measured anew it is the same
    assert send("/v1/batch", large, key="wk_of-nobody-at-all").status_code == 503
    assert [send("/v1/batch", large).status_code for _ in range(30)] == [200] * 30
    outages.note_there()
    assert spool.drain() == 34 and len(spool.aside()) == 4
    outages.note_away()
    spool._state["measured"] = 0.0
    assert send("/v1/batch", large, key="wk_of-nobody-again").status_code == 503  # what is aside counts as well


def test_what_is_set_aside_takes_room_for_ninety_days(send: Send, settings: Any) -> None:
    settings.SPOOL_MB = 1
    assert send("/v1/batch", batch()).status_code == 200
    outages.note_away()
    for number in (1, 2):
        spool.keep_if_known(received({"batch": ["x" * 600_000]}, number))
    for path in spool.waiting():
        spool.set_aside(path, "a reason")
    spool._state["measured"] = 0.0
    assert send("/v1/batch", batch(track())).status_code == 503
    came = spool.aside()[0].received_at
    assert spool.forget_aside(came + dt.timedelta(days=spool.KEPT_ASIDE_DAYS)) == 1
    assert [item.received_at for item in spool.aside()] == [came]
    assert len(list((spool.folder() / "aside").iterdir())) == 2
    spool._state["measured"] = 0.0
    assert send("/v1/batch", batch(track())).status_code == 200
    outages.note_there()
    spool._state.update(looked=-spool.LOOK_EVERY, tidied=-spool.TIDY_EVERY)
    assert send("/v1/batch", batch()).status_code == 200  # the hourly look; the request is of May
    assert spool.aside() == []


@pytest.mark.machine
@pytest.mark.usefixtures("committed")
def test_an_outage_of_the_database_loses_nothing() -> None:
    """A real server whose database goes away, which is killed meanwhile, and which recovers by itself."""
    keys.create_source("Web app", key=KEY)
    line = Line()
    with tempfile.TemporaryDirectory(prefix="csbox-ingest-") as folder:
        waiting = Path(folder) / "spool"
        with served(Path(folder), workers=2, line=line) as server:
            assert post(server.port, batch(group(), track(messageId="before"))) == 200
            line.cut()
            sent = _send_from_three(server)
            assert len(list(waiting.glob("*.json"))) == 45
            server.kill()
            server.start()
            assert post(server.port, {"batch": [track(messageId="unknown-key-yet")]}) == 200
            line.mend()
            sent |= {"before", "unknown-key-yet"}
            time.sleep(5.5)
            for number in range(4):
                assert post(server.port, {"batch": [track(messageId=f"after{number}")]}) == 200
            sent |= {f"after{number}" for number in range(4)}
            eventually(lambda: not list(waiting.glob("*.json")), 30, "the spool is drained")
            assert not (waiting / "aside").exists()
    stored = list(Event.objects.values_list("message_id", flat=True))
    assert len(stored) == len(sent) and set(stored) == sent
    assert set(Event.objects.values_list("account__external_id", flat=True)) == {"a1"}


def _send_from_three(server: Server) -> set[str]:
    """Forty-five requests, every third a repetition; each must be acknowledged."""
    said: list[int] = []
    sent: set[str] = set()

    def sender(name: int) -> None:
        for number in range(15):
            ids = [f"{name}-{number - number % 3}-{n}" for n in range(10)]
            said.append(post(server.port, {"batch": [track(messageId=one) for one in ids]}))
            sent.update(ids)

    threads = [threading.Thread(target=sender, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [200] * 45
    return sent
