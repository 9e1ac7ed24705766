"""Sources and the event debugger in a real browser: added, sent to, watched live, narrowed, by keyboard too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Route, expect

from integrations.models import Message, Source
from integrations.tracking import keys
from tests.browser.conftest import focused, until
from tests.browser.judging import walked
from tests.ingest.conftest import KEY, basic, batch, group, identify, track

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

LIST = re.compile(r"/sources/debugger/\?(?!.*message=)")  # what the debugger asks for every two seconds


def send(site: str, **more: str) -> None:
    """A few messages of every fate, through the server's own address."""
    calls = [
        group(traits={"plan_tier": "pro"}), identify(traits={"title": "CFO"}), track(), track(user="stranger"),
        track("Report Opened"), track(event=""),
    ]  # fmt: skip
    body = json.dumps(
        {"batch": [call | {key: f"{value}{n}" for key, value in more.items()} for n, call in enumerate(calls)]}
    )
    request = Request(f"{site}/v1/batch", body.encode(), {"Authorization": basic()})
    assert urlopen(request, timeout=10).status == 200


@pytest.fixture
def source(site: str) -> Source:
    """A source that has sent something."""
    keys.forget_known()
    made, _ = keys.create_source("Web app", key=KEY)
    send(site, messageId="a")
    return made


def test_a_source_is_added_and_its_messages_appear_by_themselves(page: Page, site: str) -> None:
    keys.forget_known()
    hold, held = False, list[Route]()
    page.route(LIST, lambda route: held.append(route) if hold else route.continue_())
    page.goto("/sources/")
    page.get_by_role("link", name="Add source").first.click()
    focused(page, "[name=name]")
    page.keyboard.type("Back end")
    page.keyboard.press("Enter")
    key = page.locator(".key-text").inner_text()
    page.locator("pre", has_text=key).first.wait_for()
    page.get_by_role("link", name="Event debugger").click()
    page.get_by_role("heading", name="Nothing has come yet").wait_for()
    body = json.dumps(batch(group(), track()))
    urlopen(Request(f"{site}/v1/batch", body.encode(), {"Authorization": basic(key)}), timeout=10)
    until(page, "document.querySelectorAll('[id^=m-]').length === 2")
    newest = page.locator(f"#m-{Message.objects.order_by('-id')[0].pk}")
    hold = True
    with page.expect_request(LIST):  # the next list is on its way, which must not keep a message from opening
        newest.focus()
    page.keyboard.press("Enter")
    detail = page.locator("#message-detail")
    expect(detail.locator("pre")).to_contain_text('"event": "Report Exported"')
    page.locator("#message-list section").evaluate("(one) => one.setAttribute('data-old', '')")
    hold = False
    held[0].continue_()
    page.locator("#message-list section[data-old]").wait_for(state="detached")
    # A new list leaves the open message alone, and the focus where it was.
    expect(detail.locator("pre")).to_contain_text('"event": "Report Exported"')
    expect(newest).to_be_focused()
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("link", name="Resume").wait_for()


def test_the_debugger_is_narrowed_by_keyboard(page: Page, source: Source) -> None:
    page.goto("/sources/debugger/?pause=1")
    page.locator("#do").focus()
    page.keyboard.type("Dropped")
    page.locator("#dq").focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('[id^=m-]').length === 1")
    assert "No event" in page.locator("#message-list").inner_text()


def test_no_page_of_sources_has_a_finding(
    context_for: Callable[..., BrowserContext], source: Source, trouble: list[str]
) -> None:
    page = context_for().new_page()
    newest = Message.objects.order_by("-id")[0].pk
    addresses = [
        "/sources/", "/sources/new/", f"/sources/{source.pk}/", f"/sources/debugger/?pause=1&message={newest}",
        "/sources/debugger/?pause=1&q=zenith",
    ]  # fmt: skip
    assert walked(page, {address: address for address in addresses}) == {} and not trouble
