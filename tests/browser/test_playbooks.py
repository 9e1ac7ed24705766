"""Tasks by keyboard, and the editor of a playbook by keyboard and by dragging."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from accounts.models import Account, TeamMember
from alerts.models import Playbook, Task
from alerts.playbooks.editing import save_playbook
from alerts.work.doing import add_task
from core.clock import moment
from tests.browser.conftest import until
from tests.browser.test_quality import findings

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_tasks_and_the_steps_of_a_playbook(page: Page, trouble: list[str]) -> None:
    page.set_default_timeout(30_000)
    mona, today = TeamMember.objects.get(name="Mona Manager"), moment().today
    account = Account.objects.get(name="Account 03")
    for title in ("Call", "Write"):
        add_task(account, title, assignee=mona, due_on=today)
    page.goto("/tasks/")
    assert findings(page) == []
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#task-h", has_text="Write").wait_for()
    page.keyboard.press("2")
    page.locator("#notices .notice", has_text="Write: due in a week.").wait_for()
    assert Task.objects.get(title="Write").due_on == today + dt.timedelta(days=7)
    page.keyboard.press("e")
    page.locator("#notices .notice", has_text="done.").wait_for()
    page.keyboard.press("Control+z")
    page.locator("#notices .notice", has_text="1 task put back.").wait_for()
    assert Task.objects.open().count() == 2

    steps = [{"key": key, "kind": "task", "title": key} for key in ("one", "two", "three")]
    book = save_playbook(None, name="Rescue", definition={"steps": steps})
    page.goto(f"/playbooks/{book.pk}/edit/")
    assert findings(page) == []
    page.locator("#down-s0").press("Enter")
    until(page, "document.querySelector('[name=\"s0.key\"]').value === 'two'")
    assert page.evaluate("document.activeElement.id") == "down-s1"
    page.locator("#step-s2 [data-drag]").hover()
    page.mouse.down()
    for target in ("#step-s1 h3", "#step-s0 h3", "#step-s0 h3"):
        page.locator(target).hover()
    page.mouse.up()
    until(page, "document.querySelector('[name=\"s0.key\"]').value === 'three'")
    page.keyboard.press("Control+s")
    page.locator("#notices .notice", has_text="Rescue saved, version 2.").wait_for()
    kept = Playbook.objects.get().definition["steps"]
    assert [one["key"] for one in kept] == ["three", "two", "one"]
    assert trouble == []
