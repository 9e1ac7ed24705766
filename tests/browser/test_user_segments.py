"""A segment of users made with the mouse and the keyboard, and found again on the Users page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segments.models import Segment
from segments.refresh import refresh_due
from tests import factories
from tests.browser.conftest import until
from tests.browser.judging import walked
from tests.browser.test_builder import counted

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def people(site: str) -> None:
    ann = factories.end_user("Ann Example", email="ann@x.example", title="CEO")
    factories.relationship(factories.account("Harbour"), ann, "Navigator")
    factories.relationship(factories.account("Meadow"), ann, "Reader")
    factories.end_user("Cy Nobody")


def test_made_and_listed(page: Page, server: str, people: None) -> None:
    page.goto(f"{server}/segments/new/")
    page.get_by_role("link", name="Users", exact=True).last.click()
    page.wait_for_url("**/segments/new/?subject=user")
    page.get_by_label("Name", exact=True).fill("Navigators")
    page.get_by_role("button", name="Role in the account").click()
    value = page.locator("#rule-editor input[name$='.value']").first
    value.fill("Navigator")
    value.press("Enter")
    counted(page, 1)
    page.locator("#preview", has_text="in 1 account").wait_for()
    page.locator("#preview .sample summary", has_text="Ann Example").click()
    page.locator("#preview .why-body", has_text="A match in Harbour").wait_for()
    counted(page, 1)  # leaving the field did not count again, which would close what was opened
    assert "A match in Harbour" in page.locator("#preview .why-body").inner_text()
    page.locator("#check").fill("ann@x.example")
    page.locator("#check").press("Enter")
    page.locator("#checked", has_text="A match in Harbour").wait_for()
    page.keyboard.press("Control+s")
    page.wait_for_url("**/segments/?segment=*")
    refresh_due()
    assert Segment.objects.get(name="Navigators").subject == "user"
    page.goto(f"{server}/users/?segment=navigators")
    assert page.locator("#rows tr").count() == 1
    assert page.locator("#rows b").inner_text() == "Harbour"
    page.goto(f"{server}/users/")
    page.locator("#q").fill("cy")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    assert "No account" in page.locator("#rows").inner_text()
    page.locator("#tab-navigators").click()
    page.locator("#rows", has_text="Ann Example").wait_for()


def test_looks(page: Page, server: str, people: None) -> None:
    found = factories.segment(
        "Navigators", {"field": "relationship.role", "op": "is", "value": "Navigator"}, subject="user"
    )
    user = found.user_memberships.get().user_id
    addresses = ["/users/", "/users/?segment=navigators", f"/users/{user}/", f"/segments/{found.pk}/members/",
                 f"/segments/{found.pk}/edit/", "/segments/", "/segments/new/?subject=user"]  # fmt: skip
    assert walked(page, {address: f"{server}{address}" for address in addresses}) == {}
