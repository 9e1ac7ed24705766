"""Subscription 360: the subscriptions of a segment's accounts."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import AttributeDefinition, Subscription
from core.models import Workspace
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import names, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(company: Company) -> Company:
    """Four subscriptions, one in another currency, one over."""
    day = dt.date(2027, 1, 1)
    for name, plan, mrr, status, renews in [
        ("Birch", "Enterprise", 9000, "active", day), ("Fir", "Growth", 1500, "active", day + dt.timedelta(days=9)),
        ("Fir", "Add-on", 500, "suspended", None), ("Gum", "Growth", 700, "cancelled", None),
    ]:  # fmt: skip
        factories.subscription(
            company.accounts[name], plan=plan, mrr=mrr, mrr_base=mrr, status_id=status, renews_on=renews
        )
    factories.subscription(
        company.accounts["Elän"], plan="Growth", mrr=Decimal(1850), mrr_base=Decimal(2000), currency="EUR"
    )
    return company


def test_soonest_renewal_first_and_none_last(manager: Client, sold: Company) -> None:
    found = names(manager.get("/subscriptions/").content.decode())
    assert found[:2] == ["Birch", "Fir"] and len(found) == 5


def test_a_tab_means_the_subscriptions_of_its_accounts(manager: Client, sold: Company) -> None:
    html = manager.get(f"/subscriptions/?segment={sold.segments['growth'].key}").content.decode()
    assert sorted(names(html)) == ["Elän", "Fir", "Fir", "Gum"]


def test_another_currency_shows_beside_ours(manager: Client, sold: Company) -> None:
    assert "$2,000 €1,850" in text(manager.get("/subscriptions/?q=el%C3%A4n").content.decode())


@pytest.mark.parametrize(
    ("query", "found"),
    [("status=active", 3), ("status=cancelled", 1), ("q=growth", 3), ("q=FIR", 2), ("status=active&q=enterprise", 1)],
)
def test_search_and_status_narrow(manager: Client, sold: Company, query: str, found: int) -> None:
    html = manager.get(f"/subscriptions/?{query}").content.decode()
    assert len(names(html)) == found


@pytest.mark.parametrize(
    "key",
    [
        "account",
        "plan",
        "status",
        "mrr",
        "licences",
        "billing_period",
        "starts_on",
        "renews_on",
        "auto_renew",
        "ends_on",
    ],  # fmt: skip
)
def test_every_column_sorts_both_ways(manager: Client, sold: Company, key: str) -> None:
    for sign in ("", "-"):
        html = manager.get(f"/subscriptions/?sort={sign}{key}").content.decode()
        assert len(names(html)) == 5 and html.count("aria-sort=") == 1


@pytest.fixture
def owned(sold: Company) -> Company:
    """An attribute of subscriptions of each of three kinds, with values in one of them."""
    for key, kind in (("channel", "choice"), ("seats_used", "number"), ("addons", "list")):
        AttributeDefinition.objects.create(
            subject="subscription", key=key, name=key.replace("_", " ").title(), kind=kind, choices=["Reseller"]
        )
    Subscription.objects.filter(plan="Enterprise").update(
        attributes={"channel": "Reseller", "seats_used": 1234, "addons": ["SSO", "Audit"]}
    )
    return sold


def test_custom_attributes_are_columns_to_choose_and_to_sort_by(manager: Client, owned: Company) -> None:
    page = manager.get("/subscriptions/columns/?next=/subscriptions/%3Fq%3De").content.decode()
    assert "Columns of Subscription 360" in page and 'value="custom.seats_used"' in page
    keys = ["custom.channel", "custom.seats_used", "custom.addons"]
    made = manager.post("/subscriptions/columns/", {"col": keys, "next": "/subscriptions/?q=e"})
    assert made.status_code == 302 and made["Location"] == "/subscriptions/?q=e"
    html = manager.get("/subscriptions/").content.decode()
    assert "Reseller 1,234 SSO, Audit" in text(html) and "Seats Used 1,234 · Addons SSO, Audit" in text(html)
    assert 'class="sort" id="sort-c-custom-addons"' not in html
    assert names(manager.get("/subscriptions/?sort=-custom.seats_used").content.decode())[0] == "Birch"
    rows = manager.get("/subscriptions/export/?sort=-custom.seats_used").streaming_content
    table = list(csv.reader(io.StringIO(b"".join(rows).decode("utf-8-sig"))))
    assert table[0][3:6] == ["Channel", "Seats Used", "Addons"] and table[1][3:5] == ["Reseller", "1234"]
    assert "Standard columns shown" in text(
        manager.post("/subscriptions/columns/", {"reset": "1"}, follow=True).content.decode()
    )
    assert "Reseller" not in text(manager.get("/subscriptions/").content.decode()).split("Subscriptions of")[1]


def test_the_columns_of_the_two_lists_are_kept_apart(manager: Client, owned: Company) -> None:
    manager.post("/subscriptions/columns/", {"col": ["custom.channel"]})
    heads = text(manager.get("/accounts/").content.decode()).split("sorted by MRR")[1]
    assert "Plan" in heads and "Channel" not in heads


def test_the_foot_sums_what_is_active(manager: Client, sold: Company) -> None:
    assert "5 subscriptions, $12.5K active MRR" in text(manager.get("/subscriptions/").content.decode())


def test_unknown_parts_are_named(manager: Client, sold: Company) -> None:
    page = manager.get("/subscriptions/?status=gone&sort=price&segment=none&colour=red")
    words = text(page.content.decode())
    assert len(names(page.content.decode())) == 5
    for part in ("status gone", "sort price", "segment none", "colour"):
        assert part in words


@pytest.mark.parametrize(
    ("address", "unknown"),
    [("/subscriptions/?f=1&f=2", "f"), ("/users/?csm=me", "csm"), ("/accounts/?status=active", "status")],
)
def test_a_list_knows_only_what_can_narrow_it(manager: Client, sold: Company, address: str, unknown: str) -> None:
    part = {"HX-Request": "true", "HX-Target": "results"}
    html = manager.get(address, headers=part).content.decode()
    assert f"This link has a part that no longer exists: {unknown}." in text(html)
    assert f"?{unknown}=" not in html and f";{unknown}=" not in html  # nor does any link carry it on


def test_a_csm_is_a_chip_that_can_be_taken_off(manager: Client, csm: Client, sold: Company) -> None:
    page = manager.get("/subscriptions/?csm=me&sort=plan").content.decode()
    assert names(page) == ["Birch"] and f"CSM {sold.manager.name}" in text(page) and "no longer" not in text(page)
    assert 'id="unchip-csm" href="/subscriptions/?sort=plan"' in page and "csm=me&amp;sort=-plan" in page
    page = csm.get("/subscriptions/?csm=me").content.decode()
    assert names(page) == [] and f"all accounts that {sold.csm.name} looks after." in text(page)
    assert "CSM nobody" in text(csm.get("/subscriptions/?csm=nobody").content.decode())


def test_export_has_every_subscription_of_the_list(manager: Client, sold: Company) -> None:
    answer = manager.get("/subscriptions/export/?status=active")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert len(rows) == 4 and rows[0][:4] == ["Subscription id", "Account id", "Account", "Plan"]


def test_a_restricted_csm_sees_only_their_accounts_subscriptions(csm: Client, sold: Company) -> None:
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    assert "Birch" not in text(csm.get("/subscriptions/").content.decode())


def test_the_number_of_statements_is_constant(manager: Client, sold: Company, query_count: QueryCount) -> None:
    manager.get("/subscriptions/")
    with query_count("subscriptions list"):
        manager.get("/subscriptions/")
    for _ in range(30):
        factories.subscription(factories.account(), plan="Growth", mrr=1, mrr_base=1)
    with query_count("subscriptions list"):
        manager.get("/subscriptions/")


def test_empty_lists_say_what_to_do(manager: Client, company: Company) -> None:
    page = manager.get("/subscriptions/").content.decode()
    assert "No subscriptions yet" in page and "Imports" in page
    page = manager.get("/subscriptions/?status=active").content.decode()
    assert "No subscriptions match" in page and "Show all subscriptions" in page
