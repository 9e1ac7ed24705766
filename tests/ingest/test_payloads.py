"""What real SDKs send, recorded (`tests/sdk/record.py`) and replayed: once it is right, twice it is the same."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, AttributeChange, EndUser, Relationship
from integrations.models import Identity, Message, Outcome, PendingEvent, Source
from integrations.tracking import views
from tests.ingest.conftest import KEY
from usage.models import Event, MessageReceipt
from usage.rollup import roll_up

PAYLOADS = Path(__file__).resolve().parent / "payloads"
SEGMENT = ("segment-python", "segment-node", "rudder-python", "rudder-node")
WHEN = dt.datetime(2026, 5, 1, 10, 30, tzinfo=dt.UTC)


@pytest.fixture
def replay(source: Source, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Send a recording again, each request at the time at which it came."""

    def send(name: str) -> None:
        for item in json.loads((PAYLOADS / f"{name}.json").read_text()):
            at = dt.datetime.fromisoformat(item["at"])
            monkeypatch.setattr(views, "timezone", SimpleNamespace(now=lambda at=at: at))
            raw = json.dumps(item["body"]).encode()
            headers = dict(item["headers"])
            raw = gzip.compress(raw) if headers.get("Content-Encoding") == "gzip" else raw
            kind = headers.pop("Content-Type", "application/json")
            answer = Client(headers=headers).generic(item["method"], item["path"], raw, kind)
            assert answer.status_code == 200, answer.content

    return send


def facts() -> dict[str, Any]:
    """Everything that messages have caused."""
    roll_up()
    events = Event.objects.values("message_id")
    rows: dict[str, Any] = {
        "accounts": Account.objects.values("external_id", "name", "stated_licences", "attributes", "stamps"),
        "users": EndUser.objects.values("external_id", "name", "email", "title", "attributes", "stamps"),
        "belonging": Relationship.objects.values("user__external_id", "account__external_id", "role", "ended_at"),
        "changes": AttributeChange.objects.values("subject", "key", "old", "new", "at"),
        "events": Event.objects.values("message_id", "name", "account", "user", "at", "properties"),
        "receipts": MessageReceipt.objects.filter(message_id__in=events).values("message_id"),
        "identities": Identity.objects.values("name", "user", "former", "facts"),
        "waiting": PendingEvent.objects.values("message_id", "identity", "account_id"),
    }
    return {name: sorted(map(str, found)) for name, found in rows.items()}


@pytest.mark.parametrize("name", sorted(path.stem for path in PAYLOADS.glob("*.json")))
def test_a_recording_replayed_twice_changes_nothing_the_second_time(replay: Any, name: str) -> None:
    replay(name)
    before, came = facts(), Message.objects.count()
    assert before["events"] and before["users"] and before["accounts"]
    assert not Message.objects.filter(outcome__in=[Outcome.DROPPED, Outcome.FAILED]).exists()
    replay(name)
    assert facts() == before
    again = Message.objects.order_by("id")[came:]
    # What has no id of its own in the dialect is stated again, which changes nothing either.
    kinds = {message.outcome for message in again if message.kind in ("track", "page", "screen")}
    assert len(again) == came and kinds == {Outcome.DUPLICATE}
    assert not any(message.is_other_content for message in again)


@pytest.mark.parametrize("name", SEGMENT)
def test_four_sdks_say_the_same(replay: Any, name: str) -> None:
    replay(name)
    user = EndUser.objects.get()
    assert (user.external_id, user.email, user.title, user.attributes) == ("u1", "u1@example.com", "CFO", {})
    accounts = {row.external_id: row for row in Account.objects.all()}
    assert {key: row.name for key, row in accounts.items()} == {"a1": "Acme", "a2": "Beta", "7": "Seven"}
    assert accounts["a1"].stated_licences == 12 and accounts["a1"].attributes["odd"] == "xy"
    assert dt.datetime.fromisoformat(accounts["a1"].attributes["created_at"]) == WHEN
    open_ones = Relationship.objects.open().values_list("account__external_id", "role")
    assert sorted(open_ones) == [("a1", "owner"), ("a2", "")]
    events = {event.name.name: event for event in Event.objects.select_related("name", "account", "user")}
    homes = {what: event.account.external_id if event.account else None for what, event in events.items()}
    assert homes == {
        "Report Exported": "a1", "Trial Started": "a1", "Page Viewed": "a1", "Screen Viewed": "a1",
        "Pricing Seen": None, "Account Removed User": "7",
    }  # fmt: skip
    assert all(event.user == user for event in events.values())
    assert events["Report Exported"].properties == {"pages": 3, "note": "é😀", "half": None}
    assert events["Trial Started"].at == WHEN
    assert events["Page Viewed"].properties["page_name"] == "Setup"
    assert events["Screen Viewed"].properties["screen_name"] == "Home"


@pytest.mark.parametrize("name", ["posthog-python", "userlist-python"])
def test_the_other_dialects_say_it_too(replay: Any, name: str) -> None:
    replay(name)
    user = EndUser.objects.get(external_id="u1")
    assert user.title == "CFO" and Account.objects.get().name == "Acme"
    event = Event.objects.get(name__name="Report Exported")
    assert event.user == user and event.account and event.account.external_id == "a1" and event.properties["pages"] == 3
    if name == "userlist-python":
        assert Relationship.objects.open().get().role == "owner" and event.at == WHEN


def test_every_recording_opens_with_the_key_of_the_tests() -> None:
    for path in PAYLOADS.glob("*.json"):
        text = path.read_text()
        assert KEY in text or base64.b64encode(f"{KEY}:".encode()).decode() in text, path.name
    assert len(list(PAYLOADS.glob("*.json"))) == 6
