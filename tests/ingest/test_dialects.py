"""Userlist's push API and PostHog's capture API, as their clients send them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.models import Account, EndUser, Relationship
from integrations.models import Message, Outcome, Source
from integrations.tracking.requests import Received, take
from tests.ingest.conftest import KEY, Send, group, outcomes
from usage.models import Event

pytestmark = pytest.mark.once


@pytest.fixture
def push(source: Source) -> Any:
    """Send to Userlist's address."""

    def send(method: str, path: str, body: Any, key: str = KEY) -> Any:
        client = Client(headers={"authorization": f"Push {key}"})
        return client.generic(method, f"/userlist/{path}", json.dumps(body), "application/json")

    return send


@pytest.fixture
def capture(source: Source) -> Any:
    """Send a batch to PostHog's address."""

    def send(*events: dict[str, Any], path: str = "/batch/", key: str = KEY) -> Any:
        body = {"api_key": key, "batch": [{"uuid": f"e{n}"} | event for n, event in enumerate(events)]}
        return Client().generic("POST", path, gzip.compress(json.dumps(body).encode()), "application/json")

    return send


def test_userlist_tells_users_companies_and_what_is_between_them(push: Any) -> None:
    user = {
        "identifier": "u1", "email": "u1@example.com", "signed_up_at": "2026-01-01T00:00:00Z",
        "properties": {"title": "CFO", "plan_seat": 3},
        "relationships": [{"company": "a1", "properties": {"role": "owner"}}],
    }  # fmt: skip
    for path in ("users", "users/"):
        assert push("POST", path, user).status_code == 200
    company = {"identifier": "a2", "name": "Beta", "relationships": [{"user": {"identifier": "u2"}}]}
    assert push("POST", "companies", company).status_code == 200
    between = {
        "user": {"identifier": "u1"},
        "company": {"identifier": "a2", "name": "Beta"},
        "properties": {"role": "x"},
    }
    assert push("POST", "relationships", between).status_code == 200
    found = EndUser.objects.get(external_id="u1")
    assert (found.email, found.title, found.attributes["plan_seat"]) == ("u1@example.com", "CFO", 3)
    assert found.attributes["created_at"] == "2026-01-01T00:00:00Z"
    pairs = Relationship.objects.open().values_list("user__external_id", "account__external_id", "role")
    assert sorted(pairs) == [("u1", "a1", "owner"), ("u1", "a2", "x"), ("u2", "a2", "")]
    assert Account.objects.get(external_id="a2").name == "Beta"
    push("POST", "users", {"identifier": "u1", "properties": {"plan_seat": None}})
    assert "plan_seat" not in EndUser.objects.get(external_id="u1").attributes


def test_a_user_whom_userlist_deleted_has_left_also_what_is_heard_of_later(push: Any, send: Send) -> None:
    for account in ("a1", "a2"):
        push("POST", "relationships", {"user": "u1", "company": account})
    push("DELETE", "users", {"identifier": "u1"})
    left = Relationship.objects.get(account__external_id="a1").ended_at
    assert left and not Relationship.objects.open().exists()
    before, after = (left + dt.timedelta(days=days) for days in (-9, 1))
    calls = {"a3": before, "a2": before, "a1": after}  # the last one is ahead of its time by less than a sender's clock
    for account, at in calls.items():
        told = group(account, messageId=account, timestamp=at.isoformat())
        assert send("/v1/batch", {"batch": [told], "sentAt": left.isoformat()}).status_code == 200
    assert Relationship.objects.open().get().account.external_id == "a1"
    assert set(Relationship.objects.exclude(account__external_id="a1").values_list("ended_at", flat=True)) == {left}


def test_userlist_events_are_stored_once(push: Any) -> None:
    event = {
        "name": "Report Exported", "user": "u1", "company": {"identifier": "a1"},
        "occurred_at": "2026-05-01T10:00:00Z", "properties": {"pages": 3},
    }  # fmt: skip
    assert [push("POST", "events", event).status_code for _ in range(2)] == [200, 200]
    stored = Event.objects.get()
    assert stored.account.external_id == "a1" and stored.properties == {"pages": 3}  # type: ignore[union-attr]
    assert stored.at.isoformat() == "2026-05-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("when", "said"), [("soon", "“occurred_at” is no time: soon."), ("2038-01-01T00:00:00Z", "more than a day ahead")]
)
def test_a_time_of_userlist_that_is_replaced_is_told(push: Any, when: str, said: str) -> None:
    assert push("POST", "events", {"name": "E", "company": "a1", "occurred_at": when}).status_code == 200
    row = Message.objects.get()
    assert said in row.reason and row.at == row.received_at == Event.objects.get().at


def test_userlist_takes_away(push: Any) -> None:
    push("POST", "relationships", {"user": "u1", "company": "a1"})
    push("POST", "relationships", {"user": "u1", "company": "a2"})
    push("POST", "relationships", {"user": "u2", "company": "a2"})
    assert push("DELETE", "relationships", {"user": "u2", "company": "a2"}).status_code == 200
    assert sorted(Relationship.objects.open().values_list("user__external_id", flat=True)) == ["u1", "u1"]
    assert push("DELETE", "users", {"identifier": "u1"}).status_code == 200
    assert not Relationship.objects.open().exists() and EndUser.objects.count() == 2
    assert push("DELETE", "companies", {"identifier": "a2"}).status_code == 200
    assert list(Account.objects.live().values_list("external_id", flat=True)) == ["a1"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("companies", {"identifier": "a1", "name": "Acme"}), ("companies", {"identifier": "a1"}),
        ("relationships", {"user": "u1", "company": "a1"}),
        ("users", {"identifier": "u1", "relationships": [{"company": {"identifier": "a1", "name": "Acme"}}]}),
    ],
)  # fmt: skip
def test_a_company_that_is_pushed_again_comes_back(push: Any, path: str, body: Any) -> None:
    push("POST", "companies", {"identifier": "a1"})
    assert push("DELETE", "companies", {"identifier": "a1"}).status_code == 200
    for method, other, said in (
        ("DELETE", "relationships", {"user": "u1", "company": "a1"}),
        ("POST", "events", {"name": "E", "company": "a1"}),
    ):
        push(method, other, said)
        assert not Account.objects.live().exists()
    for _ in range(2):
        assert push("POST", path, body).status_code == 200
        assert Account.objects.live().get().external_id == "a1"
    push("DELETE", "companies", {"identifier": "a1"})
    assert not Account.objects.live().exists()


def test_what_a_person_archived_stays_whatever_userlist_says(push: Any) -> None:
    push("POST", "companies", {"identifier": "a1"})
    now = timezone.now()
    record_accounts([Fact("a1", {"archived_at": now}, now)], source="admin:me")
    push("DELETE", "companies", {"identifier": "a1"})
    push("POST", "companies", {"identifier": "a1", "name": "Acme"})
    account = Account.objects.get()
    assert account.name == "Acme" and account.archived_at == now


def test_a_deletion_that_comes_late_takes_nothing_away(push: Any, source: Source) -> None:
    """From the spool, after what was pushed later."""
    push("POST", "companies", {"identifier": "a1"})
    before = timezone.now() - dt.timedelta(minutes=1)
    take(Received("userlist", "companies:delete", "", before, "late", {"identifier": "a1"}), source)
    assert Account.objects.live().exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status"),
    [
        ("POST", "users", {}, KEY, 422), ("POST", "events", {"name": ""}, KEY, 422),
        ("POST", "events", {"name": "E"}, KEY, 422),
        ("POST", "relationships", {"user": "u1"}, KEY, 422), ("POST", "users", [], KEY, 400),
        ("POST", "users", {"identifier": "u"}, "wrong", 401), ("GET", "users", {}, KEY, 405),
        ("POST", "other", {}, KEY, 404), ("DELETE", "events", {}, KEY, 405),
        ("POST", "users", {"identifier": "u", "properties": {"x": "y" * 100_001}}, KEY, 413),
    ],
)  # fmt: skip
def test_userlist_errors_name_status_code_and_errors(
    push: Any, method: str, path: str, body: Any, key: str, status: int
) -> None:
    answer = push(method, path, body, key)
    assert answer.status_code == status
    assert path == "other" or {"status", "code", "errors"} <= set(answer.json())
    assert not EndUser.objects.exists() and not Event.objects.exists()


def test_posthog_batches_are_translated(capture: Any) -> None:
    here = {"$groups": {"company": "a1", "team": "t9"}, "$lib": "posthog-python"}
    group = {"$group_type": "company", "$group_key": "a1", "$group_set": {"name": "Acme", "plan": "pro"}}
    sent = [
        {"event": "$groupidentify", "distinct_id": "made-up", "properties": group},
        {"event": "$groupidentify", "distinct_id": "x", "properties": group | {"$group_type": "team"}},
        {"event": "$identify", "distinct_id": "u1", "properties": {"$set": {"email": "u1@example.com"}}},
        {"event": "$set", "distinct_id": "u1", "$set": {"title": "CFO"}, "properties": {}},
        {"event": "Report Exported", "distinct_id": "u1", "properties": here | {"pages": 3}},
        {"event": "$pageview", "distinct_id": "u1", "properties": here | {"$current_url": "https://example.com/x"}},
        {"event": "Seen", "distinct_id": "v1", "properties": here | {"$is_identified": False}},
        {"event": "Used", "distinct_id": "u1", "properties": here | {"$set": {"seats_used": 4}}},
    ]  # fmt: skip
    for path in ("/batch/", "/batch", "/posthog/batch/"):
        answer = capture(*sent, path=path)
        assert answer.status_code == 200 and answer.json() == {"status": 1}
    assert Account.objects.get().name == "Acme" and Account.objects.get().attributes == {"plan": "pro"}
    user = EndUser.objects.get()
    assert (user.external_id, user.email, user.title, user.attributes) == (
        "u1",
        "u1@example.com",
        "CFO",
        {"seats_used": 4},
    )
    rows = Event.objects.order_by("id").values_list("name__name", "account__external_id", "user__external_id")
    assert list(rows) == [
        ("Report Exported", "a1", "u1"), ("Page Viewed", "a1", "u1"), ("Seen", "a1", None), ("Used", "a1", "u1"),
    ]  # fmt: skip
    assert Event.objects.order_by("id")[0].properties == {"pages": 3}
    dropped = Message.objects.filter(outcome=Outcome.DROPPED)
    assert {message.message_id for message in dropped} == {"e1"}
    # The visitor turns out to be the user.
    alias = {
        "uuid": "al",
        "event": "$create_alias",
        "distinct_id": "v1",
        "properties": {"distinct_id": "v1", "alias": "u1"},
    }
    capture(alias)
    assert not Event.objects.filter(user=None).exists()


@pytest.mark.parametrize("turn", [1, -1])
def test_what_posthog_sets_once_is_what_was_first(capture: Any, turn: int) -> None:
    """And only where nothing else was set; what is unset goes."""
    calls = [
        {
            "event": "A",
            "timestamp": "2026-05-01T10:00:00Z",
            "properties": {"$set_once": {"came_by": "ad", "title": "X"}},
        },
        {"event": "$set", "timestamp": "2026-05-02T10:00:00Z", "$set": {"title": "CFO", "seat": 1}, "properties": {}},
        {"event": "$identify", "timestamp": "2026-05-03T10:00:00Z", "$set_once": {"came_by": "mail", "title": "Y"}},
        {"event": "B", "timestamp": "2026-05-04T10:00:00Z", "properties": {"$unset": ["seat"]}},
    ]
    for place, call in list(enumerate(calls))[::turn]:
        capture({"distinct_id": "u1", "uuid": f"o{place}"} | call)
    user = EndUser.objects.get()
    assert (user.title, user.attributes) == ("CFO", {"came_by": "ad"})
    assert not Message.objects.filter(outcome=Outcome.DROPPED).exists()


def test_posthog_single_events_and_flags(send: Send, source: Source) -> None:
    single = {"api_key": KEY, "event": "One", "distinct_id": "u1", "uuid": "s1", "properties": {}}
    for path in ("/capture/", "/i/v0/e/", "/e/", "/posthog/capture"):
        assert send(path, single, key=None).json() == {"status": 1}
    token = {"event": "Two", "distinct_id": "u1", "uuid": "s2", "properties": {"token": KEY}}
    assert send("/e/", [token], key=None).status_code in (200, 401)
    assert send("/e/", token, key=None).json() == {"status": 1}
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["s1", "s2"]
    assert send("/batch/", {"batch": [single]}, key=None).status_code == 401
    for path in ("/flags/?v=2", "/decide/?v=3", "/posthog/flags"):
        assert send(path, {"api_key": "anything"}, key=None).json()["featureFlags"] == {}
    assert len(outcomes()) == 5
