"""The client against what Stripe and HubSpot publish: coupons of products, items by the page, opaque cursors, dates;
and the stand-in against what real servers were seen to answer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import requests

from accounts.models import Account, AttributeDefinition, EndUser, Relationship, Subscription
from integrations.connections.editing import change_mapping, connect
from integrations.models import Connection
from tests.connections import hubspot_side, stripe_side
from tests.connections.conftest import Pull
from tests.connections.hubspot_side import START
from tests.connections.published import RECORDED
from tests.connections.standin import Handler, StandIn
from tests.connections.stripe_side import MONTH, NOW, customer, discount, item, price, subscription


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 300, dt.UTC), tick=True)


def mrr() -> dict[str, Decimal]:
    return dict(Subscription.objects.values_list("external_id", "mrr"))


@pytest.mark.parametrize("full", [True, False])
def test_a_coupon_takes_off_its_products_only(stripe: Connection, standin: StandIn, pull: Pull, full: bool) -> None:
    """Its products, and what it takes off in other currencies, are told only to those who ask."""
    if not full:
        pull(stripe)
    half = discount(percent_off=50, applies_to={"products": ["prod_2"]})
    euros = discount(amount_off=2_000, currency="usd", currency_options={"eur": {"amount_off": 1_500}})
    two = (item(price()), item(price("price_2", product="prod_2")))
    in_euros = item(price("price_eur", currency="eur"))
    standin.stripe.tables["products"]["prod_2"] = standin.stripe.tables["products"]["prod_1"] | {"id": "prod_2"}
    standin.stripe.put(
        customer("cus_1"), customer("cus_2", discount=half), customer("cus_3", discount=euros),
        subscription("sub_own", "cus_1", *two, discounts=[half]),
        subscription("sub_eur", "cus_1", in_euros, currency="eur", discounts=[euros]),
        subscription("sub_customer", "cus_2", *two),
        subscription("sub_customer_eur", "cus_3", in_euros, currency="eur"),
        subscription("sub_item", "cus_1", item(price("price_eur", currency="eur"), 1, [euros]), currency="eur"),
    )  # fmt: skip
    run = pull(stripe)
    assert (run.state, run.full, run.error, run.problems) == ("done", full, "", [])
    thirty_five = Decimal(35)
    assert mrr() == {
        "sub_own": Decimal(75), "sub_customer": Decimal(75), "sub_eur": thirty_five, "sub_customer_eur": thirty_five,
        "sub_item": thirty_five,
    }  # fmt: skip
    assert len(standin.paths("/v1/coupons/")) <= 2  # each is asked for once a run


def test_a_coupon_that_was_deleted_goes_on_taking_off(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    standin.stripe.put(customer("cus_1", discount=discount(percent_off=50)), subscription("sub_1", "cus_1"))
    standin.stripe.tables["coupons"].clear()
    assert pull(stripe).state == "done" and mrr() == {"sub_1": Decimal(25)}


def test_all_items_of_a_subscription_count(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    """Only the first ten come with it."""
    items = [item(price(f"price_{n}", 1_000)) for n in range(14)]
    items[12]["discounts"] = [discount(percent_off=50)]
    standin.stripe.put(customer("cus_1"), subscription("sub_1", "cus_1", *items))
    pull(stripe)
    assert Subscription.objects.get().quantity == 14 and mrr() == {"sub_1": Decimal(135)}


@pytest.mark.parametrize(
    ("status", "more", "wanted"),
    [
        ("active", {}, ("active", 50, True)),
        ("active", {"cancel_at_period_end": True, "cancel_at": NOW + MONTH}, ("active", 50, False)),
        ("active", {"pause_collection": {"behavior": "void", "resumes_at": None}}, ("active", 50, True)),
        ("trialing", {"trial_start": NOW, "trial_end": NOW + MONTH}, ("trial", 0, True)),
        ("past_due", {}, ("active", 50, True)),
        ("unpaid", {}, ("suspended", 0, False)),
        ("paused", {}, ("suspended", 0, True)),
        ("incomplete", {}, ("future", 0, False)),
        ("canceled", {"ended_at": NOW, "canceled_at": NOW}, ("cancelled", 0, False)),
        ("incomplete_expired", {"ended_at": NOW}, ("cancelled", 0, False)),
    ],
)
def test_every_status_that_stripe_publishes(
    stripe: Connection, standin: StandIn, pull: Pull, status: str, more: dict[str, Any], wanted: tuple[Any, ...]
) -> None:
    standin.stripe.put(customer("cus_1"), subscription("sub_1", "cus_1", status=status, **more))
    pull(stripe)
    found = Subscription.objects.get()
    assert (found.status_id, found.mrr, found.auto_renew) == wanted


def test_hubspots_cursors_are_sent_back_as_they_came(
    hubspot: Connection, standin: StandIn, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of companies, of contacts, and of the companies of one contact."""
    monkeypatch.setattr("integrations.connections.hubspot.PAGE", 3)
    for n in range(8):
        standin.hubspot.put("companies", str(100 + n), name=f"Company {n}", domain=f"c{n}.example")
    everywhere = [str(100 + n) for n in range(7)]
    for n in range(7):
        standin.hubspot.put("contacts", str(n + 1), everywhere if n == 3 else [], email=f"p{n}@example.com")
    run = pull(hubspot)
    assert (run.state, run.problems, run.read) == ("done", [], 15)
    assert Account.objects.count() == 8 and EndUser.objects.count() == 1
    assert Relationship.objects.open().count() == 7


def test_hubspot_tells_dates_in_two_forms(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    for key, kind in (("renewed", "date"), ("met", "datetime"), ("number", "number")):
        AttributeDefinition.objects.create(subject="account", key=key, name=key.title(), kind=kind)
    fields = {"custom.renewed": "renewal", "custom.met": "met_at", "custom.number": "big", "customer_since": "since"}
    change_mapping(hubspot, {"account": fields})
    millis = {"renewal": "1572480000000", "met_at": "1572480000123", "big": "1572480000000", "since": "1572480000000"}
    iso = {"renewal": "2019-10-31", "met_at": "2019-10-31T00:00:00.123Z", "big": "7", "since": "2019-10-31"}
    standin.hubspot.put("companies", "1", name="A", domain="a.example", **millis)
    standin.hubspot.put("companies", "2", name="B", domain="b.example", **iso)
    assert pull(hubspot).problems == []
    one, two = Account.objects.order_by("external_id")
    assert one.attributes["renewed"] == two.attributes["renewed"] == "2019-10-31"
    assert one.attributes["met"] == two.attributes["met"]
    assert one.attributes["met"].startswith("2019-10-31T00:00:00.123")
    assert one.customer_since == two.customer_since == dt.date(2019, 10, 31)
    assert (one.attributes["number"], two.attributes["number"]) == (1_572_480_000_000, 7)


def test_what_hubspot_refuses_is_told_with_the_rights_that_are_missing(standin: StandIn, db: None) -> None:
    standin.hubspot.missing = ["crm.objects.contacts.read"]
    made = connect(kind="hubspot", name="CRM", credential=hubspot_side.TOKEN)
    assert "Missing: crm.objects.contacts.read. This app hasn't been granted all required scopes." in made.error


def test_hubspots_limits_are_sat_out(hubspot: Connection, standin: StandIn, pull: Pull, settings: Any) -> None:
    """A 429 of HubSpot says which limit it was, and need not say for how long."""
    settings.CONNECTION_RETRIES = 1
    standin.hubspot.clock = START
    standin.hubspot.put("companies", "1", name="A", domain="a.example")

    def limited(handler: Handler) -> bool:
        handler.reply(429, hubspot_side.too_many())
        return True

    standin.faults = [limited, None, limited]
    run = pull(hubspot)
    assert (run.state, run.error, run.created) == ("done", "", 1)
    standin.faults = [limited] * 50
    run = pull(hubspot, full=True)
    assert run.state == "waiting" and "You have reached your ten_secondly_rolling limit." in run.error


def has(name: str, given: dict[str, Any]) -> None:
    """An object of the stand-in has every field of the recorded one."""
    assert set(RECORDED[name].split()) <= given.keys(), name


def test_the_stand_in_has_the_fields_of_recorded_answers_of_stripe(standin: StandIn) -> None:
    standin.stripe.put(customer("cus_1"), subscription("sub_1", "cus_1"), customer("cus_1", name="Anew"))

    def get(path: str) -> Any:
        headers = {"Authorization": f"Bearer {stripe_side.KEY}", "Stripe-Version": "2025-08-27.basil"}
        return requests.get(standin.url + path, headers=headers, timeout=10).json()

    found = get("/v1/subscriptions?status=all")["data"][0]
    has("subscription", found)
    has("items", found["items"])
    item = found["items"]["data"][0]
    for name, given in (
        ("subscription_item", item), ("price", item["price"]), ("recurring", item["price"]["recurring"]),
        ("plan", item["plan"]), ("plan", found["plan"]), ("customer", get("/v1/customers/cus_1")),
        ("event", get("/v1/events")["data"][0]),
        ("resource_missing", get("/v1/customers?starting_after=cus_9")["error"]),
    ):  # fmt: skip
        has(name, given)
    assert "previous_attributes" in get("/v1/events")["data"][0]["data"]


def test_the_stand_in_has_the_fields_of_recorded_answers_of_hubspot(standin: StandIn) -> None:
    side = standin.hubspot
    side.put("companies", "2", name="Acme")
    for id_, companies in (("1", ["2"]), ("3", [])):
        side.put("contacts", id_, companies, email=f"{id_}@example.com")

    def ask(method: str, path: str, token: str = hubspot_side.TOKEN, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, standin.url + path, headers=headers, timeout=10, **more)

    for kind, path in (("company", "companies"), ("contact", "contacts?limit=1")):
        found = ask("GET", f"/crm/v3/objects/{path}").json()
        has("record", found["results"][0])
        has(kind, found["results"][0]["properties"])  # whatever was asked for
    has("next", found["paging"]["next"])
    answer = ask(
        "POST", "/crm/v4/associations/contacts/companies/batch/read", json={"inputs": [{"id": "1"}, {"id": "3"}]}
    )
    assert answer.status_code == 207 and type(answer.json()["results"][0]["to"][0]["toObjectId"]) is int
    has("batch", answer.json())
    has("batch error", answer.json()["errors"][0])
    assert not {"errors", "links"} & answer.json()["errors"][0].keys()
    has("unauthorised", ask("GET", "/crm/v3/objects/contacts", token="wrong").json())
    has("too many", hubspot_side.too_many())
