"""The alerts inbox and the milestones board by keyboard and on a narrow screen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from accounts.models import Account, TeamMember
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.milestones.tasks import look_at_milestones
from alerts.models import AccountMilestone, Alert, AlertRule
from alerts.raising import raise_alerts
from core.clock import moment
from segments.refresh import refresh_due
from tests import factories
from tests.browser.conftest import notice, until
from tests.browser.judging import WIDTHS, findings

if TYPE_CHECKING:
    from playwright.sync_api import Page

FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 16}]}


def few_raised() -> list[Alert]:
    """The alerts of a rule that holds for seven of the company's accounts, the newest first."""
    save_alert_rule(None, name="Few licences", condition=FEW, include_existing=True)
    refresh_due()
    raise_alerts()
    return list(Alert.objects.select_related("account").order_by("-opened_at", "-pk"))


def test_alerts_are_worked_off_by_keyboard(page: Page, trouble: list[str]) -> None:
    page.set_default_timeout(30_000)
    first, second, third, fourth, fifth, *_ = few_raised()
    page.goto("/alerts/")
    assert findings(page) == []
    page.keyboard.press("e")  # one key closes the one that is open, and the next one is open then
    notice(page, f"{first.account}: closed.")
    first.refresh_from_db()
    assert first.ending == "closed" and page.locator("#alert-h").inner_text() and f"alert={second.pk}" in page.url
    page.locator(".notice-ask button", has_text="False alarm").click()
    notice(page, "false alarm.")
    first.refresh_from_db()
    assert first.outcome == "false"
    page.goto(f"/alerts/?alert={second.pk}")
    page.keyboard.press("j")  # a row that has the focus, not the one that is open, is what S means
    page.keyboard.press("s")
    until(page, "document.activeElement.value === 'snooze:tomorrow'")
    assert findings(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    notice(page, f"{third.account}: snoozed until")
    second.refresh_from_db(), third.refresh_from_db()
    assert (third.snoozed_until - moment().today).days == 7 and second.snoozed_until is None  # type: ignore[operator]
    page.keyboard.press("a")
    until(page, "document.activeElement.value === 'assign:me'")
    page.keyboard.press("Enter")
    notice(page, "assigned to Mona Manager")
    fourth.refresh_from_db()
    assert fourth.assignee == TeamMember.objects.get(name="Mona Manager") and f"alert={fifth.pk}" in page.url
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("k")
    page.keyboard.press("Shift+Space")
    until(page, "document.querySelector('[data-ticked]').textContent === 'With the 2 ticked:'")
    page.keyboard.press("e")
    notice(page, "2 alerts: closed.")
    page.keyboard.press("Control+z")
    notice(page, "2 alerts put back.")
    assert Alert.objects.open().count() == 6
    assert trouble == []


def test_new_alerts_wait_above_the_list_and_narrow_screens_have_room(page: Page, trouble: list[str]) -> None:
    few_raised()
    page.clock.install()
    page.goto("/alerts/")
    page.locator(".alert-list").wait_for()
    Alert.objects.create(
        rule=AlertRule.objects.get(), account=Account.objects.get(name="Account 11"), version=1, severity="high",
        began_at=moment().now, opened_at=moment().now,
    )  # fmt: skip
    page.clock.fast_forward(31_000)
    page.locator("#new-alerts", has_text="1 new alert. Show").wait_for()
    assert not page.locator(".alert-list", has_text="Account 11").count()
    page.locator("#new-alerts a").click()
    page.locator(".alert-list", has_text="Account 11").wait_for()
    page.wait_for_load_state()
    page.get_by_label("Severity").focus()
    page.get_by_label("Severity").select_option("high")
    until(page, "document.querySelectorAll('.alert-list [data-alert]').length === 1")
    assert page.url.endswith("/alerts/?state=open&severity=high")
    assert page.evaluate("document.activeElement.name") == "severity"
    page.locator(".alert-list [data-alert] input").check()
    page.locator(".alert-list [data-key=e]").click()
    notice(page, "Account 11: closed.")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.keyboard.press("s")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
    page.goto(f"/accounts/{Account.objects.get(name='Account 03').pk}/")
    page.locator("#alerts summary", has_text="Assign").press("Enter")
    page.locator("#alerts button", has_text="Cato Csm").wait_for()
    assert findings(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    page.locator("#alerts button", has_text="Snooze 7 days").press("Enter")
    notice(page, "Account 03: snoozed until")
    assert trouble == []


def test_a_rule_that_fires_for_many_opens_by_keyboard(page: Page, trouble: list[str]) -> None:
    for place in range(21):
        factories.account(f"Pier {place:02}", licences=3)
    few_raised()
    page.goto("/alerts/")
    assert page.locator(".alert-group summary").inner_text().startswith("Few licences: 28 accounts")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator(".alert-group .alerts a").first.wait_for()
    assert findings(page) == []
    page.keyboard.press("j")
    page.keyboard.press("e")
    notice(page, "closed.")
    assert Alert.objects.open().count() == 27
    page.keyboard.press("j")
    page.keyboard.press("x")
    with page.expect_navigation():  # the notice before says the same
        page.keyboard.press("e")
    notice(page, "closed.")
    assert Alert.objects.open().count() == 26
    assert trouble == []


def test_milestones_are_a_board_or_a_table_by_the_room_there_is(page: Page, trouble: list[str]) -> None:
    for name, number in (("Some", 15), ("Many", 18)):
        condition = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": number}]}
        save_milestone(None, name=name, condition=condition)
    look_at_milestones()
    page.goto("/milestones/")
    page.locator(".milestone-board").wait_for()
    assert findings(page) == []
    for name, label, before, after in (
        ("Account 05", "Reset Some", "reached", "pending"), ("Account 00", "Mark reached", "pending", "reached"),
    ):  # fmt: skip
        row = AccountMilestone.objects.get(account__name=name, milestone__key="some")
        assert row.state == before
        card = page.locator(".mcard", has_text=name)
        card.locator("summary", has_text=label).press("Enter")
        card.locator("details[open] input[name=reason]").fill("Told us")
        page.keyboard.press("Enter")
        notice(page, f"{name}: Some")
        row.refresh_from_db()
        assert row.state == after
        page.keyboard.press("Control+z")
        notice(page, "Put back.")
        row.refresh_from_db()
        assert row.state == before
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/milestones/?csm=me")
    page.wait_for_url(re.compile(r"view=table"))
    assert "csm=me" in page.url and findings(page) == []
    page.goto("/milestones/?view=board")
    page.locator(".milestone-board").wait_for()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert trouble == []
