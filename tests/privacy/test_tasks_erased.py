"""Tasks and playbooks when a person or an account is erased."""

from __future__ import annotations

import pytest

from accounts.privacy.erasing import continue_erasures, request_erasure
from alerts.models import Enrolment, StepRun, Task
from alerts.playbooks.editing import save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.running import run_playbooks
from alerts.work.doing import add_task, finish
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_person_is_taken_out_of_tasks_and_an_account_goes_with_them() -> None:
    account = factories.account("Harbour", external_id="h")
    bob = factories.end_user("Bob Brandt", external_id="bob-7731", email="bob@x.example")
    factories.relationship(account, bob)
    long = "Bob Brandt " * 18
    task = add_task(account, long, text="Write to bob@x.example")
    finish([task], note="bob-7731 agreed.")
    step = {"key": "a", "kind": "task", "title": "Call {{ account.name }}"}
    book = save_playbook(None, name="Rescue", definition={"steps": [step]})
    enrol_by_hand(book, [account])
    run_playbooks()
    request_erasure("user", "bob-7731", by="ann")
    continue_erasures()
    task.refresh_from_db()
    said = f"{task.title} {task.text} {task.note}"
    assert "Bob" not in said and "bob" not in said and "agreed" in said and len(task.title) <= 200
    request_erasure("account", "h", by="ann")
    continue_erasures()
    assert not (Task.objects.exists() or Enrolment.objects.exists() or StepRun.objects.exists())
