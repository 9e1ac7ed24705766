"""Tasks by keyboard, and the editor of a playbook by keyboard and by dragging."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from accounts.models import Account, TeamMember
from alerts.models import Playbook, Task
from alerts.playbooks.editing import save_playbook
from alerts.work.doing import add_task
from core.clock import moment
from tests.browser.conftest import focused, notice, until
from tests.browser.judging import findings

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
    page.wait_for_load_state()  # the keys are heard once the scripts have run
    page.keyboard.press("2")
    notice(page, "Write: due in a week.")
    assert Task.objects.get(title="Write").due_on == today + dt.timedelta(days=7)
    page.keyboard.press("e")
    notice(page, "done.")
    page.keyboard.press("Control+z")
    notice(page, "1 task put back.")
    assert Task.objects.open().count() == 2

    steps = [{"key": key, "kind": "task", "title": key} for key in ("one", "two", "three")]
    book = save_playbook(None, name="Rescue", definition={"steps": steps})
    page.goto(f"/playbooks/{book.pk}/edit/")
    assert findings(page) == []
    page.locator("#down-s0").press("Enter")
    until(page, "document.querySelector('[name=\"s0.key\"]').value === 'two'")
    focused(page, "#down-s1")
    page.locator("#step-s2 [data-drag]").hover()
    page.mouse.down()
    for target in ("#step-s1 h3", "#step-s0 h3", "#step-s0 h3"):
        page.locator(target).hover()
    page.mouse.up()
    until(page, "document.querySelector('[name=\"s0.key\"]').value === 'three'")
    page.keyboard.press("Control+s")
    notice(page, "Rescue saved, version 2.")
    kept = Playbook.objects.get().definition["steps"]
    assert [one["key"] for one in kept] == ["three", "two", "one"]
    assert trouble == []
