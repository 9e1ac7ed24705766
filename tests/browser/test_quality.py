"""Every page, light and wide, dark and narrow: no serious finding of axe, no complaint, nothing off the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from accounts.models import Account, TeamMember
from segments.models import Segment
from tests.browser.conftest import NARROW, WIDE

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
REFUSED = ("segment new", "health start", "health limits", "feeds", "imports", "import new", "schedule new")
CSM_STATUS = {"missing": 404} | dict.fromkeys(REFUSED, 403)
WIDTHS = (1920, 1440, 1200, 1024, 960, 768, 600, 480, 390, 320)


def addresses() -> dict[str, str]:
    """Every page of the dashboard."""
    account, segment = Account.objects.get(name="Account 03"), Segment.objects.get(name="Champions")
    return {
        "accounts": "/accounts/",
        "accounts filtered": "/accounts/?segment=growth-plan&sort=renews_on"
        '&f={"field":"account.mrr","op":"at_least","value":1}',
        "accounts empty": "/accounts/?q=zenith",
        "filter": "/accounts/filter/?n.0.field=account.plan",
        "columns": "/accounts/columns/",
        "account": f"/accounts/{account.pk}/?from=sort%3Dname",
        "subscriptions": "/subscriptions/",
        "segments": "/segments/",
        "segment new": "/segments/new/",
        "segment edit": f"/segments/{segment.pk}/edit/",
        "segment members": f"/segments/{segment.pk}/members/",
        "segment versions": f"/segments/{segment.pk}/versions/",
        "segment check": "/segments/check/",
        "segment overlap": "/segments/overlap/",
        "account segments": f"/accounts/{account.pk}/segments/",
        "feeds": "/feeds/",
        "health": "/health/",
        "health start": "/health/start/",
        "health limits": "/health/start/?for=everybody",
        "health trend": "/health/trend/",
        "health overrides": "/health/overrides/",
        "portfolio": "/portfolio/?who=everybody",
        "imports": "/imports/",
        "import new": "/imports/new/",
        "schedule new": "/imports/schedules/new/",
        "jump": "/jump/?q=a",
        "missing": "/nowhere/",
    }


def findings(page: Page) -> list[str]:
    """What axe says of the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    result = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    return [
        f"{item['id']} ({item['impact']}): {'; '.join(str(node['target']) for node in item['nodes'][:3])}"
        for item in result.response["violations"]
    ]


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light 1440", "dark 390"])
def test_no_page_has_a_finding(
    context_for: Callable[..., BrowserContext], trouble: list[str], scheme: str, size: dict[str, int]
) -> None:
    page = context_for(viewport=size, color_scheme=scheme).new_page()
    wrong = {}
    for name, address in addresses().items():
        page.goto(address)
        if found := findings(page):
            wrong[name] = found
    assert not wrong
    assert [line for line in trouble if "404" not in line] == []


def test_open_states_have_no_finding(page: Page) -> None:
    page.goto("/accounts/")
    states = {
        "columns": "a[data-popover=columns]",
        "filter": "#add-filter",
        "all segments": "[popovertarget=all-segments]",
        "selection": "[name=account]",
        "shortcuts": "[data-keys]",
    }
    wrong = {}
    for name, control in states.items():
        page.goto("/accounts/?cols=" + ",".join(["plan", "mrr"]))
        if page.locator(control).first.is_visible():
            page.locator(control).first.click()
            page.wait_for_timeout(250)
            if found := findings(page):
                wrong[name] = found
    page.goto("/segments/new/")
    page.locator("#add-n").click()
    page.wait_for_selector("#picker:popover-open")
    if found := findings(page):
        wrong["picker"] = found
    assert not wrong


def test_nothing_leaves_the_page_at_any_width(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for().new_page()
    wide = []
    for name, address in addresses().items():
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            reach = page.evaluate("document.documentElement.scrollWidth")
            if reach > width:
                wide.append(f"{name} at {width}: {reach}")
    assert not wide


def test_a_csm_reads_the_same_pages_without_complaint(
    context_for: Callable[..., BrowserContext], trouble: list[str]
) -> None:
    page = context_for(TeamMember.Access.CSM).new_page()
    for name, address in addresses().items():
        answer = page.goto(address)
        assert answer and answer.status == CSM_STATUS.get(name, 200), name
    assert [line for line in trouble if "404" not in line and "403" not in line] == []


def test_the_log_in_has_no_finding(browser: object, site: str, context_for: Callable[..., BrowserContext]) -> None:
    context = context_for()
    context.clear_cookies()
    page = context.new_page()
    page.goto("/login/")
    assert findings(page) == []
    page.fill("#id_username", "nobody")
    page.fill("#id_password", "wrong")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#login-error").wait_for()
    assert findings(page) == []


def test_nothing_is_loaded_from_elsewhere(page: Page, site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for address in addresses().values():
        if "nowhere" not in address:
            page.goto(address)
    assert asked and all(url.startswith(site) or url.startswith("data:") for url in asked)
