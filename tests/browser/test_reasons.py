"""Explanations, versions and history by pointer and keyboard: what opens is loaded, said aloud, and has no finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import Account
from segments.models import Segment
from tests.browser.conftest import until
from tests.browser.judging import findings
from tests.browser.test_builder import counted

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_account_page_opens_the_reasons_one_by_one(page: Page) -> None:
    account = Account.objects.get(name="Account 03")
    page.goto(f"/accounts/{account.pk}/")
    page.locator("#segments summary", has_text="Champions").click()
    page.wait_for_selector("#segments .trace >> text=At least one user for whom")
    page.locator("#segments summary", has_text="Not in the others").click()
    page.wait_for_selector("#segments >> text=Growth plan")
    page.locator("#segments summary", has_text="Growth plan").click()
    page.locator("#segments >> text=Not a match. The condition is not met.").first.wait_for()
    assert findings(page) == []


def test_an_account_is_checked_by_enter_without_saving(page: Page) -> None:
    segment = Segment.objects.get(name="Large")
    page.goto(f"/segments/{segment.pk}/edit/")
    page.locator("#check").fill("Account 05")
    page.keyboard.press("Enter")
    page.wait_for_selector("#checked >> text=MRR is at least $6,000")
    until(page, "document.querySelector('#status').textContent.startsWith('Not a match.')")
    page.locator("#value-n-0").fill("5000")
    page.locator("#check").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#checked >> text=A match.")
    assert Segment.objects.get(pk=segment.pk).version == 1
    counted(page, 7)  # what is opened before is closed by the new count
    page.locator("#preview summary", has_text="Account 11").click()
    page.wait_for_selector("#preview .trace >> text=MRR is at least $5,000")
    assert findings(page) == []
