"""The portfolio by keyboard and pointer: G P leads to it, its parts change in place, as the course of a score does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from accounts.models import Account
from health.editing import override_health, save_config
from health.refresh import refresh_health
from health.stock import DEFAULT
from tests.browser.conftest import NARROW, focused, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def test_from_the_keyboard_to_an_account_and_its_score(page: Page) -> None:
    account = Account.objects.get(name="Account 03")
    save_config(None, name="", definition=DEFAULT)
    override_health(account, band="poor", reason="Their sponsor left.")
    refresh_health()
    held: list[Route] = []
    page.route(re.compile("days=90"), lambda route: held.append(route))
    page.goto("/accounts/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/portfolio/")
    page.focus("#who")
    page.select_option("#who", "everybody")
    page.wait_for_url("**who=everybody")
    focused(page, "#who")
    with page.expect_event("requestfailed"):  # the newest of two clicks wins
        page.click("#days-90")
        page.click("#days-7")
    until(page, "document.querySelector('#days-7').getAttribute('aria-current') === 'true'")
    focused(page, "#days-7")
    assert page.locator("h1").inner_text() == "Portfolio"
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.goto(f"/accounts/{account.pk}/#health")
    page.click("#span-90d")
    until(page, "document.querySelector('#span-90d').getAttribute('aria-current') === 'true'")
    assert page.locator("#health-course").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.goto("/portfolio/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for key in "gxa":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert not [one for one in asked if one.endswith("/accounts/")], "the letter must follow G at once"
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/accounts/")
