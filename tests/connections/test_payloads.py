"""Whole objects of Stripe and HubSpot, with the fields that both publish and that recorded answers have (`published`
says where from; the values are ours), paged by the stand-in: right the first time, the same after the second."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accounts.facts import Fact, record_accounts
from accounts.models import Account, AttributeChange, EndUser, Relationship, Subscription
from integrations.models import Connection, ConnectionLink
from tests.connections.conftest import Pull
from tests.connections.standin import StandIn
from tests.connections.stripe_side import NOW

PAYLOADS = Path(__file__).resolve().parent / "payloads"


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 300, dt.UTC), tick=True)


def read(name: str) -> dict[str, Any]:
    """The objects of a file by their kind."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return found


def facts() -> list[list[str]]:
    """Everything that a run has caused."""
    tables: tuple[Any, ...] = (Account, EndUser, Relationship, Subscription, AttributeChange, ConnectionLink)
    plain = [model.objects.order_by("pk").values() for model in tables]
    return [[str({key: row[key] for key in row if key != "last_run"}) for row in rows] for rows in plain]


def test_stripe(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    record_accounts([Fact("acme", {"name": "Acme"}, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))], source="crm")
    found = read("stripe")
    standin.stripe.put(*found["customers"], *found["subscriptions"])
    run = pull(stripe)
    assert (run.state, run.error, run.problems) == ("done", "", [])
    mrr = {row.external_id: (row.account.external_id, row.mrr) for row in Subscription.objects.all()}
    assert mrr == {
        "sub_PAY1": ("acme", Decimal(150)), "sub_PAY2": ("cus_PAY2", Decimal(200)), "sub_PAY3": ("cus_PAY3", Decimal(0))
    }  # fmt: skip
    before = facts()
    assert pull(stripe, full=True).state == "done" and facts() == before


def test_hubspot(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    found = read("hubspot")
    for name in ("companies", "contacts"):
        standin.hubspot.tables[name] = {row["id"]: row for row in found[name]}
    standin.hubspot.links = found["associations"]
    run = pull(hubspot)
    assert (run.state, run.error, run.problems) == ("done", "", [])
    acme = Account.objects.get(external_id="hubspot:2101")
    assert (acme.name, acme.domain, acme.country) == ("Acme", "acme.example", "Norway")
    belongs = set(Relationship.objects.open().values_list("user__email", "account__name"))
    assert belongs == {("ann@acme.example", "Acme"), ("bo@bolt.example", "Acme"), ("bo@bolt.example", "Bolt")}
    before = facts()
    assert pull(hubspot, full=True).state == "done" and facts() == before
