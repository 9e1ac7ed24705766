"""The editor of an alert rule: both conditions, the message with its example, what would have fired."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from alerts.models import AlertReplay, AlertRule
from alerts.replaying.running import work
from tests.browser.conftest import until
from tests.browser.judging import WIDTHS, findings

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_rule_is_written_tried_and_saved(page: Page, trouble: list[str]) -> None:
    page.set_default_timeout(30_000)
    page.goto("/alerts/rules/new/")
    page.fill("#name", "Pays little")
    page.fill("#message", "Only ")
    page.select_option("#said", "account.mrr")
    assert page.input_value("#message") == "Only {{ account.mrr }}"
    for root, value in (("n", "100000"), ("c", "200000")):
        page.locator(f"#add-{root}").click()
        page.wait_for_selector("#picker:popover-open")
        page.keyboard.type("mrr")
        page.keyboard.press("Enter")
        page.locator(f"#op-{root}-0").wait_for()
        if root == "n":  # a new condition on a number begins with “is at least”
            page.locator("#op-n-0").select_option("at_most")
            page.locator("#op-n-0 option[value=at_most][selected]").wait_for(state="attached")
        page.locator(f"#value-{root}-0").fill(value)
        until(page, "document.querySelector('#pv-state')?.textContent === 'Up to date'")
    until(page, "document.querySelector('.example')?.textContent.includes('Only ')")
    expect(page.locator("#readback")).to_contain_text("It ends when that no longer holds")
    assert findings(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#replay button[value=replay]").click()
    page.locator("#replay progress").wait_for()
    replay = AlertReplay.objects.get()
    AlertReplay.objects.update(first_day=replay.last_day, steps=2)
    work(replay.pk)
    page.locator("#replay .bigcount").wait_for()
    page.fill("#hold", "3")
    page.locator("#replay .tag.warn").wait_for()
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/alerts/rules/#rule-"))
    rule = AlertRule.objects.get()
    assert (rule.name, rule.hold_days, rule.message) == ("Pays little", 3, "Only {{ account.mrr }}")
    assert rule.clear is not None and trouble == []
