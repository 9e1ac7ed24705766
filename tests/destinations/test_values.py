"""What can be sent, what becomes of what cannot, and what erasing takes away."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.facts.attributes import define_attribute
from accounts.fields import Owner, vocabulary
from accounts.models import Account, Subject
from accounts.privacy.erasing import continue_erasures, request_erasure
from accounts.touching import touch
from csbox.pipeline import refresh_everything, refresh_touched
from integrations.destinations import differing, filling
from integrations.destinations.differing import Desired, desired_of
from integrations.destinations.editing import add_item, sendable_fields
from integrations.models import Outgoing, SyncedValue, SyncItem
from segments.models import Segment
from tests import factories
from tests.destinations.conftest import Make, run, told
from tests.destinations.endpoint import Endpoint
from tests.destinations.test_changes import big
from usage.traits.editing import save_trait

__all__ = ["big"]


def test_every_field_that_is_offered_can_be_sent(db: None, make: Make) -> None:
    account, user = factories.account(attributes={"tags": []}), factories.end_user()
    factories.relationship(account, user)
    for kind, subject in (("list", "account"), ("date", "user")):
        define_attribute(Subject(subject), f"of_{subject}", kind=kind)
    save_trait(None, name="Logins", method="count", definition={"event": "Login"}, compute_now=False)
    item, fields = SyncItem(destination=make()), vocabulary()
    offered = sendable_fields(fields)
    assert {"account.mrr", "team.csm", "user.title", "health.score", "account.trait.logins"} <= {
        one.key for one in offered
    }
    for one in offered:
        rows = dict(desired_of(item, one).rows(None))
        assert set(rows) == {user.pk if one.owner is Owner.USER else account.pk}, one.key
        assert rows.popitem()[1] != "", one.key  # what is not there is null


def test_a_custom_attribute_is_sent_as_it_was_written(db: None, make: Make, endpoint: Endpoint) -> None:
    values = {
        "text": "Gold “+”", "choice": "EMEA", "number": 7.5, "boolean": False, "date": "2026-05-20", "list": ["b", "a"],
        "money": {"amount": 5, "currency": "EUR"}, "link": "https://a.example/x",
    }  # fmt: skip
    to = make(events=False)
    for kind in values:
        define_attribute(Subject.ACCOUNT, f"a_{kind}", kind=kind, choices=["EMEA"] if kind == "choice" else ())
    account = factories.account(external_id="a", attributes={f"a_{kind}": value for kind, value in values.items()})
    for kind in values:
        add_item(to, field=f"account.custom.a_{kind}", key=f"sent_{kind}")
    run()
    assert told(endpoint) == [("group", "a", value) for value in values.values()]
    endpoint.got.clear()
    account.attributes = {"a_text": "", "a_list": []}  # as good as missing
    account.save()
    touch([account.pk])
    refresh_touched()
    run()
    assert {value for _, _, value in told(endpoint)} == {None}


def test_a_changed_trait_is_told_apart_from_a_change_of_the_customer(db: None, make: Make, endpoint: Endpoint) -> None:
    account = factories.account(external_id="a", stated_licences=8, licences=8, stated_mrr=100, mrr=100)
    definition = {"left": "account.mrr", "right": "account.licences"}
    trait = save_trait(None, name="Per seat", method="ratio", definition=definition)
    add_item(make(), field=trait.field_key, key="per_seat")
    run()
    save_trait(trait, name="Per seat", method="ratio", definition={"left": "account.licences", "right": "account.mrr"})
    run()
    Account.objects.filter(pk=account.pk).update(stated_licences=10)
    touch([account.pk])
    refresh_touched()
    run()
    said = [(row["type"], row["context"]["csbox"]["cause"]) for row in endpoint.messages]
    assert said == [("group", "first"), ("group", "definition"), ("group", "data"), ("track", "data")]


def test_an_item_that_cannot_be_read_stands_in_nobodys_way(
    big: Segment, make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = differing.desired_of

    def broken(item: SyncItem, field: Any) -> Any:
        found = plain(item, field)
        if item.key != "broken":
            return found
        return Desired(found.subject, lambda only: Account.objects.extra(where=["1/0 = 1"]).values_list("pk"), None)

    monkeypatch.setattr(filling, "desired_of", broken)
    to = make(to_users=False, events=False)
    bad = add_item(to, field="account.licences", key="broken")
    add_item(to, segment=big.key)
    run()
    assert told(endpoint) == [("group", "big", True)]
    bad.refresh_from_db()
    assert "could not be read" in bad.error and bad.answered == bad.requested


def test_erasing_takes_what_waits_and_what_is_known(big: Segment, make: Make, endpoint: Endpoint) -> None:
    to = make()
    add_item(to, segment=big.key)
    add_item(to, field="user.name", key="called")
    run()
    request_erasure("user", "ada", by="ann")
    continue_erasures()
    assert not Outgoing.objects.filter(user__external_id="ada") and not SyncedValue.objects.filter(user__name="ada")
    assert Outgoing.objects.count() == Outgoing.objects.exclude(user=None).count() + 1
    request_erasure("account", "big", by="ann")
    continue_erasures()
    refresh_everything()
    before = len(endpoint.messages)
    run()
    assert told(endpoint)[before:] == [("identify", "bob", False), ("Audience Exited", "bob", False)]
