"""Adding a destination, choosing what is sent and sending it in a browser; every page judged, and without scripts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from accounts.models import TeamMember
from integrations.destinations import outgoing
from integrations.destinations.editing import add_item, make_destination, pause
from segments.models import Segment
from tests import factories
from tests.browser.conftest import notice
from tests.browser.judging import findings, walked
from tests.destinations.conftest import _server, endpoint
from tests.destinations.endpoint import Endpoint

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

__all__ = ["_server", "endpoint"]
SHOTS = os.environ.get("CSBOX_SHOTS", "")


def test_from_adding_to_sending_by_keyboard(
    context_for: Callable[..., BrowserContext], site: str, endpoint: Endpoint, trouble: list[str]
) -> None:
    factories.member(TeamMember.Access.ADMIN)
    page = context_for(TeamMember.Access.ADMIN).new_page()
    page.goto("/destinations/")
    assert page.get_by_role("heading", name="Nothing is sent anywhere yet").is_visible() and findings(page) == []
    page.get_by_role("link", name="Add a webhook").first.press("Enter")
    page.locator("[name=name]").fill("CRM")
    page.locator("[name=address]").fill(f"{endpoint.url}/hook")
    assert findings(page) == []
    page.keyboard.press("Enter")
    page.get_by_text("it is not shown again").wait_for()
    page.locator("code", has_text="whsec_").wait_for()
    assert findings(page) == []
    page.get_by_role("button", name="Send a test").press("Enter")
    notice(page, "The test message arrived.")
    page.locator("[name=what]").select_option("segment:growth-plan")
    page.get_by_role("button", name="Send it").press("Enter")
    notice(page, "everything that is known goes first")
    outgoing.run(20)
    page.reload()
    assert len(endpoint.got) == 5 and page.get_by_text("Up to date").is_visible()


def test_no_page_has_a_finding_or_leaves_the_screen(
    context_for: Callable[..., BrowserContext], site: str, endpoint: Endpoint
) -> None:
    factories.member(TeamMember.Access.ADMIN)
    off, _ = make_destination(kind="webhook", name="Old hook", address=f"{endpoint.url}/old")
    add_item(off, field="account.mrr", key="monthly_revenue")
    endpoint.answer(410)
    outgoing.run(20)
    quiet, _ = make_destination(kind="track", name="Segment", address=endpoint.url, write_key="wk-1")
    for key in Segment.objects.values_list("key", flat=True)[:2]:
        add_item(quiet, segment=key)
    endpoint.answer(400, 200, 422)
    outgoing.run(20)
    paused, _ = make_destination(kind="webhook", name="Paused", address=f"{endpoint.url}/hook")
    pause(paused)
    page = context_for(TeamMember.Access.ADMIN).new_page()
    addresses = {
        "list": "/destinations/", "off": f"/destinations/{off.pk}/", "quiet": f"/destinations/{quiet.pk}/",
        "paused": f"/destinations/{paused.pk}/", "settings": f"/destinations/{quiet.pk}/edit/",
        "new": "/destinations/new/?kind=track",
    }  # fmt: skip
    assert walked(page, addresses) == {}
