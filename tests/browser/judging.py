"""Judging a page in the browser: what axe says of it, and whether it keeps to its width, light and wide, dark and
narrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.browser.conftest import NARROW, WIDE, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SETTLED = "!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling, [aria-busy=true]')"
# As tall as the longest page, so that everything is judged, and nothing for lying under a bar that sticks to the bottom
# and would be scrolled away from it.
TALL = 8_000
CHANGED_BY_DARK_AND_NARROW = {
    "type": "rule",
    "values": ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"],
}
WIDTHS = (1920, 1440, 1200, 1024, 960, 768, 600, 480, 390, 320)


def findings(page: Page, only: dict[str, Any] | None = None) -> list[str]:
    """What axe says of the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    # Of what is in order nothing is told: to name every node of it takes longer than to judge it.
    options = {"runOnly": only or {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    return [
        f"{item['id']} ({item['impact']}): {'; '.join(str(node['target']) for node in item['nodes'][:3])}"
        for item in page.evaluate("options => axe.run(options)", options)["violations"]
    ]


def judged(page: Page) -> list[str]:
    """What is wrong with the page that is open: findings wide and light, at which widths something leaves it, and what
    dark and narrow add. It ends wide and light again."""
    wrong = findings(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        reach = page.evaluate("document.documentElement.scrollWidth")
        if reach > width:
            wrong.append(f"{reach} px wide at {width}")
    page.set_viewport_size({"width": NARROW["width"], "height": TALL})
    page.emulate_media(color_scheme="dark")
    wrong += [f"dark and narrow: {found}" for found in findings(page, CHANGED_BY_DARK_AND_NARROW)]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    return wrong


def walked(page: Page, addresses: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with the pages at some addresses, by their names; those with nothing wrong are left out."""
    wrong = {}
    for name, address in addresses.items():
        page.goto(address)
        until(page, SETTLED)
        if found := judged(page):
            wrong[name] = found
    return wrong
