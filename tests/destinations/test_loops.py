"""Our own messages, passed back to the tracking API: they are known, and move nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Account, AttributeDefinition, EndUser
from csbox.evaluating import is_waiting
from csbox.pipeline import refresh_touched
from integrations.destinations.editing import add_item, remove_destination
from integrations.models import Message, SyncItem
from integrations.tracking.recording import record  # noqa: F401 - the real way in
from segments.models import Segment
from tests import factories
from tests.destinations.conftest import Make, run
from tests.destinations.endpoint import Endpoint
from tests.ingest.conftest import Send, _no_memory, send, source
from usage.models import Event

__all__ = ["_no_memory", "send", "source"]


@pytest.fixture
def item(db: None, make: Make) -> SyncItem:
    """Accounts in which something happened lately, and a field, sent with every event."""
    account = factories.account(external_id="a", licences=9, stated_licences=9)
    factories.relationship(account, factories.end_user(external_id="u"))
    lively: Segment = factories.segment("Lively", {"field": "account.licences", "op": "at_least", "value": 5})
    to = make(events_of_first=True)
    add_item(to, field="account.licences", key="licence_count")
    return add_item(to, segment=lively.key)


def passed_back(endpoint: Endpoint, **without: Any) -> dict[str, Any]:
    """Everything that was sent, as a tool passes it on: unchanged, or without what marks it."""
    messages = [{**message, **without} for message in endpoint.messages]
    return {"batch": [{**one, "messageId": f"new-{n}"} if without else one for n, one in enumerate(messages)]}


def test_marked_messages_are_dropped(item: SyncItem, send: Send, endpoint: Endpoint) -> None:
    run()
    assert {message["type"] for message in endpoint.messages} == {"group", "identify", "track"}
    sent = len(endpoint.messages)
    for round_trip in range(3):
        assert send("/v1/batch", passed_back(endpoint)).status_code == 200
        assert not is_waiting(), "nothing was touched"
        refresh_touched()
        run()
        assert len(endpoint.messages) == sent, f"round {round_trip} brought something new"
    dropped = Message.objects.filter(outcome="dropped")
    assert dropped.count() == Message.objects.count() == 3 * sent
    assert "sent to the destination “Tool” and passed back" in dropped.first().reason
    assert not AttributeDefinition.objects.exists() and not Event.objects.exists()


def test_without_a_mark_they_define_nothing_and_do_not_oscillate(
    item: SyncItem, send: Send, endpoint: Endpoint
) -> None:
    run()
    sent = len(endpoint.messages)
    for _ in range(2):
        assert send("/v1/batch", passed_back(endpoint, context={})).status_code == 200
        refresh_touched()
        run()
    assert len(endpoint.messages) == sent
    assert not AttributeDefinition.objects.exists() and not Event.objects.exists()
    assert Account.objects.get(external_id="a").attributes == {} == EndUser.objects.get(external_id="u").attributes


def test_other_messages_and_those_of_other_installations_are_taken(
    item: SyncItem, send: Send, endpoint: Endpoint
) -> None:
    run()
    origin = item.destination.origin
    other = {"csbox": {"origin": "0" * 32, "cause": "data"}}
    messages = [
        {"type": "group", "messageId": "1", "groupId": "a", "userId": "u", "traits": {"scored": 5}, "context": other},
        {"type": "track", "messageId": "2", "userId": "u", "event": "Audience Entered",
         "properties": {"audience_key": "of_theirs"}},
        {"type": "identify", "messageId": "3", "userId": "u", "traits": {"x": 1}, "context": {"csbox": 7}},
    ]  # fmt: skip
    assert send("/v1/batch", {"batch": messages}).status_code == 200
    assert set(Message.objects.values_list("outcome", flat=True)) == {"stored"}
    assert Account.objects.get(external_id="a").attributes == {"scored": 5}
    remove_destination(item.destination)
    late = {"type": "group", "messageId": f"csbox-{origin}-4", "groupId": "a", "traits": {"late": 5}}
    send("/v1/batch", {"batch": [late]})
    assert Message.objects.get(message_id=late["messageId"]).outcome == "dropped", "also of a destination that is gone"
