"""A condition on an event, built in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from segments.models import Segment
from tests.browser.conftest import until
from tests.browser.test_builder import pick

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def test_an_event_is_picked_narrowed_and_saved(page: Page) -> None:
    page.goto("/segments/new/")
    page.fill("#name", "Openers")
    page.locator("#add-n").focus()
    pick(page, "opened")
    expect(page.locator("#value-n-0")).to_have_value("1")
    page.fill("#value-n-0", "2")
    with page.expect_response(re.compile("/segments/rule/")):
        page.select_option("#measure-n-0", "days")
    with page.expect_response(re.compile("/segments/rule/")):
        page.click("#add-n-0")
    page.fill("#attr-n-0-0", "plan")
    page.fill("#value-n-0-0", "pro")
    words = "Opened (plan is “pro”) on at least 2 days in the last 30 days"
    until(page, "words => document.querySelector('#readback').textContent.includes(words)", words)
    expect(page.locator("#error-n-0-0")).to_have_text("")
    page.click("[aria-label='Remove this filter']")
    page.keyboard.press("Control+s")  # at once: the save waits for the filter to be gone
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    node = Segment.objects.get(name="Openers").rule["rules"][0]
    assert (node["op"], node["value"], node["measure"], "where" in node) == ("at_least", 2, "days", False)


def test_quick_steps_are_all_taken_and_a_save_waits_for_them(page: Page) -> None:
    page.route(re.compile("/segments/rule/"), lambda route: (page.wait_for_timeout(200), route.continue_()))
    page.goto("/segments/new/")
    page.fill("#name", "Quick")
    page.locator("#add-n").focus()
    pick(page, "opened")
    page.evaluate("() => { for (let i = 0; i < 3; i += 1) document.querySelector('#row-n-0 [value^=copy]').click(); }")
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    assert len(Segment.objects.get(name="Quick").rule["rules"]) == 4


def test_a_step_that_the_server_refuses_is_not_saved_without_it(page: Page, trouble: list[str]) -> None:
    def answer(route: Route) -> None:
        """Refuse a copy after a while; do anything else."""
        if "do=copy" in (route.request.post_data or ""):
            page.wait_for_timeout(400)
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route(re.compile("/segments/rule/"), answer)
    page.goto("/segments/new/")
    page.fill("#name", "Refused")
    page.locator("#add-n").focus()
    pick(page, "opened")
    page.evaluate("() => document.querySelector('#row-n-0 [value^=copy]').click()")
    page.keyboard.press("Control+s")
    page.locator("#notices .notice", has_text="Could not load this part").first.wait_for()
    page.wait_for_timeout(300)
    assert not Segment.objects.filter(name="Refused").exists()
    trouble[:] = [text for text in trouble if "503" not in text]
