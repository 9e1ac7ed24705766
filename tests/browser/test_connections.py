"""Connecting, running, matching and disconnecting in a browser, against a stand-in that speaks Stripe's contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import Account, TeamMember
from integrations.connections.running import request_run, run_due
from integrations.models import Connection, ConnectionRun
from tests import factories
from tests.browser.conftest import notice
from tests.browser.judging import findings, walked
from tests.connections.standin import StandIn, serving
from tests.connections.stripe_side import KEY, customer, subscription

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture
def standin(site: str, settings: Any) -> Iterator[StandIn]:
    """A server for connections to lead to, with three customers of whom one is an account by its domain."""
    with serving() as server:
        settings.CONNECTION_URLS = {"stripe": server.url, "hubspot": server.url}
        Account.objects.filter(name="Account 03").update(external_id="a-3")
        server.stripe.put(
            customer("cus_1", name="Alpha", metadata={"account_id": "a-3"}),
            customer("cus_2", name="Beta"),
            customer("cus_3", name="Gamma", email="someone@gmail.com"),
            subscription("sub_1", "cus_1"),
        )
        yield server


@pytest.fixture
def admin(context_for: Callable[..., BrowserContext], site: str) -> Page:
    """An administrator's page."""
    factories.member(TeamMember.Access.ADMIN)
    return context_for(TeamMember.Access.ADMIN).new_page()


def test_from_connecting_to_disconnecting_by_keyboard(admin: Page, standin: StandIn, trouble: list[str]) -> None:
    page = admin
    page.goto("/connections/")
    assert page.get_by_role("heading", name="Nothing is connected yet").is_visible()
    assert findings(page) == []
    page.get_by_role("link", name="Connect Stripe").first.click()
    page.locator("[name=name]").fill("Billing")
    page.get_by_label("Restricted or secret key").fill(KEY)
    assert findings(page) == []
    page.keyboard.press("Enter")
    page.wait_for_selector("h1 >> text=Mapping of Billing")
    assert KEY not in page.content() and findings(page) == []
    page.get_by_label("Minutes between runs").fill("30")
    page.get_by_role("button", name="Save").press("Enter")
    page.wait_for_selector("h1 >> text=/^Billing/")  # not “Mapping of Billing”, where the button was
    page.get_by_role("button", name="Run now").press("Enter")
    page.wait_for_selector("#run-progress >> text=Waiting for the background worker")
    assert findings(page) == []
    run_due()
    page.wait_for_selector("#unmatched >> text=Gamma")  # the page found out by itself
    assert findings(page) == []
    page.get_by_label("Account of Beta, by name or id").fill("Account 05")
    page.keyboard.press("Enter")
    notice(page, "Beta is Account 05 from now on.")
    page.get_by_role("button", name="Make an account of Gamma").press("Enter")
    notice(page, "Gamma is Gamma from now on.")
    page.get_by_role("button", name="Disconnect").first.press("Enter")
    page.wait_for_selector("#disconnect-dialog:popover-open")
    assert findings(page) == []
    page.locator("#disconnect-dialog").get_by_role("button", name="Disconnect").press("Enter")
    page.wait_for_selector("text=Billing is disconnected. What it imported stays.")
    assert not Connection.objects.exists() and trouble == []


def test_no_page_has_a_finding_or_leaves_the_screen(
    context_for: Callable[..., BrowserContext], standin: StandIn
) -> None:
    from integrations.connections.editing import connect

    good = connect(kind="stripe", name="Billing", credential=KEY)
    request_run(good)
    run_due()
    ConnectionRun.objects.update(problem_count=1, problems=["Alpha: country: The text is 300 characters long."])
    good.runs.create(state="failed", error="Stripe failed (500).", cursor={"after": ["cus_1"]})
    bad = connect(kind="hubspot", name="CRM", credential="pat-wrong-0001")
    addresses = {
        "list": "/connections/", "good": f"/connections/{good.pk}/", "bad": f"/connections/{bad.pk}/",
        "mapping": f"/connections/{good.pk}/edit/", "mapping of HubSpot": f"/connections/{bad.pk}/edit/",
    }  # fmt: skip
    assert walked(context_for().new_page(), addresses) == {}


def test_it_works_without_scripts(context_for: Callable[..., BrowserContext], standin: StandIn) -> None:
    from integrations.connections.editing import connect

    good = connect(kind="stripe", name="Billing", credential=KEY)
    page = context_for(java_script_enabled=False).new_page()
    page.goto(f"/connections/{good.pk}/")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="See how far it is").click()
    waits = page.get_by_text("Waiting for the background worker")
    waits.wait_for()
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("button", name="Resume").click()
    waits.wait_for()
    run_due()
    page.goto(f"/connections/{good.pk}/")
    page.get_by_label("Account of Beta, by name or id").fill("Account 05")
    page.get_by_role("button", name="Match Beta").click()
    notice(page, "Beta is Account 05 from now on.")
