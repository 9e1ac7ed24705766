"""Tasks that are done by themselves when their account has reached a milestone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.milestones.editing import MilestoneInUse, delete_milestone, save_milestone
from alerts.milestones.marking import mark_reached, reset, undo
from alerts.models import Enrolment, Milestone, Notice, Playbook, StepRun, Task
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.running import run_playbooks
from alerts.playbooks.stopping import go_on, stop_enrolments
from alerts.playbooks.versions import restore_version, versions_of
from alerts.work import doing
from health.definition import DefinitionError
from segments.questions import Reader
from tests import factories
from tests.playbooks.conftest import START, at, every, playbook
from tests.playbooks.test_by_milestone import customer, day
from tests.playbooks.test_killed import Killed, Killer
from tests.web.reading import text as read

pytestmark = pytest.mark.django_db
LIVE = {"kind": "task", "title": "Go live", "done_when": "live", "wait": True}
THEN = {"kind": "task", "title": "Then"}


@pytest.fixture
def live(time_machine: Any) -> Milestone:
    """Ten licences, and it can be lost again."""
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    many = every({"field": "account.licences", "op": "at_least", "value": 10})
    return save_milestone(None, name="Live", condition=many, sticky=False)


def licences(account: Account, number: int, when: int, time_machine: Any) -> None:
    """The account has so many from a day on, which is a day of work."""
    Account.objects.filter(pk=account.pk).update(licences=number)
    day(when, time_machine)


def inside(book: Playbook, name: str = "Harbour", number: int = 1) -> Account:
    """An account that was brought into a playbook."""
    made = customer(name, number)
    enrol_by_hand(book, [made])
    return made


def text(client: Client, path: str) -> str:
    """The words of a page."""
    return read(client.get(path).content.decode())


def open_tasks() -> list[str]:
    """The titles of those that are still to do."""
    return sorted(Task.objects.open().values_list("title", flat=True))


def test_reaching_it_does_the_task_once_and_lets_the_playbook_go_on(live: Milestone, time_machine: Any) -> None:
    account = inside(playbook(LIVE, THEN))
    day(0, time_machine)
    day(1, time_machine)
    assert open_tasks() == ["Go live"]
    licences(account, 12, 2, time_machine)
    task = Task.objects.get(title="Go live")
    assert (task.state, task.done_at, task.done_by, task.outcome) == ("done", at(2, 1).now, None, "")
    assert task.note == "The account reached “Live” on 4 Mar 2026."
    assert open_tasks() == ["Then"] and Enrolment.objects.get().state == "finished"
    licences(account, 3, 3, time_machine)
    licences(account, 12, 4, time_machine)
    assert Task.objects.get(title="Go live").done_at == at(2, 1).now and Task.objects.count() == 2


def test_one_that_was_reached_before_is_done_at_once_and_nobody_is_told(live: Milestone, time_machine: Any) -> None:
    csm = factories.member()
    book = playbook(LIVE | {"to": csm.key}, THEN)
    early, lost, new = (inside(book, name, number) for name, number in (("Early", 20), ("Lost", 20), ("New", 1)))
    for one in (early, lost, new):
        Enrolment.objects.filter(account=one).update(due_at=at(2).now)
    day(0, time_machine)
    licences(lost, 3, 1, time_machine)
    day(2, time_machine)
    assert list(Task.objects.open().filter(title="Go live").values_list("account__name", flat=True)) == ["Lost", "New"]
    done = Task.objects.get(title="Go live", account=early)
    assert done.note == "The account reached “Live” on or before 2 Mar 2026." and done.done_at == at(2, 1).now
    assert StepRun.objects.get(task=done).text == f"Nobody need do it. {done.note}"
    assert Enrolment.objects.get(account=early).state == "finished"
    assert sorted(Notice.objects.filter(member=csm).values_list("account__name", flat=True)) == ["Lost", "New"]


def test_what_a_person_opened_again_waits_until_it_is_reached_anew(live: Milestone, time_machine: Any) -> None:
    account = inside(playbook(LIVE, THEN))
    licences(account, 12, 0, time_machine)
    task = Task.objects.get(title="Go live")
    time_machine.move_to(at(1).now, tick=False)
    before = doing.reopen([task])
    day(1, time_machine)
    assert "Go live" in open_tasks()
    doing.undo(before)
    task.refresh_from_db()
    assert task.state == "done" and task.reopened_at is None
    doing.reopen([task])
    licences(account, 3, 2, time_machine)
    assert "Go live" in open_tasks()
    licences(account, 12, 3, time_machine)
    task.refresh_from_db()
    assert task.done_at == at(3, 1).now and task.note.startswith("The account reached “Live” on 5 Mar 2026.")


def test_marks_of_people_count_and_undoing_or_resetting_them_opens_nothing(live: Milestone, time_machine: Any) -> None:
    account = inside(playbook(LIVE))
    day(0, time_machine)
    time_machine.move_to(at(1).now, tick=False)
    before = mark_reached(live, [account], reason="They said so")
    assert run_playbooks(at(1)).accounts == {account.pk} and run_playbooks(at(1)).accounts == set()
    assert open_tasks() == []
    undo(before)
    reset(live, [account], reason="A mistake")
    day(2, time_machine)
    assert open_tasks() == [] and Enrolment.objects.get().state == "finished"


def test_a_playbook_that_is_switched_off_or_stopped(live: Milestone, time_machine: Any) -> None:
    book = playbook(LIVE, THEN)
    off, stopped = inside(book), inside(book, "Quay")
    day(0, time_machine)
    stop_enrolments(Enrolment.objects.filter(account=stopped))
    Playbook.objects.update(active=False)
    licences(off, 12, 1, time_machine)
    licences(stopped, 12, 1, time_machine)
    assert dict(Task.objects.values_list("account__name", "state")) == {"Harbour": "done", "Quay": "skipped"}
    Playbook.objects.update(active=True)
    go_on(Enrolment.objects.get(account=stopped))
    day(2, time_machine)
    assert set(Enrolment.objects.values_list("state", flat=True)) == {"finished"} and Task.objects.count() == 4


def test_a_milestone_that_a_step_names_stays_and_an_unknown_one_is_told(live: Milestone, time_machine: Any) -> None:
    with pytest.raises(DefinitionError) as refused:
        playbook(LIVE | {"done_when": "gone"})
    (problem,) = refused.value.problems
    assert (problem.pointer, problem.code) == ("/definition/steps/0/done_when", "unknown-milestone")
    assert problem.allowed == ("live",)
    book = playbook(LIVE)
    account = inside(book)
    run_playbooks(at(0))
    changed = playbook(THEN, before=book)
    with pytest.raises(MilestoneInUse, match="used by playbook “Rescue”"):  # by the version that somebody is in
        delete_milestone(live)
    newest, first = versions_of(changed, Reader.now())
    assert first.changes == [] and "done when it reaches “Live”; wait" in newest.changes[0].words
    stop_enrolments(Enrolment.objects.all())
    task = Task.objects.get()
    doing.reopen([task])
    delete_milestone(live)
    assert run_playbooks(at(1)).accounts == set() and Task.objects.get(account=account).done_when is None
    with pytest.raises(DefinitionError, match="There is no milestone “live”"):
        restore_version(changed, 1)


def test_who_is_in_it_goes_on_under_their_version(live: Milestone, time_machine: Any) -> None:
    book = playbook(LIVE)
    old = inside(book)
    day(0, time_machine)
    playbook({name: value for name, value in LIVE.items() if name != "done_when"}, before=book)
    new = inside(book, "Quay")
    day(1, time_machine)
    for one in (old, new):
        licences(one, 12, 2, time_machine)
    assert open_tasks() == ["Go live"] and Task.objects.open().get().account == new


def test_a_worker_killed_anywhere_does_it_once(live: Milestone, time_machine: Any) -> None:
    book = playbook(LIVE, THEN)
    accounts = [inside(book), inside(book, "Quay")]
    day(0, time_machine)
    mark_reached(live, accounts, reason="They said so")
    kills = 0
    for last in range(3, 400, 3):  # each time three statements later, until one run gets to its end
        with connection.execute_wrapper(Killer(last)):
            try:
                run_playbooks(at(1))
                break
            except Killed:
                kills += 1
    assert kills > 3 and run_playbooks(at(1)).steps == 0
    assert not Task.objects.filter(title="Go live").exclude(state="done").exists()
    assert Task.objects.filter(title="Then").count() == StepRun.objects.filter(step="task2").count() == 2
    assert {one.state for one in Enrolment.objects.all()} == {"finished"}


def test_over_the_api_and_on_the_task_and_the_timeline(live: Milestone, time_machine: Any) -> None:
    manager, address = Client(), "/api/v1/playbooks/"
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    body: dict[str, Any] = {"name": "Onboard", "definition": {"steps": [LIVE | {"key": "a"}]}}
    made = manager.post(address, body, "application/json")
    assert made.status_code == 201 and made.json()["definition"]["steps"][0]["done_when"] == "live"
    wrong = {"name": "Other", "definition": {"steps": [LIVE | {"key": "a", "done_when": "dead"}]}}
    refused = manager.post(address, wrong, "application/json")
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/definition/steps/0/done_when"
    account = inside(Playbook.objects.get())
    day(0, time_machine)
    task = Task.objects.get()
    page = f"/tasks/?who=everybody&task={task.pk}"
    assert "the account reaches" in text(manager, page)
    assert manager.get(f"/api/v1/tasks/{task.pk}/").json()["done_when"] == "live"
    licences(account, 12, 1, time_machine)
    said = "The account reached “Live” on 3 Mar 2026."
    shown = manager.get(f"/api/v1/tasks/{task.pk}/").json()
    assert (shown["state"], shown["note"], shown["done_by"]) == ("done", said, None)
    assert said in text(manager, f"{page}&view=done") and "the account reaches" not in text(manager, page)
    timeline = text(manager, f"/accounts/{account.pk}/")
    assert "Task done: Go live" in timeline and said in timeline
