"""The drawer that says why, by keyboard; and the wizard's drawings, which follow the limits as they are typed."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from accounts.models import Account
from core.clock import Moment, moment
from health.editing import save_config
from health.models import HealthConfig
from health.refresh import refresh_health
from health.stock import DEFAULT
from tests.browser.conftest import until
from tests.browser.judging import findings

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_w_opens_the_reasons_and_j_goes_on(page: Page) -> None:
    save_config(None, name="", definition=DEFAULT | {"least_coverage": 10})
    for back in (9, 0):
        refresh_health(now=Moment(moment().now - dt.timedelta(days=back), moment().zone))
    page.goto("/accounts/?sort=name")
    page.keyboard.press("j")
    page.keyboard.press("w")
    page.wait_for_selector("#why-drawer[open] >> text=Account 00")
    until(page, "document.activeElement.id === 'why-h'")
    first, second = (Account.objects.get(name=f"Account {i:02}").pk for i in (0, 1))
    expect(page).to_have_url(re.compile(f"&peek={first}$"))
    assert findings(page) == []
    page.keyboard.press("j")
    page.wait_for_selector("#why-drawer >> text=Account 01")
    until(page, f"location.search.endsWith('peek={second}')")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#why-drawer').open && !location.search.includes('peek')")
    until(page, f"document.activeElement.href.endsWith('peek={second}')")
    page.go_back()
    page.wait_for_selector("#rows")
    page.goto(f"/accounts/?peek={first}")
    page.wait_for_selector("#why-drawer[open] >> text=Account 00")
    page.goto("/health/trend/?days=30")
    page.wait_for_selector("svg.trend.wide")
    assert findings(page) == []


def test_the_drawings_follow_the_limits(page: Page) -> None:
    page.goto("/health/start/")
    page.get_by_role("button", name="Propose measures and limits").click()
    before = page.wait_for_selector("#spread-last-seen svg").get_attribute("aria-label")  # type: ignore[union-attr]
    page.locator("#good-last-seen").fill("1")
    page.keyboard.press("Tab")
    until(page, "was => document.querySelector('#spread-last-seen').textContent.includes('Good 1 day')", before)
    assert findings(page) == []
    page.locator("#use-last-seen").uncheck()
    until(page, "!document.querySelector('#spread-last-seen svg')")
    page.get_by_role("button", name="Save as version 1").click()
    page.wait_for_selector("text=Default saved as version 1")
    keys = [one["key"] for row in HealthConfig.objects.get().definition["dimensions"] for one in row["measures"]]
    assert "licences" in keys and "last-seen" not in keys
