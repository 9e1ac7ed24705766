"""Who did it, and in which account: relationships, visitors, former ids, users of none, one and several accounts."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from accounts.models import Account, AttributeChange, EndUser, Relationship
from accounts.touching import read_touched, settle
from csbox.pipeline import bring_in
from integrations.models import Identity, Message, Outcome, PendingEvent
from integrations.tracking.settling import GIVEN, forget_given
from tests.ingest.conftest import Send, batch, group, identify, outcomes, track
from usage.models import DailyUsage, Event
from usage.rollup import roll_up

ROLE = {"Userlist": {"extensions": {"relationship": {"properties": {"role": "owner", "seatType": "full"}}}}}


def homes() -> dict[str, tuple[str | None, str | None]]:
    """The account and the user of every event, by its message id, once the background has done its part."""
    bring_in()
    rows = Event.objects.values_list("message_id", "account__external_id", "user__external_id")
    return {message_id: (account, user) for message_id, account, user in rows}


def test_a_group_call_joins_and_its_extension_says_as_what(send: Send) -> None:
    send("/v1/batch", batch(group(integrations=ROLE, traits={"name": "Acme", "plan": "pro", "employees": 50})))
    found = Relationship.objects.get()
    assert (found.user.external_id, found.account.name, found.role) == ("u1", "Acme", "owner")
    assert found.attributes == {"seat_type": "full"}
    assert found.account.attributes == {"plan": "pro", "employees": 50}
    assert read_touched().accounts == {found.account_id}


def test_an_event_ends_and_another_begins_a_relationship(send: Send) -> None:
    here = {"context": {"groupId": "a1"}}
    send("/v1/batch", batch(track("Account Added User", properties={"role": "editor"}, **here)))
    assert Relationship.objects.open().get().role == "editor"
    send("/v1/batch", {"batch": [track("Account Removed User", messageId="gone", **here)]})
    assert not Relationship.objects.open().exists() and Relationship.objects.count() == 1
    assert Event.objects.count() == 2


@pytest.mark.parametrize("properties", [{}, {"role": None}, {"role": 7}, {"role": ""}])
def test_who_is_added_without_a_role_belongs_as_well(send: Send, properties: dict[str, Any]) -> None:
    send("/v1/batch", batch(track("Account Added User", properties=properties, context={"groupId": "a1"})))
    found = Relationship.objects.open().get()
    assert (found.user.external_id, found.account.external_id, found.role) == ("u1", "a1", "")
    send("/v1/batch", {"batch": [track("Account Added User", messageId="nowhere", user="u2")]})
    assert Relationship.objects.count() == 1


def test_a_group_call_without_a_user_is_about_the_account(send: Send) -> None:
    send(
        "/v1/batch", batch(group(user=None, traits={"name": "Acme", "address": {"country": "Norway", "city": "Oslo"}}))
    )
    account = Account.objects.get()
    assert (account.name, account.country, account.attributes["address_city"]) == ("Acme", "Norway", "Oslo")
    assert not EndUser.objects.exists() and not Relationship.objects.exists()


def test_the_context_decides_in_which_account_it_happened(send: Send) -> None:
    sent = batch(
        group("a1"), group("a2"), track(context={"groupId": "a1"}), track(), track(user="u2"),
        group("a1", user="u2", messageId="later"), track(user="u2", messageId="then"),
    )  # fmt: skip
    send("/v1/batch", sent)
    assert homes() == {"m2": ("a1", "u1"), "m3": (None, "u1"), "m4": ("a1", "u2"), "then": ("a1", "u2")}
    marked = Message.objects.filter(inferred=True).values_list("message_id", "account_ref")
    assert sorted(marked) == [("m4", "a1"), ("then", "a1")]
    lost = Message.objects.get(outcome=Outcome.NO_ACCOUNT)
    assert lost.message_id == "m3" and "several accounts" in lost.reason


def test_the_account_may_stand_beside_the_context_and_what_is_null_is_not_said(send: Send) -> None:
    page = {"type": "page", "userId": "u1", "name": None, "category": None, "properties": {"path": "/"}}
    send("/v1/batch", batch(track(groupId="a1"), page | {"context": {"groupId": "a1"}}, page | {"name": "Home"}))
    assert homes()["m0"] == homes()["m1"] == ("a1", "u1")
    properties = dict(Event.objects.values_list("message_id", "properties"))
    assert properties["m1"] == {"path": "/"} and properties["m2"] == {"path": "/", "page_name": "Home"}


def test_the_events_of_a_user_wait_for_the_first_account(send: Send) -> None:
    """And the numbers are the same whichever came first."""
    send("/v1/batch", batch(track(), track()))
    assert homes() == {"m0": (None, "u1"), "m1": (None, "u1")}
    roll_up()
    assert not DailyUsage.objects.exists()
    send("/v1/batch", {"batch": [group(messageId="g")]})
    assert homes() == {"m0": ("a1", "u1"), "m1": ("a1", "u1")}
    roll_up()
    assert DailyUsage.objects.get().count == 2
    assert not PendingEvent.objects.filter(user_id=None).exists()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_visitor_becomes_a_user_in_whatever_order_the_calls_come(send: Send, order: tuple[int, ...]) -> None:
    """Identify with both ids; what the visitor did and said before and after is the user's."""
    calls = [
        identify(anonymousId="v1"),
        track("Seen", user=None, anonymousId="v1"),
        identify(user=None, anonymousId="v1", traits={"title": "CFO"}),
        group(user=None, anonymousId="v1"),
    ]
    for place in order:
        send("/v1/batch", {"batch": [{"messageId": f"c{place}", "timestamp": "2026-06-01T10:00:00Z"} | calls[place]]})
    assert homes() == {"c1": ("a1", "u1")}
    user = EndUser.objects.get()
    assert (user.external_id, user.title) == ("u1", "CFO")
    assert Relationship.objects.get().user_id == user.pk
    assert len(Identity.objects.get().facts) == 2 and not PendingEvent.objects.filter(user_id=None).exists()


def test_a_computer_that_two_share_is_each_of_theirs_in_turn(send: Send) -> None:
    """Whatever was known first; before the first log-in it is whose that was."""
    seen = [track("Seen", user=None, anonymousId="pc", messageId=f"e{day}", timestamp=on(day)) for day in (1, 3, 5)]
    for user, day in (("u2", 4), ("u1", 2), ("u2", 9)):  # the later one is heard of first
        send("/v1/batch", {"batch": [identify(user, anonymousId="pc", messageId=f"i{day}", timestamp=on(day)), *seen]})
    whose = {name: user for name, (_, user) in homes().items()}
    assert whose == {"e1": "u1", "e3": "u1", "e5": "u2"}
    late = track("Seen", user=None, anonymousId="pc", messageId="e2", timestamp=on(2))
    send("/v1/batch", {"batch": [late, {"type": "alias", "messageId": "al", "previousId": "u1", "userId": "u0"}]})
    whose = {name: user for name, (_, user) in homes().items()}
    assert whose == {"e1": "u0", "e2": "u0", "e3": "u0", "e5": "u2"}
    send("/v1/batch", {"batch": [identify("u2", anonymousId="pc", messageId="i0", timestamp=on(1))]})
    assert homes()["e1"][1] == "u2" and homes()["e3"][1] == "u0"
    forget_given(dt.datetime(2026, 6, 3, tzinfo=dt.UTC) + GIVEN)
    assert set(PendingEvent.objects.values_list("message_id", flat=True)) == {"e3", "e5"}


def on(day: int) -> str:
    """A day of a month."""
    return f"2026-06-{day:02}T10:00:00Z"


def test_a_visitor_and_the_log_in_may_come_in_one_batch(send: Send) -> None:
    send("/v1/batch", batch(track(user=None, anonymousId="v"), group(), identify(anonymousId="v")))
    assert homes() == {"m0": ("a1", "u1")}


def test_a_visitor_in_an_account_counts_for_the_account(send: Send) -> None:
    send(
        "/v1/batch",
        batch(track(user=None, anonymousId="v", context={"groupId": "a1"}), track(user=None, anonymousId="v")),
    )
    assert homes() == {"m0": ("a1", None), "m1": (None, None)}
    assert [outcome for _, outcome in outcomes()] == [Outcome.STORED, Outcome.NO_ACCOUNT]
    assert not EndUser.objects.exists()
    send("/v1/batch", {"batch": [{"type": "alias", "messageId": "al", "previousId": "v", "userId": "u1"}]})
    assert homes() == {"m0": ("a1", "u1"), "m1": (None, "u1")}
    send("/v1/batch", {"batch": [group("a1", messageId="gr")]})
    assert homes() == {"m0": ("a1", "u1"), "m1": ("a1", "u1")}


def test_an_alias_makes_two_users_one(send: Send) -> None:
    """Values, relationships and events go over; the old id means the new user from now on."""
    sent = batch(
        identify("old", traits={"title": "Old", "email": "old@example.com"}, timestamp="2026-01-01T00:00:00Z"),
        identify("new", traits={"title": "New"}, timestamp="2026-02-01T00:00:00Z"),
        group("a1", user="old", integrations=ROLE), track(user="old"), track(user="new", context={"groupId": "a1"}),
    )  # fmt: skip
    send("/v1/batch", sent)
    settle(read_touched())
    alias = {"type": "alias", "messageId": "al", "previousId": "old", "userId": "new"}
    again = {"type": "alias", "messageId": "self", "previousId": "new", "userId": "new"}
    send("/v1/batch", {"batch": [alias, again, track(user="old", messageId="after")]})
    bring_in()
    user = EndUser.objects.get()
    assert (user.external_id, user.title, user.email) == ("new", "New", "old@example.com")
    assert homes() == {"m3": ("a1", "new"), "m4": ("a1", "new"), "after": ("a1", "new")}
    assert Relationship.objects.get().role == "owner"
    assert read_touched().accounts == {Account.objects.get().pk}
    roll_up()
    assert {row.user_id for row in DailyUsage.objects.all()} == {user.pk}


def test_a_value_that_cannot_be_kept_is_left_out_with_a_remark(send: Send) -> None:
    send("/v1/batch", batch(group(traits={"score": 7}), group(traits={"score": "high", "region": "x", "things": [{}]})))
    assert Account.objects.get().attributes == {"score": 7, "region": "x"}
    message = Message.objects.get(message_id="m1")
    assert message.outcome == Outcome.STORED
    assert "score" in message.reason and "things" in message.reason


def test_a_source_may_be_kept_from_defining_attributes(send: Send, source: object) -> None:
    type(source).objects.update(new_attributes=False)  # type: ignore[attr-defined]
    send("/v1/batch", batch(group(traits={"name": "Acme", "plan": "pro"})))
    assert Account.objects.get().attributes == {} and Account.objects.get().name == "Acme"
    assert "plan" in Message.objects.get().reason


def test_names_of_traits_are_equal_however_their_words_are_joined(send: Send) -> None:
    for place, name in enumerate(("createdAt", "created_at", "Created At", "CREATED_AT")):
        traits = {name: f"2026-01-0{place + 1}T00:00:00Z"}
        send("/v1/batch", {"batch": [identify(messageId=f"k{place}", traits=traits)]})
    assert EndUser.objects.get().attributes == {"created_at": "2026-01-04T00:00:00Z"}
    assert AttributeChange.objects.filter(key="custom.created_at").count() == 4


def test_an_identify_that_names_a_company_says_who_belongs_to_it(send: Send) -> None:
    company = {"id": 12, "name": "Acme", "industry": "Toys", "employee_count": 40, "plan": "pro"}
    send("/v1/batch", batch(track(), identify(traits={"title": "CFO", "company": company})))
    found = Relationship.objects.open().get()
    assert (found.user.title, found.account.external_id, found.account.name) == ("CFO", "12", "Acme")
    assert found.account.attributes == {"employee_count": 40, "plan": "pro"} and found.account.industry == "Toys"
    assert found.user.attributes == {}
    assert homes()["m0"] == ("12", "u1")  # an event that came before its user's first account
    older = {"id": "12", "name": "Old", "plan": "free"}
    call = identify(messageId="older", traits={"company": older}, timestamp="2020-01-01T00:00:00Z")
    send("/v1/batch", {"batch": [call]})
    assert Account.objects.get().name == "Acme"


def test_a_company_without_an_id_is_what_the_user_says(send: Send) -> None:
    send("/v1/batch", batch(identify(traits={"company": {"name": "Acme"}}), identify("u2", traits={"company": "Beta"})))
    assert not Account.objects.exists()
    assert EndUser.objects.get(external_id="u1").attributes == {"company_name": "Acme"}
    assert EndUser.objects.get(external_id="u2").attributes == {"company": "Beta"}


def test_a_visitor_who_names_a_company_belongs_to_it_once_known(send: Send) -> None:
    visitor = identify(user=None, anonymousId="v1", traits={"title": "CFO", "company": {"id": "a1", "name": "Acme"}})
    send("/v1/batch", batch(visitor, track(user=None, anonymousId="v1")))
    assert Account.objects.get().name == "Acme" and not Relationship.objects.exists()
    assert homes()["m1"] == ("a1", None)
    send("/v1/batch", {"batch": [identify(messageId="known", anonymousId="v1")]})
    assert Relationship.objects.open().get().account.external_id == "a1" and homes()["m1"] == ("a1", "u1")


def test_what_a_batch_says_of_all_its_messages_is_merged_under_each(send: Send) -> None:
    whole = {"context": {"groupId": "a1", "traits": {"title": "CFO"}}, "integrations": ROLE}
    calls = [identify(context={"ip": "::1"}), group(integrations={"All": True}), track(context={"groupId": ""})]
    send("/v1/batch", batch(*calls, **whole))
    found = Relationship.objects.get()
    assert (found.role, found.user.title) == ("owner", "CFO") and homes()["m2"] == ("a1", "u1")
