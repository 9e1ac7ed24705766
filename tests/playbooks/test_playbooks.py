"""Playbooks beside what surrounds them: every kind of step, waiting, goals, hands, messages, what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.facts import define_attribute
from accounts.models import Account, AttributeChange, TeamMember
from alerts.editing import save_alert_rule
from alerts.models import AlertRule, Enrolment, Playbook, StepRun, Task
from alerts.playbooks import sending
from alerts.playbooks.editing import Coming, save_playbook, set_playbook_active
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.running import run_playbooks
from alerts.playbooks.sending import GIVE_UP, send_due
from alerts.playbooks.signing import keys_for
from alerts.playbooks.stopping import go_on, stop_enrolments
from alerts.raising import raise_alerts
from alerts.work import doing
from core.fetching import Answer
from core.intake import BadValue
from core.signing import signature
from core.versions import Stale
from health.definition import DefinitionError
from segments.editing import SegmentInUse, delete_segment
from segments.models import Segment
from segments.refresh import refresh_due
from tests import factories
from tests.playbooks.conftest import FEW, START, at, every, has, playbook

TASK = {"kind": "task", "title": "Call {{ account.name }}"}


def entered(name: str = "Harbour", now: Any = None) -> Account:
    """An account that joins the segment now."""
    found = factories.account(name, licences=30)
    has(found, 3, now or at(0))
    return found


def test_a_task_is_for_whoever_plays_the_part_and_is_waited_for(small: Segment, time_machine: Any) -> None:
    csm, other = factories.member(), factories.member()
    playbook(
        TASK | {"role": "csm", "to": other.key, "due": {"days": 2}, "wait": True}, {"kind": "task", "title": "Then"},
        segment=small,
    )  # fmt: skip
    time_machine.move_to(START, tick=False)
    first, second = entered("Harbour"), entered("Quay")
    factories.assign(first, csm)
    run_playbooks(at(0))
    tasks = {task.account: task for task in Task.objects.all()}
    assert {one.assignee for one in tasks.values()} == {csm, other} and tasks[first].assignee == csm
    assert (tasks[first].title, tasks[first].due_on) == ("Call Harbour", dt.date(2026, 3, 4))
    doing.finish([tasks[first]])
    tasks[second].delete()
    run_playbooks(at(1))
    assert Task.objects.filter(title="Then").count() == 2
    assert set(Enrolment.objects.values_list("state", flat=True)) == {"finished"}


def test_delays_count_working_days_and_keep_the_hour(small: Segment) -> None:
    playbook({"kind": "delay", "days": 5, "at": "09:00"}, {"kind": "delay", "hours": 3}, TASK, segment=small)
    entered()
    run_playbooks(at(0))
    assert Enrolment.objects.get().due_at == dt.datetime(2026, 3, 9, 9, tzinfo=dt.UTC)
    run_playbooks(at(7, 8))
    assert Enrolment.objects.get().step == "delay2"
    run_playbooks(at(7, 9))
    assert Enrolment.objects.get().due_at == at(7, 12).now
    run_playbooks(at(7, 13))
    assert Enrolment.objects.get().state == "finished" and Task.objects.count() == 1


def test_the_goal_ends_it_and_calls_off_what_is_open(small: Segment) -> None:
    happy = every({"field": "account.licences", "op": "at_least", "value": 50})
    playbook(TASK | {"wait": True}, segment=small, goal=happy)
    account = entered()
    run_playbooks(at(0))
    has(account, 60, at(1))
    assert run_playbooks(at(1)).ended == 1
    task, enrolment = Task.objects.get(), Enrolment.objects.get()
    assert (enrolment.state, task.state, task.note) == ("goal", "skipped", "The playbook has reached its goal.")
    assert StepRun.objects.get().state == "cancelled"


def test_an_open_alert_brings_an_account_in_once(small: Segment, time_machine: Any) -> None:
    rule = save_alert_rule(None, name="Few", condition=every(FEW))
    refresh_due()
    playbook(TASK, rule=rule, again="always")
    time_machine.move_to(START, tick=False)
    account = entered()
    raise_alerts(at(0))
    for hour in (0, 1):
        run_playbooks(at(0, hour))
    assert [one.account for one in Enrolment.objects.all()] == [account]
    assert Enrolment.objects.get().alert is not None
    AlertRule.objects.all().delete()
    assert Playbook.objects.get().rule is None and run_playbooks(at(1)).entered == 0


def test_hands_bring_in_stop_and_let_go_on(small: Segment, time_machine: Any) -> None:
    time_machine.move_to(START, tick=False)
    made = playbook(TASK | {"wait": True}, TASK)
    account = factories.account("Harbour")
    assert enrol_by_hand(made, [account]) == [account.pk] and enrol_by_hand(made, [account]) == []
    run_playbooks(at(0))
    (stopped,) = stop_enrolments(Enrolment.objects.all())
    assert Task.objects.get().state == "skipped" and run_playbooks(at(1)).steps == 0
    go_on(stopped)
    run_playbooks(at(1))
    assert Enrolment.objects.get().state == "finished" and Task.objects.count() == 2
    with pytest.raises(BadValue):
        go_on(stopped)
    set_playbook_active(made, False)
    with pytest.raises(BadValue, match="switched off"):
        enrol_by_hand(made, [account])


def test_a_webhook_is_tried_again_with_the_same_key_and_then_given_up(
    small: Segment, time_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    playbook({"kind": "webhook", "url": "https://hooks.example/in"}, TASK, segment=small)
    entered()
    time_machine.move_to(START, tick=False)
    keys, answers, (secret,) = [], [503] * GIVE_UP + [200], keys_for("https://hooks.example/in")

    def called(pool: Any, url: str, headers: dict[str, str], body: bytes, **more: Any) -> Answer:
        keys.append(headers["webhook-id"])
        assert headers["webhook-signature"] == signature(secret, keys[-1], int(headers["webhook-timestamp"]), body)
        return Answer(answers.pop(0), {}, "Busy")

    monkeypatch.setattr(sending, "post", called)
    run_playbooks(at(0))
    assert send_due() == 1 and send_due() == 0  # it rests
    for _ in range(GIVE_UP):
        time_machine.shift(dt.timedelta(hours=2))
        send_due()
    assert len(keys) == GIVE_UP and len(set(keys)) == 1
    failed = Enrolment.objects.get()
    assert failed.state == "failed" and "503" in failed.error and not Task.objects.exists()
    go_on(failed)
    send_due()
    run_playbooks()
    assert Enrolment.objects.get().state == "finished" and keys[-1] == keys[0]


def test_an_e_mail_goes_to_each_user_in_the_role_by_itself(small: Segment, time_machine: Any) -> None:
    step = {"kind": "email", "users": "Champion", "subject": "Hello {{ account.name }}", "text": "Welcome."}
    playbook(step, segment=small)
    account = entered()
    for role, email in (("champion", "a@x.example"), ("CHAMPION", "b@x.example"), ("admin", "c@x.example")):
        factories.relationship(account, factories.end_user(email=email), role)
    time_machine.move_to(START, tick=False)
    run_playbooks(at(0))
    send_due()
    assert [one.to for one in mail.outbox] == [["a@x.example"], ["b@x.example"]]
    assert mail.outbox[0].subject == "Hello Harbour"
    assert Enrolment.objects.get().state == "finished"
    assert "@" not in str(StepRun.objects.values())


def test_attributes_are_set_and_cleared_and_only_a_free_part_is_given(small: Segment, time_machine: Any) -> None:
    define_attribute("account", "region", kind="choice", choices=["EMEA", "APAC"])
    first, second = factories.member(), factories.member()
    taken, free = (factories.account(name, licences=30, attributes={"region": "APAC"}) for name in ("Taken", "Free"))
    factories.assign(taken, first)
    playbook(
        {"kind": "set", "field": "custom.region", "value": "EMEA"}, {"kind": "set", "field": "stage", "value": "live"},
        {"kind": "assign", "role": "csm", "to": [second.key], "only_free": True}, {"kind": "delay", "days": 1},
        {"kind": "set", "field": "custom.region", "value": None}, segment=small,
    )  # fmt: skip
    for one in (taken, free):
        has(one, 3, at(1))
    run_playbooks(at(1))
    for one, csm in ((taken, first), (free, second)):
        one.refresh_from_db()
        assert (one.attributes.get("region"), one.stage_id) == ("EMEA", "live")
        assert [held.member for held in one.assignments.filter(role="csm", ended_at=None)] == [csm]
    run_playbooks(at(3))
    for one in (taken, free):
        one.refresh_from_db()
        assert not one.attributes.get("region") and one.stage_id == "live"
    assert set(Enrolment.objects.values_list("state", flat=True)) == {"finished"}
    changes = AttributeChange.objects.filter(object_id=free.pk, key__endswith="region").order_by("pk")
    assert [(one.old, one.new) for one in changes] == [("APAC", "EMEA"), ("EMEA", None)]


def test_a_step_that_cannot_be_taken_fails_and_says_why(small: Segment, time_machine: Any) -> None:
    member = factories.member()
    playbook({"kind": "assign", "role": "csm", "to": [member.key]}, TASK, segment=small)
    time_machine.move_to(START, tick=False)
    member.user.is_active = False
    member.user.save()
    entered()
    run_playbooks(at(0))
    assert "can log in" in Enrolment.objects.get().error
    member.user.is_active = True
    member.user.save()
    go_on(Enrolment.objects.get())
    run_playbooks(at(1))
    assert Enrolment.objects.get().state == "finished"
    assert Account.objects.get(assignments__member=member)


def test_a_playbook_that_cannot_be_read_stands_still_and_the_others_go_on(small: Segment) -> None:
    broken, fine = (playbook(TASK, segment=small, name=name) for name in ("Broken", "Fine"))
    step = {"key": "a", "kind": "set", "field": "custom.gone", "value": 1}
    broken.versions.update(definition={"steps": [step]})
    entered()
    assert run_playbooks(at(0)).stuck == 1
    broken.refresh_from_db()
    assert "custom.gone" in broken.error and fine.enrolments.get().state == "finished"
    with pytest.raises(SegmentInUse, match="playbook “Broken”"):
        delete_segment(small)


def test_bad_definitions_are_refused_with_every_place(small: Segment) -> None:
    def refused(*steps: Any, **more: Any) -> list[tuple[str, str]]:
        with pytest.raises(DefinitionError) as found:
            save_playbook(None, name=more.pop("name", "x"), definition={"steps": list(steps)} | more)
        return [(one.pointer.removeprefix("/definition"), one.code) for one in found.value.problems]

    assert refused() == [("/steps", "required")]
    assert refused({"key": "a", "kind": "dance"}, name=" ") == [
        ("/name", "required"),
        ("/steps/0/kind", "unknown-kind"),
    ]
    assert refused(
        {"key": "a", "kind": "task", "title": "", "due": {"days": -1}, "role": "king", "to": "nobody", "x": 1},
        {"key": "a", "kind": "delay", "days": 1, "at": "25:00", "next": "b"},
        {"key": "b", "kind": "branch", "otherwise": "a", "rule": None},
        {"key": "c", "kind": "set", "field": "account.mrr"},
        {"key": "d", "kind": "set", "field": "stage", "value": "heaven"},
        {"key": "e", "kind": "assign", "role": "csm", "to": []},
        {"key": "f", "kind": "email", "subject": "{{ account.nothing }}", "text": "x", "role": "csm", "users": "y"},
        {"key": "g", "kind": "webhook", "url": "http://x.example"},
        goal={"match": "all", "rules": []},
    ) == [
        ("/steps/1/key", "key-taken"), ("/steps/0/x", "unknown-key"), ("/steps/0/title", "required"),
        ("/steps/0/due/days", "out-of-range"), ("/steps/0/role", "unknown-part"),
        ("/steps/0/to", "unknown-colleague"), ("/steps/1/at", "invalid-time"), ("/steps/2/otherwise", "backwards"),
        ("/steps/2/rule", "empty-group"), ("/steps/3/field", "unknown-field"), ("/steps/4/value", "invalid-value"),
        ("/steps/5/to", "required"), ("/steps/6/subject", "invalid-text"), ("/steps/6/role", "required"),
        ("/steps/7/url", "invalid-url"), ("/goal", "empty-group"),
    ]  # fmt: skip
    made = playbook(TASK)
    with pytest.raises(Stale):
        playbook(TASK, before=made, expected_version=7)
    with pytest.raises(DefinitionError, match="already a playbook"):
        playbook(TASK, name="RESCUE")
    with pytest.raises(DefinitionError, match="how many days"):
        save_playbook(made, name="Rescue", definition=made.definition, coming=Coming(small, again="after"))


def test_over_the_api(small: Segment, time_machine: Any) -> None:
    time_machine.move_to(START, tick=False)
    manager, viewer = (Client() for _ in range(2))
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    viewer.force_login(factories.member(TeamMember.Access.VIEWER).user)
    definition = {"steps": [{"key": "a", **TASK, "wait": True}]}
    sent = {"name": "Rescue", "segment": "small", "definition": definition}
    made = manager.post("/api/v1/playbooks/", sent, "application/json")
    assert made.status_code == 201 and made.json()["entry"] == "segment" and made.json()["version"] == 1
    path = f"/api/v1/playbooks/{made.json()['id']}/"
    assert viewer.post("/api/v1/playbooks/", sent, "application/json").status_code == 403
    match = {"If-Match": made["ETag"]}
    bad = {"definition": {"steps": [{"key": "a", "kind": "dance"}]}}
    wrong = manager.patch(path, bad, "application/json", headers=match)
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["pointer"] == "/definition/steps/0/kind"
    changed = manager.patch(path, {"again": "always"}, "application/json", headers=match)
    assert changed.json()["again"] == "always" and changed.json()["version"] == 1
    account = factories.account("Harbour", external_id="h")
    body = {"accounts": ["h"]}
    assert manager.post(f"{path}enrol/", body, "application/json").json() == {"enrolled": ["h"]}
    assert manager.post(f"{path}enrol/", body, "application/json").json() == {"enrolled": []}
    assert manager.post(f"{path}enrol/", {"accounts": ["z"]}, "application/json").status_code == 400
    run_playbooks(at(0))
    listed = manager.get("/api/v1/enrolments/?state=running&account=h").json()["results"]
    one = manager.get(f"/api/v1/enrolments/{listed[0]['id']}/").json()
    assert one["runs"][0]["state"] == "waiting" and one["runs"][0]["task"] == account.tasks.get().pk
    assert manager.post(f"/api/v1/enrolments/{one['id']}/stop/").json()["state"] == "stopped"
    assert manager.post(f"/api/v1/enrolments/{one['id']}/stop/").status_code == 409
    assert manager.post(f"/api/v1/enrolments/{one['id']}/resume/").json()["state"] == "running"
    assert manager.delete(path, headers={"If-Match": changed["ETag"]}).status_code == 204
