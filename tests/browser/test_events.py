"""A condition on an event, built in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segments.models import Segment
from tests.browser.conftest import until
from tests.browser.test_builder import pick

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_an_event_is_picked_narrowed_and_saved(page: Page) -> None:
    page.goto("/segments/new/")
    page.fill("#name", "Openers")
    page.locator("#add-n").focus()
    pick(page, "opened")
    assert page.locator("#value-n-0").input_value() == "1"
    page.fill("#value-n-0", "2")
    with page.expect_response(re.compile("/segments/rule/")):
        page.select_option("#measure-n-0", "days")
    with page.expect_response(re.compile("/segments/rule/")):
        page.click("#add-n-0")
    page.fill("#attr-n-0-0", "plan")
    page.fill("#value-n-0-0", "pro")
    words = "Opened (plan is “pro”) on at least 2 days in the last 30 days"
    until(page, "words => document.querySelector('#readback').textContent.includes(words)", words)
    assert page.locator("#error-n-0-0").inner_text() == ""
    with page.expect_response(re.compile("/segments/rule/")):
        page.click("[aria-label='Remove this filter']")
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    node = Segment.objects.get(name="Openers").rule["rules"][0]
    assert (node["op"], node["value"], node["measure"], "where" in node) == ("at_least", 2, "days", False)
