"""Stripe: what a first run brings, what a later one changes, and what nobody may lose."""

from __future__ import annotations

import copy
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, record_accounts, record_subscriptions
from accounts.models import Account, AttributeChange, AttributeDefinition, Subscription
from integrations.connections.editing import change_mapping, make_account, match_by_hand
from integrations.models import Connection, ConnectionLink
from tests import factories
from tests.connections.conftest import Pull
from tests.connections.standin import StandIn
from tests.connections.stripe_side import MONTH, NOW, customer, discount, item, price, subscription


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 300, dt.UTC), tick=True)


def test_a_first_run_brings_customers_and_their_subscriptions(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    standin.stripe.put(customer("cus_1", name="Acme"), customer("cus_2", name="Bolt"))
    tiers = [{"up_to": 5, "unit_amount": 1_000}, {"up_to": None, "unit_amount": 500}]
    stepped = price("price_t", None, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers, nickname="Stepped")
    standin.stripe.put(
        subscription("sub_1", "cus_1", item(price(), 3), discounts=[discount(percent_off=10)]),
        subscription("sub_2", "cus_2", item(stepped, 7), cancel_at_period_end=True, cancel_at=NOW + MONTH),
        subscription("sub_3", "cus_2", status="trialing", trial_start=NOW, trial_end=NOW + MONTH),
        subscription("sub_4", "cus_2", status="canceled", ended_at=NOW - 86_400),
    )
    run = pull(stripe)
    assert (run.state, run.full, run.error, run.problems) == ("done", True, "", [])
    assert (run.read, run.created, run.unmatched) == (6, 6, 0)
    first = Subscription.objects.get(external_id="sub_1")
    assert (first.mrr, first.currency, first.quantity, first.plan) == (Decimal("135.00"), "USD", 3, "Growth")
    assert (first.status_id, first.billing_period, first.auto_renew) == ("active", "monthly", True)
    assert first.renews_on == dt.datetime.fromtimestamp(NOW + MONTH, dt.UTC).date()
    second = Subscription.objects.get(external_id="sub_2")
    assert (second.mrr, second.plan, second.auto_renew, second.renews_on) == (Decimal(60), "Stepped", False, None)
    assert second.ends_on == dt.datetime.fromtimestamp(NOW + MONTH, dt.UTC).date()
    third = Subscription.objects.get(external_id="sub_3")
    assert (third.status.kind, third.mrr) == ("future", 0) and third.trial_ends_on
    assert Subscription.objects.get(external_id="sub_4").status.kind == "cancelled"
    acme, bolt = Account.objects.get(name="Acme"), Account.objects.get(name="Bolt")
    assert (acme.external_id, acme.mrr, acme.licences, acme.plan) == ("cus_1", Decimal(135), 3, "Growth")
    assert bolt.mrr == Decimal(60)
    assert first.stamps["mrr"][1] == acme.stamps["name"][1] == "stripe:Billing"


def test_a_second_run_changes_nothing(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    standin.stripe.put(*(customer(f"cus_{n}") for n in range(5)))
    standin.stripe.put(*(subscription(f"sub_{n}", f"cus_{n}") for n in range(5)))
    pull(stripe)
    before = list(Account.objects.order_by("pk").values()), list(Subscription.objects.order_by("pk").values())
    changes = AttributeChange.objects.count()
    for full in (False, True):
        run = pull(stripe, full=full)
        assert (run.state, run.full, run.created, run.updated, run.gone) == ("done", full, 0, 0, 0)
        assert run.read == 10
    assert (list(Account.objects.order_by("pk").values()), list(Subscription.objects.order_by("pk").values())) == before
    assert AttributeChange.objects.count() == changes


def test_changes_come_by_events_and_only_what_changed_is_fetched(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any
) -> None:
    standin.stripe.put(*(customer(f"cus_{n}") for n in range(30)))
    standin.stripe.put(*(subscription(f"sub_{n}", f"cus_{n}") for n in range(30)))
    pull(stripe)
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 90_000, dt.UTC), tick=True)
    standin.stripe.clock = NOW + 89_900
    standin.log.clear()
    old = copy.deepcopy(standin.stripe.tables["subscriptions"]["sub_3"])
    standin.stripe.put(old | {"items": {"object": "list", "data": [item(price(), 4)], "has_more": False, "url": "/"}})
    standin.stripe.put(subscription("sub_new", "cus_new"), customer("cus_new", name="Newcomer"))
    Connection.objects.update(since=timezone.now() - dt.timedelta(minutes=5))
    run = pull(stripe)
    assert (run.state, run.full) == ("done", False)
    assert Subscription.objects.get(external_id="sub_3").mrr == 200
    assert Subscription.objects.get(external_id="sub_new").account.name == "Newcomer"
    assert sorted(standin.paths()) == [
        "/v1/customers/cus_new", "/v1/events", "/v1/products/prod_1", "/v1/subscriptions/sub_3",
        "/v1/subscriptions/sub_new",
    ]  # fmt: skip
    changed = AttributeChange.objects.get(key="mrr", new="200.00")
    assert changed.at == dt.datetime.fromtimestamp(NOW + 89_901, dt.UTC)


def test_a_newer_edit_by_hand_stays_until_the_value_changes_there(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any
) -> None:
    change_mapping(stripe, {"account": {"name": "name", "country": "address.country"}})
    standin.stripe.put(customer("cus_1", name="Acme", address={"country": "NO"}), subscription("sub_1", "cus_1"))
    pull(stripe)
    record_accounts([Fact("cus_1", {"name": "Acme Ltd"}, timezone.now())], source="admin:me")
    record_subscriptions([Fact("sub_1", {"plan": "Special"}, timezone.now())], source="admin:me")
    time_machine.shift(dt.timedelta(hours=1))
    standin.stripe.clock = int(timezone.now().timestamp()) - 60
    standin.stripe.put(customer("cus_1", name="Acme", address={"country": "SE"}))
    for full in (False, True):
        pull(stripe, full=full)
        account = Account.objects.get()
        assert (account.name, account.country) == ("Acme Ltd", "SE")
        assert Subscription.objects.get().plan == "Special"
    time_machine.shift(dt.timedelta(hours=1))
    standin.stripe.put(customer("cus_1", name="Acme Group", address={"country": "SE"}))
    pull(stripe, full=True)
    assert Account.objects.get().name == "Acme Group"


def test_customers_find_their_accounts_by_metadata_then_by_domain(
    stripe: Connection, standin: StandIn, pull: Pull
) -> None:
    stripe.mapping = {}
    stripe.save()
    by_key = factories.account("Key", external_id="k-1")
    by_domain = factories.account("Domain", domain="domain.example")
    factories.account("Twin one", domain="twin.example")
    factories.account("Twin two", domain="twin.example")
    standin.stripe.put(
        customer("cus_key", metadata={"account_id": "k-1"}, email="x@domain.example"),
        customer("cus_domain", email="pay@Domain.example"),
        customer("cus_twin", email="pay@twin.example"),
        customer("cus_free", email="someone@gmail.com"),
    )
    standin.stripe.put(*(subscription(f"sub_{name}", f"cus_{name}") for name in ("key", "domain", "twin", "free")))
    run = pull(stripe)
    assert dict(Subscription.objects.values_list("external_id", "account_id")) == {
        "sub_key": by_key.pk,
        "sub_domain": by_domain.pk,
    }
    assert run.unmatched == 4
    notes = dict(ConnectionLink.objects.filter(kind="customer", account=None).values_list("remote_id", "note"))
    assert notes == {"cus_twin": "2 accounts have the domain twin.example.", "cus_free": "No account has its id."}
    twin = Account.objects.get(name="Twin two")
    match_by_hand(ConnectionLink.objects.get(remote_id="cus_twin"), twin.external_id)
    made = make_account(ConnectionLink.objects.get(remote_id="cus_free"))
    again = pull(stripe)
    assert again.full and again.unmatched == 0
    assert Subscription.objects.get(external_id="sub_twin").account == twin
    assert Subscription.objects.get(external_id="sub_free").account == made
    assert Account.objects.get(pk=made.pk).mrr == 50


def test_metadata_fills_a_custom_attribute_and_a_bad_value_is_reported_alone(
    stripe: Connection, standin: StandIn, pull: Pull
) -> None:
    AttributeDefinition.objects.create(subject="account", key="seats", name="Seats", kind="number")
    change_mapping(stripe, {"account": {"custom.seats": "metadata.seats", "country": "address.country"}})
    standin.stripe.put(
        customer("cus_1", metadata={"seats": "12"}),
        customer("cus_2", metadata={"seats": "many"}, address={"country": "DE"}),
    )
    run = pull(stripe)
    assert Account.objects.get(external_id="cus_1").attributes == {"seats": 12}
    assert Account.objects.get(external_id="cus_2").country == "DE"
    assert run.problem_count == 1 and "custom.seats: “many” is not a number" in run.problems[0]


def test_a_deleted_customer_is_marked_and_its_made_account_archived(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any
) -> None:
    standin.stripe.put(*(customer(f"cus_{n}") for n in range(3)), subscription("sub_1", "cus_1"))
    pull(stripe)
    time_machine.shift(dt.timedelta(minutes=5))
    standin.stripe.clock = int(timezone.now().timestamp()) - 60
    standin.stripe.put(subscription("sub_1", "cus_1", status="canceled", ended_at=NOW))
    standin.stripe.drop("cus_1")
    run = pull(stripe)
    assert (run.full, run.gone) == (False, 1)
    assert Account.objects.get(external_id="cus_1").archived_at is not None
    assert Subscription.objects.get().status_id == "cancelled"
    # one that disappears without an event is found by the next full run
    standin.stripe.tables["customers"].pop("cus_2")
    assert pull(stripe, full=True).gone == 1
    assert ConnectionLink.objects.get(remote_id="cus_2").gone_at is not None
    # and comes back
    standin.stripe.put(customer("cus_2"))
    pull(stripe, full=True)
    assert Account.objects.get(external_id="cus_2").archived_at is None


def test_a_mass_disappearance_is_reported_and_not_believed(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    standin.stripe.put(*(customer(f"cus_{n}") for n in range(40)))
    pull(stripe)
    standin.stripe.tables["customers"].clear()
    run = pull(stripe, full=True)
    assert run.state == "done" and run.gone == 0
    assert run.problems == ["40 of 40 customer records were not there any more. None was marked as deleted."]
    assert Account.objects.live().count() == 40


def test_changes_between_two_pages_lose_nothing_and_repeat_nothing(
    stripe: Connection, standin: StandIn, pull: Pull
) -> None:
    standin.stripe.put(*(customer(f"cus_{n:03}") for n in range(250)))
    seen = []

    def meddle(path: str) -> None:
        if path == "/v1/customers":
            seen.append(path)
            if len(seen) == 2:  # the place where the second page begins goes away, and a new one comes on top
                standin.stripe.drop("cus_150")
                standin.stripe.put(customer("cus_new"))

    standin.before = meddle
    run = pull(stripe)
    assert run.state == "done"
    pull(stripe)
    live = set(Account.objects.live().values_list("external_id", flat=True))
    assert live == {f"cus_{n:03}" for n in range(250)} - {"cus_150"} | {"cus_new"}
    assert Account.objects.count() == 251
