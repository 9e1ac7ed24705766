"""A colleague is named while one types, is told, and opens what the bell counts; no page is wider than a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import Account, Note, TeamMember
from alerts.notifying.telling import tell_mentions
from tests.browser.conftest import NARROW, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Keeps an answer back until `arrive()`, which is over when the page has read it.
LATE = """(ending) => {
  const base = window.fetch;
  window.fetch = async (address, ...more) => {
    const answer = await base(address, ...more);
    if (!address.endsWith(ending)) return answer;
    const text = await answer.text();
    return new Promise((go) => {
      window.arrive = async () => { go(new Response(text)); await new Response(text).json(); await base(address); };
    });
  };
}"""


def test_naming_a_colleague_and_being_told(page: Page) -> None:
    account, cato = Account.objects.get(name="Account 03"), TeamMember.objects.get(name="Cato Csm")
    mona = TeamMember.objects.get(name="Mona Manager")
    page.goto(f"/accounts/{account.pk}/")
    page.keyboard.press("n")
    page.keyboard.type("Please call them, @C")
    until(page, "document.querySelectorAll('#mention-list li').length === 1")
    page.evaluate(LATE, "=Ca")
    page.keyboard.type("a")
    until(page, "!!window.arrive")
    page.keyboard.press("Enter")
    assert page.input_value("#note-text") == f"Please call them, @{cato.key} "
    page.evaluate("arrive()")
    assert not page.locator("#mention-list").is_visible()  # what was asked before the choice opens nothing
    page.keyboard.type("and @mo")
    until(page, "document.querySelectorAll('#mention-list li').length === 1")
    page.keyboard.press("Escape")
    assert not page.locator("#mention-list").is_visible()
    page.click("#note button[type=submit]")
    page.wait_for_url("**#timeline")
    note = Note.objects.get(text__startswith="Please call")
    assert [one.member for one in note.mentions.all()] == [cato]
    note.mentions.create(member=mona)  # who looks at the page
    tell_mentions()
    page.goto("/portfolio/")
    assert "1" in page.locator(".nav a[href='/notifications/'] .n").inner_text()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/notifications/")
    page.set_viewport_size(NARROW)
    here = f"/accounts/{account.pk}/"
    for path in ("/notifications/", "/notifications/settings/", here, "/portfolio/?who=everybody"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path
    page.goto("/notifications/")
    page.click("button.notice-go")
    page.wait_for_url(f"**/accounts/{account.pk}/#timeline")
    assert page.locator(".topbar .n").count() == 0
