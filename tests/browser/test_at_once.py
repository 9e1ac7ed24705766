"""What a page shows follows its choices at once, without a button; the address, Back and the focus follow as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.conftest import focused, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHOICES = [
    ("/tasks/", "#who", "everybody", "who=everybody"),
    ("/notifications/", "#notice-show", "unread", "show=unread"),
    ("/portfolio/", "#who", "everybody", "who=everybody"),
    ("/sources/debugger/", "#dk", "track", "kind=track"),
    ("/health/trend/", "#trend-of", "large", "segment=large"),
]


def test_a_choice_is_followed_at_once(page: Page) -> None:
    for address, control, value, then in CHOICES:
        page.goto(address)
        form = page.locator("form", has=page.locator(control))
        assert not form.get_by_role("button", name="Show", exact=True).count()
        before = page.locator(control).input_value()
        assert before != value
        page.focus(control)
        page.select_option(control, value)
        page.wait_for_url(f"**{address}?*{then}*")
        focused(page, control)
        assert page.locator(control).input_value() == value
    assert page.locator("h1").inner_text() == "Large" and page.title().startswith("Health over time")
    page.go_back()
    until(page, "document.querySelector('h1').innerText === 'All accounts'")
    page.go_forward()
    until(page, "document.querySelector('h1').innerText === 'Large'")
