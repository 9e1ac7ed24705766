"""Accounts 360 and the segment list as people use them, by pointer and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from accounts.models import Account, Assignment, TeamMember
from segments.models import Segment
from segments.refresh import refresh_due
from tests.browser.conftest import focused, notice, order, titled, until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route


def rows(page: Page) -> list[str]:
    """The accounts that show, in order."""
    return page.locator("#rows th a").all_inner_texts()


def test_a_tab_swaps_the_results_and_back_brings_the_whole_page_again(page: Page) -> None:
    page.goto("/accounts/")
    page.get_by_role("link", name="Large 6").click()
    page.wait_for_url(re.compile(r"segment=large"))
    until(page, "document.querySelectorAll('#rows tr').length === 6")
    expect(page).to_have_title(re.compile("^Large"))
    focused(page, "#tab-large")
    page.go_back()
    until(page, "document.querySelectorAll('#rows tr').length === 12")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.go_forward()
    until(page, "document.querySelectorAll('#rows tr').length === 6")


def test_the_newest_of_two_tabs_wins(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile("segment=large"), lambda route: held.append(route))
    page.goto("/accounts/")
    with page.expect_event("requestfailed", lambda request: "segment=large" in request.url):
        page.get_by_role("link", name="Large 6").click()
        page.get_by_role("link", name="Growth plan 4").click()
    until(page, "document.querySelectorAll('#rows tr').length === 4")
    focused(page, "#tab-growth-plan")
    assert held and "segment=growth-plan" in page.url


def test_search_narrows_while_typing_and_stays_in_the_field(page: Page) -> None:
    page.goto("/accounts/")
    page.keyboard.press("/")
    before = page.evaluate("history.length")
    page.keyboard.type("count 07")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    assert page.evaluate("document.activeElement.id") == "q"
    assert "1 of 12 accounts" in page.inner_text("#result-count")
    expect(page).to_have_url(re.compile("q=count%2007$"))
    assert page.evaluate("history.length") == before  # Back leads away from the list, not through what was typed


def test_a_column_head_sorts_and_keeps_the_focus_and_the_state_travels(page: Page) -> None:
    page.goto("/accounts/?q=account")
    head = page.locator("#sort-c-renews-on")
    head.click()
    page.wait_for_url(re.compile("sort=renews_on"))
    page.wait_for_selector("th.c-renews-on[aria-sort=ascending]")
    assert rows(page)[0] == "Account 00"
    focused(page, "#sort-c-renews-on")
    page.locator("#sort-c-renews-on").click()
    page.wait_for_selector("th.c-renews-on[aria-sort=descending]")
    assert rows(page)[0] == "Account 11" and "q=account" in page.url
    page.fill("#q", "account 0")
    until(page, "document.querySelectorAll('#rows tr').length === 10")
    assert "sort=-renews_on" in page.url and rows(page)[0] == "Account 09"
    page.get_by_role("link", name="Large 6").click()
    page.wait_for_url("**/accounts/?segment=large&sort=-renews_on")
    until(page, "document.querySelectorAll('#rows tr').length === 6")
    assert rows(page)[0] == "Account 11"


def test_a_filter_chip_is_built_changed_and_removed(page: Page) -> None:
    page.goto("/accounts/")
    page.evaluate("window.kept = true")
    page.locator("#add-filter").click()
    page.locator("#filter-pop select").select_option("account.mrr")
    page.locator("#filter-pop:not(.htmx-settling) #value-n-0").fill("9,000")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("f="))
    until(page, "document.querySelectorAll('#rows tr').length === 3")
    assert sorted(rows(page)) == ["Account 09", "Account 10", "Account 11"]
    expect(page.locator("#status")).to_have_text("3 of 12 accounts match")
    focused(page, "#chip-0")
    chip = page.locator("#chip-0")
    assert chip.inner_text() == "MRR is at least $9,000"
    chip.click()
    page.locator("#filter-pop #op-n-0").select_option("less_than")
    page.locator("#filter-pop #value-n-0").fill("many")
    page.locator("#filter-pop:not(.htmx-settling)").get_by_role("button", name="Apply").click()
    expect(page.locator("#error-n-0")).to_have_text("Expected a number, got 'many'.")
    focused(page, "#value-n-0")
    page.locator("#filter-pop #value-n-0").fill("2000")
    page.get_by_role("button", name="Apply").click()
    until(page, "document.querySelectorAll('#rows tr').length === 2")
    focused(page, "#chip-0")
    page.get_by_role("link", name="Remove filter: MRR is less than $2,000").click()
    until(page, "document.querySelectorAll('#rows tr').length === 12")
    focused(page, "#add-filter")
    assert page.evaluate("kept") and page.url.endswith("/accounts/")  # the page was never left


def test_a_filter_that_is_changed_again_waits_for_no_older_answer(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile("less_than"), lambda route: held.append(route))
    page.goto("/accounts/")
    page.locator("#add-filter").click()
    page.locator("#filter-pop select").select_option("account.mrr")
    page.locator("#filter-pop #op-n-0").wait_for()
    with page.expect_event("requestfailed", lambda request: "less_than" in request.url):
        page.locator("#filter-pop #op-n-0").select_option("less_than")
        page.locator("#filter-pop #op-n-0").select_option("between")
    expect(page.locator("#filter-pop input[inputmode=decimal]")).to_have_count(2)
    focused(page, "#op-n-0")
    assert held and page.locator("#filter-pop #op-n-0").input_value() == "between"


def test_columns_are_chosen_in_place(page: Page) -> None:
    page.goto("/accounts/")
    page.fill("#q", "account 0")
    until(page, "document.querySelectorAll('#rows tr').length === 10")
    page.get_by_role("link", name="Columns").click()
    page.locator("#columns").get_by_label("Region").check()
    page.locator("#columns").get_by_label("Plan", exact=True).uncheck()
    page.get_by_role("button", name="Show these columns").click()
    notice(page, "8 columns shown.")
    assert page.url.endswith("/accounts/?q=account+0") and len(rows(page)) == 10
    expect(page.locator("th.c-custom-region")).to_be_visible()
    expect(page.locator("th.c-plan")).to_have_count(0)


def test_many_accounts_are_assigned_by_keyboard_and_given_back(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.goto("/accounts/?sort=name")
    for key in ("j", "x", "j", "x", "j", "j", "x"):
        page.keyboard.press(key)
    assert page.locator("#bulk [data-count]").inner_text() == "3 selected"
    page.keyboard.press("Escape")
    assert not page.locator("#bulk").is_visible()
    for key in ("x", "k", "k", "Shift+Space"):
        page.keyboard.press(key)
    assert page.locator("#bulk [data-count]").inner_text() == "3 selected"
    page.locator("#rows label.hit").nth(5).click(modifiers=["Shift"])
    assert page.locator("#bulk [data-count]").inner_text() == "5 selected"
    page.keyboard.press("Escape")
    page.get_by_label("Select Account 00").check()
    for module in ("listing", "liststate"):
        monkeypatch.setattr(f"web.{module}.PAGE_SIZE", 2)
    page.locator("#sort-c-name").click()
    page.get_by_label("Select Account 10").check()
    page.locator("#page-next").click()
    page.get_by_label("Select Account 08").check()
    expect(page.locator("#bulk [data-count]")).to_have_text("3 selected, 2 of them on other pages")
    page.locator("#page-previous").click()
    page.get_by_label("Select Account 10").uncheck()
    page.locator("#bulk-member").select_option(label="Cato Csm")
    page.get_by_role("button", name="Assign CSM").click()
    notice(page, "Assigned 2 accounts to Cato Csm.")
    cato = TeamMember.objects.get(name="Cato Csm")
    held = Assignment.objects.filter(member=cato, ended_at__isnull=True)
    assert held.count() == 8
    page.keyboard.press("Control+z")
    notice(page, "2 accounts given back.")
    assert held.count() == 6


def test_rows_are_gone_through_by_keys_wherever_there_are_some(page: Page) -> None:
    for address in ("/subscriptions/", "/users/", "/segments/"):
        page.goto(address)
        for key, row in (("j", 1), ("j", 2), ("j", 3), ("k", 2)):
            page.keyboard.press(key)
            focused(page, f"main tbody tr:nth-child({row}).cursor th a")


def test_the_account_page_knows_its_neighbours_and_takes_a_note(page: Page) -> None:
    page.goto("/accounts/?sort=name")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    titled(page, "Account 01")
    page.keyboard.press("]")
    titled(page, "Account 02")
    page.keyboard.press("n")
    page.keyboard.type("Asked for a second workspace.")
    page.get_by_role("button", name="Add note").click()
    notice(page, "Note added to the timeline.")
    assert "Asked for a second workspace." in page.inner_text("#tl")
    page.locator("#range-12m").click()
    page.wait_for_selector("#range-12m[aria-current=true]")
    expect(page.locator("#usage")).to_contain_text("Monthly active users")


def test_what_was_sent_is_not_sent_again_while_its_answer_is_on_the_way(page: Page) -> None:
    held: list[Route] = []
    page.route("**/accounts/*/notes/", lambda route: held.append(route))
    page.goto(f"/accounts/{Account.objects.get(name='Account 03').pk}/")
    page.fill("#note-text", "Asked once.")
    page.get_by_role("button", name="Add note").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    notice(page, "Note added to the timeline.")


def test_segments_move_by_buttons_with_the_focus_kept(page: Page) -> None:
    page.goto("/segments/")
    large = Segment.objects.get(name="Large").pk
    page.locator(f"#down-{large}").focus()
    page.keyboard.press("Enter")
    notice(page, "Large moved to position 3 of 4.")
    assert order() == ["Growth plan", "Renewal soon", "Large", "Champions"]
    until(page, f"document.activeElement.id === 'down-{large}'")
    page.keyboard.press("Control+z")
    notice(page, "Large moved back to position 2.")
    assert order() == ["Growth plan", "Large", "Renewal soon", "Champions"]


def test_segments_move_by_dragging_the_six_dots(page: Page) -> None:
    page.goto("/segments/")
    champions = page.locator("tr[data-name='Champions'] [data-drag]")
    target = page.locator("tr[data-name='Growth plan']")
    champions.hover()
    page.mouse.down()
    box = target.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=8)
    page.mouse.move(box["x"] + 60, box["y"] + 4, steps=6)
    page.mouse.up()
    notice(page, "Champions moved to position 1 of 4.")
    assert order() == ["Champions", "Growth plan", "Large", "Renewal soon"]


def test_a_clone_opens_for_editing_under_the_original(page: Page) -> None:
    page.goto("/segments/")
    page.get_by_role("button", name="Clone Growth plan").click()
    page.wait_for_selector("h1:has-text('Growth plan (copy)')")
    assert order()[:2] == ["Growth plan", "Growth plan (copy)"]
    assert page.input_value("#name") == "Growth plan (copy)"
    notice(page, "Growth plan cloned.")


def test_refreshing_is_watched_to_its_end(page: Page) -> None:
    page.goto("/segments/")
    page.get_by_role("button", name="Refresh now").click()
    page.locator("#refresh progress").wait_for()
    refresh_due()
    notice(page, "Segments refreshed. No account joined or left.")
    until(page, "!document.querySelector('#refresh progress')")


def test_hiding_a_segment_takes_its_tab_away(page: Page) -> None:
    page.goto("/segments/")
    page.get_by_label("Show Large on Accounts 360").uncheck()
    notice(page, "Large hidden from Accounts 360.")
    page.goto("/accounts/")
    assert page.get_by_role("link", name="Large").count() == 0


def test_jumping_by_keyboard(page: Page) -> None:
    page.goto("/segments/")
    page.keyboard.press("Control+k")
    page.keyboard.type("count 05")
    page.locator("#jump-results a", has_text="Account 05").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Account 05')")


def test_enter_waits_for_the_results_of_what_was_typed_last(page: Page) -> None:
    page.goto("/segments/")
    page.keyboard.press("Control+k")
    page.keyboard.type("count 0")
    page.locator("#jump-results a", has_text="Account 00").wait_for()
    page.keyboard.type("7")
    page.keyboard.press("Enter")  # before its own results can be there
    page.wait_for_selector("h1:has-text('Account 07')")


def test_everything_can_be_read_and_done_without_scripts(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for(java_script_enabled=False).new_page()
    page.goto("/accounts/")
    found = page.locator("#rows tr")
    page.get_by_role("link", name="Large 6").click()
    expect(found).to_have_count(6)
    page.fill("#q", "account 1")
    page.press("#q", "Enter")
    expect(found).to_have_count(2)
    assert "segment=large" in page.url
    page.locator("#add-filter").click()
    page.locator("select[name='n.0.field']").select_option("account.plan")
    page.get_by_role("button", name="Choose").click()
    page.fill("[name='n.0.value']", "Growth")
    page.get_by_role("button", name="Apply").click()
    expect(found).to_have_count(1)
    page.goto("/segments/new/")
    page.fill("#name", "Plain")
    page.get_by_role("button", name="Add condition").click()
    page.locator("select[name='n.0.field']").select_option("account.mrr")
    page.get_by_role("button", name="Choose").click()
    page.fill("[name='n.0.value']", "5000")
    page.get_by_role("button", name="Save").first.click()
    expect(page).to_have_url(re.compile(r"/segments/\?segment="))
    assert Segment.objects.get(name="Plain").rule["rules"] == [
        {"field": "account.mrr", "op": "at_least", "value": 5000}
    ]
