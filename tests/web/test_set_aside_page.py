"""Messages that were set aside, on their page and over the API: by reason, one by one, undone; files of the spool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.api.tokens import make_token
from integrations.models import Message, Outcome, Source
from integrations.tracking import keys, spool
from integrations.tracking.messages import Envelope, read_message
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from usage.models import Event


@pytest.fixture
def waiting(company: Company, settings: Any, tmp_path: Path) -> Source:
    """Four messages of two reasons that failed once and would not any more, and a request on the disk."""
    settings.SPOOL_DIR = tmp_path / "spool"
    source, _ = keys.create_source("Web app")
    now = timezone.now()
    for number in range(4):
        call = {"type": "track", "event": f"E{number}", "userId": "u1", "messageId": f"m{number}"}
        message = read_message(call, Envelope(now, "r"))
        Message.objects.create(
            source=source, received_at=now, at=now, kind="track", name=message.name, message_id=message.message_id,
            user_ref="u1", outcome=Outcome.FAILED, reason="First <b>" if number < 3 else "Second", said=message.said(),
            payload=message.payload,
        )  # fmt: skip
    file = spool.folder() / "00001795600000000000-abc.3.json"
    file.write_text("{}")
    spool.set_aside(file, "The file cannot be read")
    return source


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_nothing_waits(manager: Client, company: Company, settings: Any, tmp_path: Path) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"
    assert "Nothing is set aside" in text(manager.get(reverse("messages_aside")))
    assert "Set aside" not in text(manager.get(reverse("sources")))


def test_reasons_and_messages_are_decided_about(manager: Client, waiting: Source, query_count: QueryCount) -> None:
    with query_count("set aside"):
        page = manager.get(reverse("messages_aside"))
    assert (
        "First &lt;b&gt;" in page.content.decode()
        and "Second" in text(page)
        and "The file cannot be read" in text(page)
    )
    assert "Set aside 4" in text(manager.get(reverse("sources")))
    shown = text(manager.get(reverse("messages_aside"), {"reason": "Second"}))
    assert "track: E3" in shown and "track: E0" not in shown
    decide = reverse("messages_decide")
    told = manager.post(decide, {"do": "discard", "source": "web-app", "reason": "First <b>"}, follow=True)
    assert "3 messages discarded" in text(told)
    undo = re.search(r"/undo/[\w-]+/", told.content.decode())
    assert undo and "3 messages set aside again" in text(manager.post(undo[0], follow=True))
    told = manager.post(decide, {"do": "retry", "source": "web-app", "reason": "First <b>"}, follow=True)
    assert "3 messages recorded" in text(told) and Event.objects.count() == 3
    one = Message.objects.get(outcome=Outcome.FAILED)
    detail = manager.get(reverse("debugger"), {"message": one.pk})
    assert "Retry" in text(detail)
    assert "1 message recorded" in text(manager.post(decide, {"do": "retry", "message": one.pk}, follow=True))
    for gone in ({"message": one.pk}, {"message": "²"}, {"reason": "First <b>"}, {}):
        assert "Nothing was waiting" in text(manager.post(decide, {"do": "retry", **gone}, follow=True))
    assert Event.objects.count() == 4


def test_requests_on_the_disk_are_decided_about(manager: Client, waiting: Source) -> None:
    (file,) = spool.aside()
    for strange in ("../secret_key", "", f"../{file.name}"):
        told = manager.post(reverse("request_decide"), {"do": "discard", "request": strange}, follow=True)
        assert "does not lie there" in text(told)
    manager.post(reverse("request_decide"), {"do": "retry", "request": file.name})
    assert [path.name for path in spool.waiting()] == ["00001795600000000000-abc.0.json"] and not spool.aside()
    spool.drain()
    (file,) = spool.aside()
    manager.post(reverse("request_decide"), {"do": "discard", "request": file.name})
    assert not spool.aside() and not spool.waiting() and not list((spool.folder() / "aside").iterdir())


def test_the_api_does_the_same(company: Company, waiting: Source) -> None:
    client = Client(headers={"authorization": f"Token {make_token(company.manager.user)[1]}"})
    base = "/api/v1/set-aside/"
    rows = client.get(base, {"reason": "Second"}).json()["results"]
    assert [(row["name"], row["source"], row["user"]) for row in rows] == [("E3", "web-app", "u1")]
    assert client.post(f"{base}{rows[0]['id']}/retry/").json() == {"recorded": 1, "failed": 0, "left": 0}
    assert client.post(f"{base}{rows[0]['id']}/retry/").status_code == 404
    first = client.get(base).json()["results"][0]["id"]
    assert client.post(f"{base}{first}/discard/").json() == {"discarded": 1}
    asked = {"reason": "First <b>", "source": "web-app"}
    assert client.post(f"{base}retry-all/", asked, "application/json").json() == {"recorded": 2, "failed": 0, "left": 0}
    assert client.post(f"{base}discard-all/", asked, "application/json").json() == {"discarded": 0}
    assert client.post(f"{base}discard-all/", {}, "application/json").status_code == 400
    assert client.get(base).json()["results"] == [] and Event.objects.count() == 3


def test_it_is_for_administrators_and_managers(csm: Client, waiting: Source) -> None:
    assert csm.get(reverse("messages_aside")).status_code == 403
    for name in ("messages_decide", "request_decide"):
        assert csm.post(reverse(name)).status_code == 403
    assert csm.get("/api/v1/set-aside/").status_code == 403
    assert Message.objects.filter(outcome=Outcome.FAILED).count() == 4
