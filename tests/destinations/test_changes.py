"""What is told, and that it is told once: first everything, then changes only, each with one id for good."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, EndUser, Relationship
from accounts.touching import touch
from csbox.pipeline import refresh_everything, refresh_touched
from integrations.destinations.editing import add_item, change_destination, end_item, go_on, pause, retry
from integrations.destinations.filling import look
from integrations.models import Outgoing, SyncedValue, SyncItem
from segments.editing import save_segment
from segments.models import Segment
from segments.pinning import pin_member
from segments.refresh import refresh_due
from tests import factories
from tests.destinations.conftest import Make, run, told
from tests.destinations.endpoint import Endpoint

BIG = {"field": "account.licences", "op": "at_least", "value": 100}


@pytest.fixture
def big(db: None) -> Segment:
    """Big accounts: one of two, with two users."""
    big, small = (
        factories.account("Big", external_id="big", licences=200, stated_licences=200),
        factories.account(external_id="small"),
    )
    for name in ("ada", "bob"):
        factories.relationship(big, factories.end_user(external_id=name))
    factories.relationship(small, EndUser.objects.get(external_id="bob"))
    return factories.segment("Big accounts", BIG)


def licences(external_id: str, number: int) -> None:
    """Something new about an account, evaluated as the worker does."""
    Account.objects.filter(external_id=external_id).update(stated_licences=number)
    touch([Account.objects.get(external_id=external_id).pk])
    refresh_touched()


def test_the_first_sync_says_everything_and_then_nothing(big: Segment, make: Make, endpoint: Endpoint) -> None:
    item = add_item(make(), segment=big.key)
    run()
    assert item.key == "big_accounts"
    assert told(endpoint) == [("group", "big", True), ("identify", "ada", True), ("identify", "bob", True)]
    (request,) = endpoint.got
    assert request.path == "/v1/batch" and request.headers["authorization"] == "Basic d2stMTo="
    group = endpoint.messages[0]
    assert group["traits"] == {"big_accounts": True} and group["anonymousId"]
    assert group["context"]["personas"] == {
        "computation_class": "audience", "computation_id": "segment:big_accounts", "computation_key": "big_accounts",
        "namespace": "accounts", "space_id": item.destination.origin,
    }  # fmt: skip
    assert group["context"]["csbox"]["cause"] == "first"
    for _ in range(2):
        refresh_everything()
        run()
    assert len(endpoint.messages) == 3, "nothing changed, so nothing was sent"


def test_an_entry_and_an_exit_are_told_once_each(big: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(), segment=big.key)
    run()
    endpoint.got.clear()
    licences("small", 300)
    run()
    # bob was told already: one of his accounts was a member before.
    assert told(endpoint) == [("group", "small", True)]
    licences("big", 1)
    run()
    assert told(endpoint)[1:] == [
        ("group", "big", False), ("identify", "ada", False), ("Audience Exited", "ada", False)
    ]  # bob's other account is still a member  # fmt: skip
    licences("small", 1)
    run()
    assert told(endpoint)[4:] == [
        ("group", "small", False), ("identify", "bob", False), ("Audience Exited", "bob", False)
    ]  # fmt: skip
    licences("small", 300)
    run()
    run()
    assert told(endpoint)[7:] == [
        ("group", "small", True), ("identify", "bob", True), ("Audience Entered", "bob", True)
    ]  # fmt: skip
    event = endpoint.messages[-1]
    assert event["properties"] == {"audience_key": "big_accounts", "big_accounts": True}
    assert {message["context"]["csbox"]["cause"] for message in endpoint.messages} == {"data"}
    ids = [message["messageId"] for message in endpoint.messages]
    assert len(set(ids)) == len(ids)


def test_a_user_who_joins_or_leaves_an_account_follows_it(big: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(groups=False), segment=big.key)
    run()
    endpoint.got.clear()
    account = Account.objects.get(external_id="big")
    new = factories.relationship(account, factories.end_user(external_id="cleo"))
    touch([account.pk])
    refresh_touched()
    run()
    assert told(endpoint) == [("identify", "cleo", True), ("Audience Entered", "cleo", True)]
    Relationship.objects.filter(pk=new.pk).update(ended_at=timezone.now())
    touch([account.pk])
    refresh_touched()
    run()
    assert told(endpoint)[2:] == [("identify", "cleo", False), ("Audience Exited", "cleo", False)]


@pytest.mark.parametrize("as_events", [False, True])
def test_a_changed_definition_is_told_apart(as_events: bool, big: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(to_users=False, events_of_definition=as_events), segment=big.key)
    run()
    endpoint.got.clear()
    save_segment(big, name=big.name, rule=factories.rule({**BIG, "value": 500}))
    refresh_due()
    run()
    expected = [("group", "big", False)] + ([("Audience Exited", "big", False)] if as_events else [])
    assert told(endpoint) == expected
    assert {message["context"]["csbox"]["cause"] for message in endpoint.messages} == {"definition"}


def test_a_pin_is_by_hand(big: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(to_users=False), segment=big.key)
    run()
    endpoint.got.clear()
    pin_member(big, Account.objects.get(external_id="small"), kind="in", reason="Soon")
    refresh_due()
    run()
    assert told(endpoint) == [("group", "small", True), ("Audience Entered", "small", True)]
    assert endpoint.messages[0]["context"]["csbox"]["cause"] == "hand"


def test_segments_of_users_and_fields(db: None, make: Make, endpoint: Endpoint) -> None:
    account = factories.account(external_id="a", licences=7, stated_licences=7)
    user = factories.end_user(external_id="u", title="Chief")
    factories.relationship(account, user)
    chiefs = factories.segment("Chiefs", {"field": "user.title", "op": "is", "value": "Chief"}, subject="user")
    to = make(computed_name="Value Known")
    add_item(to, segment=chiefs.key)
    add_item(to, field="account.licences", key="licence_count")
    add_item(to, field="user.title", key="job")
    run()
    assert told(endpoint) == [("identify", "u", True), ("group", "a", 7), ("identify", "u", "Chief")]
    endpoint.got.clear()
    user.title = ""
    user.save()
    licences("a", 8)
    run()
    assert told(endpoint) == [
        ("identify", "u", False), ("Audience Exited", "u", False), ("group", "a", 8), ("Value Known", "a", 8),
        ("identify", "u", None),
    ]  # fmt: skip
    computed = endpoint.messages[3]
    assert computed["properties"] == {"trait_key": "licence_count", "licence_count": 8}
    assert computed["context"]["groupId"] == "a" and computed["context"]["personas"]["computation_class"] == "trait"


def test_a_crash_between_the_commit_and_the_sending_leaves_one_message(
    big: Segment, make: Make, endpoint: Endpoint
) -> None:
    add_item(make(to_users=False), segment=big.key)
    assert look(20) == 1 and Outgoing.objects.waiting().count() == 1
    assert look(20) == 0, "a second look finds that it was written"
    SyncItem.objects.update(answered=0)  # as if the worker had died before it said that it was done
    assert look(20) == 0
    run()
    run()
    assert [message["type"] for message in endpoint.messages] == ["group"]


def test_pausing_loses_nothing_and_sends_nothing(big: Segment, make: Make, endpoint: Endpoint) -> None:
    to = make(to_users=False, events=False)
    add_item(to, segment=big.key)
    pause(to)
    licences("small", 300)
    run()
    assert endpoint.got == [] and not SyncedValue.objects.exists()
    go_on(to)
    run()
    assert told(endpoint) == [("group", "big", True), ("group", "small", True)]


def test_a_first_sync_in_batches_can_be_cancelled(
    big: Segment, make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.destinations import filling

    monkeypatch.setattr(filling, "BATCH", 2)
    for _ in range(5):
        factories.account(licences=500, stated_licences=500)
    refresh_everything()
    to = make(to_users=False)
    item = add_item(to, segment=big.key)
    assert look(20) == 6
    assert end_item(item) == 6
    run()
    assert endpoint.got == []
    from core.intake import BadValue

    with pytest.raises(BadValue, match="another key"):
        add_item(to, segment=big.key, key=item.key)
    add_item(to, segment=big.key, key="large")
    run()
    assert len(endpoint.messages) == 6


def test_users_are_told_when_that_is_chosen_later(big: Segment, make: Make, endpoint: Endpoint) -> None:
    to = make(to_users=False)
    add_item(to, segment=big.key)
    run()
    change_destination(to, {"to_users": True})
    run()
    assert told(endpoint)[1:] == [("identify", "ada", True), ("identify", "bob", True)]


def test_a_stale_value_is_not_sent_again(big: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(to_users=False, events=False), segment=big.key)
    endpoint.answer(400)
    run()
    (failed,) = Outgoing.objects.filter(state="failed")
    licences("big", 1)
    run()
    assert told(endpoint)[-1] == ("group", "big", False)
    assert retry([failed]) == (0, 1)
    assert Outgoing.objects.get(pk=failed.pk).state == "failed"


def test_keys_are_checked(big: Segment, make: Make) -> None:
    from core.intake import BadValue

    to = make()
    for key in ("Big", "1st", "a-b", "name", "mrr"):
        with pytest.raises(BadValue):
            add_item(to, segment=big.key, key=key)
    with pytest.raises(BadValue, match="no field"):
        add_item(to, field="account.nothing")
    assert add_item(to, field="account.name").key == "csbox_name"


def test_a_deleted_key_is_in_nobodys_way(big: Segment, make: Make) -> None:
    from segments.editing import delete_segment
    from segments.uses import SegmentInUse

    item: Any = add_item(make(name="CRM"), segment=big.key)
    with pytest.raises(SegmentInUse, match="destination “CRM”"):
        delete_segment(big)
    end_item(item)
    delete_segment(big)
    assert SyncItem.objects.get(pk=item.pk).segment is None
