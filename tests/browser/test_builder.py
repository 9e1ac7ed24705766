"""The segment builder by keyboard and pointer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from accounts.models import Team, TeamMember
from segments.limits import PreviewTooSlow
from segments.models import Segment
from segments.refresh import refresh_due
from tests.browser.conftest import until

if TYPE_CHECKING:
    from playwright.sync_api import Page


def counted(page: Page, number: int) -> None:
    """Wait until the preview has settled on a count."""
    until(
        page,
        "n => document.querySelector('#pv-state')?.textContent === 'Up to date'"
        " && document.querySelector('#pv-count')?.textContent === String(n)",
        number,
    )


def pick(page: Page, words: str) -> None:
    """Open the picker from the focused button, type, choose; the new condition's value has the focus."""
    page.keyboard.press("Enter")
    page.wait_for_selector("#picker:popover-open")
    until(page, "document.activeElement.id === 'pick-q'")
    page.keyboard.type(words)
    with page.expect_response(re.compile("/segments/rule/")):
        page.keyboard.press("Enter")
    until(page, "document.activeElement.closest('.rule')")


class Hands:
    """Does what a person does and counts it: keys (a letter, a Tab, Ctrl with S), clicks, and steps of the task."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys, self.steps, self.clicks = page, 0, 0, 0

    def type(self, words: str) -> None:
        """One step, a key for each letter."""
        self.page.keyboard.type(words)
        self.keys += len(words)
        self.steps += 1

    def press(self, key: str) -> None:
        """One key of a step."""
        self.page.keyboard.press(key)
        self.keys += 1

    def go_to(self, selector: str) -> None:
        """Tab until a control has the focus."""
        for _ in range(20):
            if self.page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            self.press("Tab")
        raise AssertionError(f"{selector} is more than 20 Tabs away")

    def choose(self, words: str) -> None:
        """Open the picker from the focused button and take the first that is found: one step."""
        with self.page.expect_response(re.compile("/segments/rule/")):
            pick(self.page, words)
        self.keys += len(words) + 2
        self.steps += 1

    def click(self, selector: str) -> None:
        """One click."""
        self.page.locator(selector).first.click()
        self.clicks += 1


def saved(page: Page, name: str) -> None:
    """Wait for the list after saving, and look at what was saved."""
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    refresh_due()
    page.locator("#notices .notice", has_text="Segment saved. 2 accounts joined and 0 left.").wait_for()
    rules = Segment.objects.get(name=name).rule["rules"]
    assert [rule["field"] for rule in rules] == ["account.mrr", "account.renews_on", "account.plan"]


def test_three_conditions_are_built_and_saved_with_at_most_70_keys(page: Page) -> None:
    page.goto("/segments/new/")
    until(page, "document.activeElement.id === 'name'")
    hands = Hands(page)
    hands.type("Enterprise renewals")  # as long as the name with which the design counted 66
    hands.go_to("[value='add:n:account.mrr']")  # one of those that people use most
    with page.expect_response(re.compile("/segments/rule/")):
        hands.press("Enter")
    hands.steps += 1
    until(page, "document.activeElement.id === 'value-n-0'")
    hands.type("3000")
    for words, value in (("ren", "95"), ("plan", "Enterprise")):
        hands.go_to("#add-n")
        hands.choose(words)
        hands.type(value)
    counted(page, 2)
    expect(page.locator("#readback")).to_contain_text(
        "MRR is at least $3,000, and renewal date is in the next 95 days, and plan is “Enterprise”"
    )
    hands.press("Control+s")
    hands.steps += 1
    saved(page, "Enterprise renewals")
    assert hands.keys <= 70 and hands.steps <= 12, (hands.keys, hands.steps)


def test_three_conditions_are_built_and_saved_with_at_most_10_clicks(page: Page) -> None:
    page.goto("/segments/new/")
    until(page, "document.activeElement.id === 'name'")
    hands = Hands(page)
    hands.type("By pointer")
    hands.click("[value='add:n:account.mrr']")
    until(page, "document.activeElement.id === 'value-n-0'")
    hands.type("3000")
    for number, (key, value) in enumerate((("account.renews_on", "95"), ("account.plan", "Enterprise")), 1):
        hands.click("#add-n")
        hands.click(f".opt[data-key='{key}']:not(#pick-recent *)")
        until(page, "n => document.activeElement.id === `value-n-${n}`", number)
        hands.type(value)
    counted(page, 2)
    hands.click(".page-head button.primary")
    saved(page, "By pointer")
    assert hands.clicks <= 10, hands.clicks


def test_the_team_of_a_role_is_chosen_from_the_teams_by_keyboard(page: Page) -> None:
    for person, team in (("Cato Csm", "North"), ("Mona Manager", "South & East")):
        TeamMember.objects.filter(name=person).update(team=Team.objects.create(name=team))
    page.goto("/segments/new/")
    page.locator("#name").fill("Of two teams")
    page.locator("#add-n").focus()
    pick(page, "team of the csm")
    for letter, words in (("N", "North"), ("S", "North or South & East")):
        page.locator("#value-n-0").focus()
        with page.expect_response(re.compile("/segments/rule/")):
            page.keyboard.press(letter)
        page.locator("#readback", has_text=f"Team of the CSM is any of {words}").wait_for()
        counted(page, 6 if letter == "N" else 12)
    assert [one.strip() for one in page.locator(".rule .tok").all_inner_texts()] == ["North", "South & East"]
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    assert Segment.objects.get(name="Of two teams").rule["rules"] == [
        {"field": "team.csm_team", "op": "any_of", "value": ["north", "south & east"]}
    ]


def test_what_was_used_lately_stands_on_top(page: Page) -> None:
    page.goto("/segments/new/")
    page.locator("#add-n").click()
    assert page.locator("#pick-recent").is_hidden()  # nobody has chosen anything yet
    page.keyboard.press("Escape")
    for words in ("country", "plan"):
        page.locator("#add-n").focus()
        pick(page, words)
    page.goto("/segments/new/")
    page.locator("#add-n").focus()
    page.keyboard.press("Enter")
    recent = page.locator("#pick-recent")
    recent.wait_for()
    assert recent.locator(".opt .clip:not(.eg)").all_inner_texts() == ["Plan", "Country"]
    page.keyboard.type("name")
    assert recent.is_hidden()
    page.locator("#pick-q").fill("")
    page.locator("[data-cat=team]").first.click()
    assert recent.is_hidden()
    page.locator("[data-cat='']").click()
    page.keyboard.press("ArrowDown")
    with page.expect_response(re.compile("/segments/rule/")):
        page.keyboard.press("Enter")
    page.locator("#attr-n-0", has_text="Country").wait_for()


def test_the_preview_follows_every_change_and_the_newest_wins(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.goto(f"/segments/{Segment.objects.get(name='Large').pk}/edit/")
    value = page.locator("#value-n-0")
    for number in ("1000", "2000", "11000"):
        value.fill(number)
    counted(page, 1)
    expect(page.locator("#alone-n-0")).to_have_text("1")
    expect(page.locator("#preview")).to_contain_text("5 leave")
    value.fill("nonsense")
    page.locator("#error-n-0", has_text="Expected a number").wait_for()
    expect(page.locator("#pv-state")).to_have_text("Not counted")
    value.fill("11000")
    counted(page, 1)
    monkeypatch.setattr("web.views.builder.preview", _too_slow)
    value.fill("1000")
    expect(page.locator("#pv-state")).to_have_text("Still counting…")
    expect(page.locator(".outdated #pv-count")).to_have_text("1")


def _too_slow(*_: object, **__: object) -> None:
    raise PreviewTooSlow


def test_groups_of_users_nest_and_count(page: Page) -> None:
    page.goto("/segments/new/")
    page.locator("#add-n").focus()
    pick(page, "role in the account")
    page.keyboard.type("champion")
    counted(page, 4)
    with page.expect_response(re.compile("/segments/rule/")):
        page.locator("#quantifier-n-0").select_option("none")
    counted(page, 8)
    page.get_by_role("button", name="Add group").last.click()
    until(page, "document.activeElement.id === 'add-n-1'")
    page.locator("#add-n-1").focus()
    pick(page, "plan")
    page.keyboard.type("Growth")
    counted(page, 4)


def test_a_removed_condition_comes_back_by_undo(page: Page) -> None:
    page.route(re.compile("/segments/rule/"), lambda route: (page.wait_for_timeout(200), route.continue_()))
    page.goto(f"/segments/{Segment.objects.get(name='Large').pk}/edit/")
    page.get_by_role("button", name="Remove this condition").click()
    counted(page, 12)
    page.locator("#notices [data-undo]").click()
    counted(page, 6)
    assert page.input_value("#value-n-0") == "6000"
    page.get_by_role("button", name="Remove this condition").click()
    counted(page, 12)
    page.locator("#notices [data-undo]").click()
    page.keyboard.press("Control+s")  # at once: the save waits for the condition to be back
    page.wait_for_url(re.compile(r"/segments/\?segment="))
    assert Segment.objects.get(name="Large").rule["rules"] == [
        {"field": "account.mrr", "op": "at_least", "value": 6000}
    ]


def test_choices_become_tokens_and_go_again(page: Page) -> None:
    page.goto("/segments/new/")
    page.get_by_role("button", name="Lifecycle stage").click()
    page.locator("#value-n-0").select_option("trial")
    counted(page, 3)
    page.locator("#value-n-0").select_option("onboarding")
    counted(page, 6)
    page.get_by_role("button", name="Remove Trial").click()
    counted(page, 3)


def test_a_number_can_be_a_percentage_of_another(page: Page) -> None:
    page.goto("/segments/new/")
    page.get_by_role("button", name="Active users, 30 days").click()
    page.locator("#mode-n-0").select_option("percent")
    page.locator("#of-n-0").select_option("account.licences")
    page.locator("#value-n-0").fill("50")
    counted(page, 2)
    words = re.compile("active users, 30 days is at least 50% of licences", re.IGNORECASE)
    expect(page.locator("#readback")).to_contain_text(words)


def test_the_menu_of_a_condition_moves_copies_and_negates(page: Page) -> None:
    page.goto(f"/segments/{Segment.objects.get(name='Growth plan').pk}/edit/")
    page.locator("#more-n-0").click()
    page.get_by_role("button", name="Duplicate").click()
    page.locator("#row-n-1").wait_for()
    until(page, "document.activeElement.id === 'more-n-1'")
    page.locator("#more-n-1").click()
    page.locator("#row-n-1").get_by_role("button", name="Negate").click()
    until(page, "document.querySelector('#op-n-1').value === 'is_not'")
    counted(page, 0)


def test_a_lost_session_keeps_what_is_edited_and_leaving_is_asked_about(page: Page, trouble: list[str]) -> None:
    page.goto(f"/segments/{Segment.objects.get(name='Large').pk}/edit/")
    context = page.context
    kept = [cookie for cookie in context.cookies() if cookie.get("name") == "sessionid"]
    context.clear_cookies(name="sessionid")
    page.locator("#value-n-0").fill("11000")
    page.locator("#signed-out", has_text="You were signed out. Sign in to continue; this page will reopen.").wait_for()
    assert page.locator("#preview").is_visible() and not page.locator("#id_password").count()
    expect(page.locator("#pv-state")).to_have_text("Not counted")
    assert trouble and all("401" in one for one in trouble)
    trouble.clear()
    # Signed in again in another tab, which brings another token for forms, too.
    context.add_cookies([*kept, {"name": "csrftoken", "value": "a" * 32, "url": page.url.partition("/segments")[0]}])  # type: ignore[list-item]
    page.locator("#value-n-0").fill("10000")
    counted(page, 2)
    expect(page.locator("#signed-out")).to_have_count(0)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url(re.compile(r"/segments/$"))
    assert asked == ["beforeunload"]
