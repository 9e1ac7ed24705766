"""Playbooks that begin when an account has reached a milestone, or is late with it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.marking import mark_reached, reset
from alerts.milestones.reaching import reach_for
from alerts.models import Enrolment, Milestone
from alerts.playbooks.running import run_playbooks
from segments.models import RefreshRun
from segments.refresh import refresh_segments
from tests import factories
from tests.playbooks.conftest import START, at, every, has, playbook

pytestmark = pytest.mark.django_db
TASK = {"kind": "task", "title": "Call"}
MANY = every({"field": "account.licences", "op": "at_least", "value": 10})


@pytest.fixture
def rolled_out(time_machine: Any) -> Milestone:
    """Ten licences within three days of the account's start, which no account has yet."""
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    return save_milestone(None, name="Rolled out", condition=MANY, expected=Expected(3))


def day(number: int, time_machine: Any) -> None:
    """A daily refresh, milestones, then playbooks."""
    now = at(number, 1)
    time_machine.move_to(now.now, tick=False)
    refresh_segments(RefreshRun.Trigger.DAILY, now)
    reach_for(now)
    run_playbooks(now)


def customer(name: str, licences: int, began: int = 0) -> Account:
    """An account that began on a day, counted from the start."""
    since = (START + dt.timedelta(days=began)).date()
    return factories.account(name, licences=licences, customer_since=since)


def inside(of: Account) -> list[str]:
    return list(Enrolment.objects.filter(account=of).order_by("pk").values_list("state", flat=True))


def test_reaching_brings_in_once_and_what_is_there_only_if_asked(rolled_out: Milestone, time_machine: Any) -> None:
    early, late = customer("Early", 20), customer("Late", 1)
    day(0, time_machine)
    new_only = playbook(TASK, milestone=rolled_out, name="New ones")
    playbook(TASK, milestone=rolled_out, existing=True, name="All of them")
    day(1, time_machine)
    assert inside(early) == ["finished"] and inside(late) == []
    has(late, 15, at(2))
    day(2, time_machine)
    day(3, time_machine)
    assert inside(early) == ["finished"] and inside(late) == ["finished", "finished"]
    assert {one.milestone_change.kind for one in Enrolment.objects.filter(account=late)} == {"reached"}
    assert not Enrolment.objects.filter(playbook=new_only, account=early).exists()


def test_being_late_brings_in_and_a_new_definition_does_not(rolled_out: Milestone, time_machine: Any) -> None:
    slow, old = customer("Slow", 1, began=0), customer("Old", 1, began=-30)
    day(0, time_machine)
    playbook(TASK, milestone=rolled_out, overdue=True)
    day(1, time_machine)
    assert inside(slow) == inside(old) == []
    day(4, time_machine)
    assert inside(slow) == ["finished"] and inside(old) == []
    other = customer("Other", 1, began=3)
    save_milestone(rolled_out, name="Rolled out", condition=MANY, expected=Expected(1))
    day(5, time_machine)
    assert inside(other) == [] and inside(slow) == ["finished"]


def test_one_that_a_person_marks_comes_in_and_again_after_a_reset(rolled_out: Milestone, time_machine: Any) -> None:
    account = customer("Harbour", 1)
    day(0, time_machine)
    playbook(TASK, milestone=rolled_out, again="always")
    time_machine.move_to(at(1).now, tick=False)
    mark_reached(rolled_out, [account], reason="They said so")
    day(1, time_machine)
    assert inside(account) == ["finished"]
    time_machine.move_to(at(2).now, tick=False)
    reset(rolled_out, [account], reason="A mistake")
    day(2, time_machine)
    assert inside(account) == ["finished"]
    time_machine.move_to(at(3).now, tick=False)
    mark_reached(rolled_out, [account], reason="Now they have")
    day(3, time_machine)
    assert inside(account) == ["finished", "finished"]


def test_over_the_api(rolled_out: Milestone) -> None:
    manager, address = Client(), "/api/v1/playbooks/"
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    body = {"name": "Late", "milestone": "rolled-out", "overdue": True, "definition": {"steps": [TASK | {"key": "a"}]}}
    made = manager.post(address, body, "application/json")
    assert made.status_code == 201, made.content
    found = made.json()
    assert (found["entry"], found["milestone"], found["overdue"]) == ("overdue", "rolled-out", True)
    unknown = manager.post(address, body | {"name": "Both", "milestone": "nothing"}, "application/json")
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["pointer"] == "/milestone"
    sent = {"If-Match": made["ETag"]}
    changed = manager.patch(f"{address}{found['id']}/", {"overdue": False}, "application/json", headers=sent)
    assert changed.status_code == 200 and changed.json()["entry"] == "reached"
