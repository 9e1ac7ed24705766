"""The accessibility acceptance list (WCAG 2.2 AA) beyond what axe judges, on the pages of accounts and segments.

Contrast, names and roles are looked at in test_quality; this is about spacing, zoom, focus, targets, motion, tables,
the one live region and messages that stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import Account, TeamMember
from segments.models import Segment
from tests.browser.conftest import WIDE, notice, until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

SMALL, NARROW = {"width": 320, "height": 900}, {"width": 390, "height": 844}

# How a page is built: one title, one live region, tables that say what they are, charts that say what they show.
_BUILT = """() => {
  const wrong = [], all = (selector) => [...document.querySelectorAll(selector)];
  const told = (one) => (one.id || one.getAttribute("aria-label") || one.outerHTML).slice(0, 70);
  if (all("h1").length !== 1) wrong.push("not one title");
  if (all("[role=status], [aria-live]").length !== 1) wrong.push("not one live region");
  if (document.querySelector("main #status")) wrong.push("the live region is swapped with the page");
  for (const one of all("[tabindex]")) if (one.tabIndex > 0) wrong.push(`out of order: ${told(one)}`);
  for (const one of all("table")) {
    if (!one.caption?.textContent.trim()) wrong.push(`no caption: ${told(one)}`);
    if (one.querySelectorAll("[aria-sort]").length > 1) wrong.push(`sorted twice: ${told(one)}`);
    for (const head of one.querySelectorAll("th")) if (!head.scope) wrong.push(`no scope: ${told(head)}`);
    if (one.tBodies[0]?.rows.length && !one.querySelector("th[scope=row]")) wrong.push(`no row heads: ${told(one)}`);
    let box = one;
    while (box && !/auto|scroll/.test(getComputedStyle(box).overflowX)) box = box.parentElement;
    const reached = box && box.tabIndex === 0 && box.matches("[aria-label], [aria-labelledby]");
    if (box && box !== document.documentElement && !reached) wrong.push(`scrolls unnamed: ${told(one)}`);
  }
  for (const one of all("svg.chart, svg[role=img]")) {
    if (one.role !== "img" || !one.getAttribute("aria-label")?.trim()) wrong.push(`chart says nothing: ${told(one)}`);
  }
  for (const one of all(".chart.wide")) {
    const shown = one.closest("section, .card")?.querySelector("details table");
    if (!shown) wrong.push(`chart without a table: ${told(one)}`);
  }
  for (const one of all(".pill, .tag.band")) {
    if (!one.innerText.trim() || !one.querySelector("svg")) wrong.push(`colour alone: ${told(one)}`);
  }
  for (const one of all("[draggable=true], [data-drag]")) {
    const buttons = one.closest("tr, li")?.querySelectorAll("button[name=dir], .mover button") ?? [];
    if (buttons.length < 2) wrong.push(`moves by dragging only: ${told(one)}`);
  }
  return wrong;
}"""

# What is cut off where text has the spacing that readers may give it, or twice the size.
_LOST = """(how) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(how === "spaced"
    ? `* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
       p { margin-block-end: 2em !important; }`
    : "html { font-size: 200% !important; }");
  document.adoptedStyleSheets = [sheet];
  const wrong = [], reach = document.documentElement.scrollWidth;
  if (reach > innerWidth) wrong.push(`${reach - innerWidth} px too wide`);
  for (const one of document.querySelectorAll("main *")) {
    const style = getComputedStyle(one);
    if (!one.checkVisibility() || !one.innerText?.trim() || one.closest(".vh, svg, select, thead")) continue;
    const kept = /visible|auto|scroll/.test(style.overflowY) || style.textOverflow === "ellipsis";
    if (!kept && one.scrollHeight > one.clientHeight + 2) wrong.push(`cut off: ${one.className} ${one.innerText}`);
  }
  document.adoptedStyleSheets = [];
  return wrong;
}"""

# The control that has the focus: that it shows a ring, is in sight, and nothing lies over it.
_FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  if (one === document.body) return null;
  const label = (one.id || one.getAttribute("aria-label") || one.innerText || one.outerHTML).slice(0, 60).trim();
  const wrong = [], look = (of) => getComputedStyle(of);
  const ring = (of) => of && look(of).outlineStyle !== "none" && parseFloat(look(of).outlineWidth) >= 2;
  const inner = one.type === "date" && !one.matches(":focus-visible");  // its own button has the ring
  if (!ring(one) && !ring(one.nextElementSibling) && !inner) wrong.push("no ring");
  const x = Math.min(Math.max(box.x + Math.min(box.width, 40) / 2, 1), innerWidth - 2);
  const y = box.y + Math.min(box.height, 40) / 2, seen = document.elementFromPoint(x, y);
  const mine = seen && (one.contains(seen) || seen.contains(one) || seen.closest("label")?.control === one);
  if (box.width < 2 || box.height < 2) return [label];  // it is drawn by its label
  if (y < 0 || y > innerHeight) wrong.push("out of sight");
  else if (!mine) wrong.push(`behind ${seen?.className || seen?.tagName}`);
  return [label, ...wrong];
}"""

_TARGETS = """() => {
  const small = [], seen = (one) => one.checkVisibility() && one.getClientRects().length;
  const told = (one, box) => `${(one.id || one.innerText || one.outerHTML).slice(0, 60)} ${box.width} x ${box.height}`;
  for (const one of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select")) {
    const spared = one.closest("p, dd, td .small, caption, .vh, .skip, li > div > p");
    if (!seen(one) || spared || getComputedStyle(one).display === "inline") continue;  // a link in a sentence
    const box = (one.closest("label") || one).getBoundingClientRect();
    if (box.width && (box.width < 24 || box.height < 24)) small.push(told(one, box));
  }
  const main = ".topbar .btn, .nav a, .tabs ul a, .bottombar .btn, .mover .btn, .opt";
  for (const one of document.querySelectorAll(main)) {
    const box = one.getBoundingClientRect();
    if (seen(one) && box.height < 44) small.push(`for fingers: ${told(one, box)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) small.push("wider than the screen");
  return small;
}"""


def pages() -> dict[str, str]:
    """What the list is about: accounts, subscriptions and segments, with what can be opened on them."""
    account, segment = Account.objects.get(name="Account 03"), Segment.objects.get(name="Champions")
    return {
        "accounts": "/accounts/?segment=large",
        "filtered": '/accounts/?f={"field":"account.mrr","op":"at_least","value":1}&q=account',
        "account": f"/accounts/{account.pk}/",
        "subscriptions": "/subscriptions/",
        "segments": "/segments/",
        "builder": f"/segments/{segment.pk}/edit/",
        "new": "/segments/new/",
        "members": f"/segments/{segment.pk}/members/",
    }


def open_page(page: Page, address: str) -> None:
    """Go there and wait for the parts that come later."""
    page.goto(address)
    page.wait_for_load_state("networkidle")


def test_pages_are_built_for_everybody_and_lose_nothing_when_text_grows(
    context_for: Callable[..., BrowserContext],
) -> None:
    page = context_for(viewport=WIDE).new_page()
    wrong: dict[str, Any] = {}
    for name, address in pages().items():
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        open_page(page, address)
        if found := page.evaluate(_BUILT):
            wrong[name] = found
        for size in (WIDE, NARROW, SMALL):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for how in ("spaced", "twice as large") if size is WIDE else ("spaced",):
                if found := page.evaluate(_LOST, how):
                    wrong[f"{name}, {how}, {size['width']}"] = found
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_focus_is_always_seen(context_for: Callable[..., BrowserContext], size: dict[str, int]) -> None:
    page = context_for(viewport=size).new_page()
    wrong = []
    for name, address in pages().items():
        open_page(page, address)
        page.keyboard.press("Tab")
        stops = 0
        for _ in range(120):
            found = page.evaluate(_FOCUSED)
            if found is None:
                break
            stops += 1
            wrong += [f"{name}: {found[0]}: {what}" for what in found[1:]]
            page.keyboard.press("Tab")
        assert stops > 10, name
    assert not wrong, "\n".join(wrong)


def test_targets_are_large_enough_for_fingers(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for(viewport=NARROW, has_touch=True, is_mobile=True).new_page()
    wrong = {}
    for name, address in pages().items():
        open_page(page, address)
        if found := page.evaluate(_TARGETS):
            wrong[name] = found
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


def test_reduced_motion_and_high_contrast_are_honoured(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for(reduced_motion="reduce", forced_colors="active").new_page()
    open_page(page, "/accounts/?segment=large&cols=plan,stage")
    moving = "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).transitionDuration !== '0s'"
    assert page.evaluate(f"{moving} || getComputedStyle(one).animationName !== 'none').length") == 0
    bordered = "getComputedStyle(document.querySelector('.mix')).borderTopStyle"
    assert page.evaluate(bordered) == "solid"


def test_a_notice_stays_until_it_is_put_away(context_for: Callable[..., BrowserContext], page: Page) -> None:
    page.clock.install()
    page.goto("/segments/")
    page.get_by_label("Show Large on Accounts 360").uncheck()
    notice(page, "Large hidden from Accounts 360.")
    page.clock.fast_forward("10:00")
    assert page.locator("#notices .notice").is_visible()
    page.locator("#notices [data-dismiss]").click()
    assert page.locator("#notices .notice").count() == 0


def test_single_keys_can_be_turned_off(page: Page) -> None:
    page.goto("/accounts/")
    page.keyboard.press("?")
    page.get_by_role("button", name="Turn single keys off").click()
    until(page, "document.documentElement.dataset.shortcuts === 'off'")
    for key in ("/", "j", "x", "?"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement === document.body")
    assert not page.locator("#keys-dialog").is_visible() and not page.locator("#bulk").is_visible()
    assert TeamMember.objects.get(access="manager").preferences["shortcuts"] is False
    page.keyboard.press("Control+k")  # not a single key
    assert page.locator("#jump-dialog").is_visible()


def test_typing_is_announced_once_it_settles(page: Page) -> None:
    page.goto("/accounts/")
    page.evaluate(
        "() => { window.heard = []; new MutationObserver(() => {"
        " const text = document.querySelector('#status').innerText; if (text) heard.push(text); })"
        ".observe(document.querySelector('#status'), { childList: true, subtree: true, characterData: true }); }"
    )
    page.set_viewport_size(SMALL)  # type: ignore[arg-type]
    page.evaluate("document.querySelector('#tab-links').scrollLeft = 90")
    page.locator("#q").press_sequentially("t 07", delay=150)
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.wait_for_timeout(300)
    assert page.evaluate("heard") == ["1 of 12 accounts match"]
    assert page.evaluate("document.querySelector('#tab-links').scrollLeft") == 90  # where somebody had put it
