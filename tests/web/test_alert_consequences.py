"""What follows from an alert, in the editor of its rule and over the API and in the back office: who is told, what
begins."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import AssignmentRole, TeamMember
from alerts.channels.editing import save_channel
from alerts.consequences import Consequences, NewTask, consequences_of, save_consequences
from alerts.editing import Assigning, save_alert_rule
from alerts.models import AlertRule, Enrolment, Notice, Playbook, RuleNotices, Task
from alerts.playbooks.running import run_playbooks
from alerts.raising import raise_alerts
from segments.refresh import refresh_segments
from tests import factories
from tests.playbooks.conftest import playbook
from tests.web.reading import text
from tests.web.test_alert_rule_pages import FEW, FORM

pytestmark = pytest.mark.django_db
STEP = {"kind": "delay", "days": 3}


def test_an_alert_tells_whom_the_editor_says_and_begins_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    me, other = factories.member(TeamMember.Access.MANAGER), factories.member()
    client, viewer = Client(), Client()
    client.force_login(me.user)
    viewer.force_login(factories.member(TeamMember.Access.VIEWER).user)
    monkeypatch.setenv("CSBOX_FETCH_ALLOWED", "")
    channel, _ = save_channel(None, name="Risks", kind="slack", address="https://hooks.slack.com/services/T/B/x")
    rescue, by_segment = playbook(STEP), playbook(STEP, name="Grow", segment=factories.segment("Low", FEW["rules"][0]))
    form = client.get("/alerts/rules/new/").content.decode()
    assert f'value="{rescue.key}"' in form and f'value="{by_segment.key}"' not in form and "Risks" in form
    sent = FORM | {
        "hold": "0", "fallback": me.key, "told": [other.key], "channels": [str(channel.pk)],
        "playbooks": [rescue.key], "task": "Call {{ account.name }}", "task_days": "3", "include_existing": "1",
    }  # fmt: skip
    for wrong in ({"playbooks": [by_segment.key]}, {"told": ["nobody"]}, {"channels": ["x"]}, {"task_days": "soon"},
                  {"task": "Call {{ account.nothing }}"}):  # fmt: skip
        refused = client.post("/alerts/rules/new/", sent | wrong)
        assert refused.status_code == 422 and not AlertRule.objects.exists(), wrong
    assert client.post("/alerts/rules/new/", sent).status_code == 302
    rule = AlertRule.objects.get()
    made = consequences_of(rule)
    assert (made.members, made.channels) == ((other,), (channel,))
    assert {one.name for one in made.playbooks} == {"Rescue", "Few licences: task"}
    harbour = factories.account("Harbour", licences=3)
    refresh_segments("hand")
    raise_alerts()
    run_playbooks()
    assert Enrolment.objects.filter(account=harbour, playbook__rule=rule).count() == 2
    assert (Task.objects.get().title, Task.objects.get().assignee) == ("Call Harbour", me)
    assert Notice.objects.filter(member=other).exists() and Notice.objects.filter(channel=channel).exists()
    assert "Also tells" in text(viewer.get(f"/alerts/rules/{rule.pk}/").content.decode())
    again = FORM | {"version": str(rule.version), "playbooks": ["few-licences-task"], "fallback": me.key}
    assert client.post(f"/alerts/rules/{rule.pk}/", again).status_code == 302
    made = consequences_of(rule)
    assert (made.members, made.channels, [one.key for one in made.playbooks]) == ((), (), ["few-licences-task"])
    rescue.refresh_from_db()
    assert (rescue.entry, rescue.rule) == (Playbook.Entry.HAND, None)


def test_over_the_api() -> None:
    manager, other = Client(), factories.member()
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    rescue = playbook(STEP)

    def send(method: str, path: str, data: dict[str, Any], **headers: str) -> Any:
        return getattr(manager, method)(f"/api/v1/alert-rules/{path}", data, "application/json", headers=headers)

    sent = {"name": "Few", "condition": FEW, "members": [other.key], "playbooks": [rescue.key]}
    assert send("post", "", sent | {"channels": [99]}).status_code == 422
    assert send("post", "", sent | {"playbooks": ["gone"]}).status_code == 422 and not AlertRule.objects.exists()
    made = send("post", "", sent)
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["members"], shown["channels"], shown["playbooks"]) == ([other.key], [], [rescue.key])
    kept = send("patch", f"{shown['id']}/", {"severity": "low"}, **{"If-Match": made["ETag"]})
    assert kept.json()["members"] == [other.key] and kept.json()["playbooks"] == [rescue.key]
    none = send("patch", f"{shown['id']}/", {"members": [], "playbooks": []}, **{"If-Match": kept["ETag"]})
    assert none.json()["members"] == [] and none.json()["playbooks"] == []
    assert not RuleNotices.objects.get().members.exists()
    task = {"task": {"title": "Call {{ account.name }}", "days": 3}}
    for wrong in ({"title": ""}, {"title": "Call", "days": 400}, {"title": "{{ account.nothing }}"}, {"days": 2}):
        refused = send("patch", f"{shown['id']}/", {"task": wrong}, **{"If-Match": none["ETag"]})
        assert refused.status_code == 400, wrong
    first = send("patch", f"{shown['id']}/", task, **{"If-Match": none["ETag"]})
    assert first.json()["playbooks"] == ["few-task"] and "task" not in first.json(), first.content
    # Asked for again, also with playbooks that leave it out, it is the one that there is.
    again = send("patch", f"{shown['id']}/", task | {"playbooks": [rescue.key]}, **{"If-Match": first["ETag"]})
    assert sorted(again.json()["playbooks"]) == ["few-task", rescue.key]
    step = Playbook.objects.get(key="few-task").definition["steps"][0]
    assert (step["title"], step["due"]) == ("Call {{ account.name }}", {"days": 3}) and Playbook.objects.count() == 2


def test_a_copy_tells_the_same_and_begins_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    me, other, third = factories.member(TeamMember.Access.MANAGER), factories.member(), factories.member()
    client = Client()
    client.force_login(me.user)
    monkeypatch.setenv("CSBOX_FETCH_ALLOWED", "")
    channel, _ = save_channel(None, name="Risks", kind="slack", address="https://hooks.slack.com/services/T/B/x")
    aim, rescue = factories.segment("Low", FEW["rules"][0]), playbook(STEP)
    rule = save_alert_rule(
        None, name="Few", message="{{ account.name }}", type="Own", severity="low", segments=[aim], condition=FEW,
        clear={"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 9}]},
        hold_days=2, cooldown_days=3, refire="lasting", include_existing=True,
        assigning=Assigning(AssignmentRole.objects.get(key="csm"), (me, other), third),
    )  # fmt: skip
    save_consequences(rule, Consequences((other, third), (channel,), (rescue,)), task=NewTask("Call them", 4))
    shown = client.post(f"/alerts/rules/{rule.pk}/clone/", follow=True).content.decode()
    assert "Its playbooks were copied too." in shown
    copy = AlertRule.objects.exclude(pk=rule.pk).get()
    # Everything of a rule is copied but what says which rule it is, and the switch: a new column must be thought of.
    own = {"id", "name", "name_folded", "active", "watch", "clear_watch", "author", "created_at", "updated_at", "turns",
           "deleted_at", "version"}  # fmt: skip
    for field in AlertRule._meta.fields:
        if field.name not in own:
            assert getattr(copy, field.name) == getattr(rule, field.name), field.name
    for field in AlertRule._meta.many_to_many:
        assert set(getattr(copy, field.name).all()) == set(getattr(rule, field.name).all()) != set(), field.name
    mine, its = consequences_of(rule), consequences_of(copy)
    assert (set(its.members), its.channels) == ({other, third}, (channel,)) and not copy.active
    assert {one.name for one in its.playbooks} == {"Rescue (copy)", "Few: task (copy)"}
    for one, copied in zip(*(sorted(found.playbooks, key=lambda p: p.name) for found in (mine, its)), strict=True):
        assert copied.definition == one.definition and copied.again == one.again and copied.active == one.active
    client.post(f"/undo/{shown.split('/undo/')[1].split('/')[0]}/")
    assert list(AlertRule.objects.all()) == [rule] and Playbook.objects.count() == 2
    # A playbook that nobody can read any more stops the copy as a whole, and the page says why.
    Playbook.objects.filter(pk=rescue.pk).update(definition={"steps": [{"key": "x", "kind": "dance"}]})
    refused = client.post(f"/alerts/rules/{rule.pk}/clone/", follow=True).content.decode()
    assert "Few cannot be cloned: Rescue cannot be copied" in refused and AlertRule.objects.count() == 1


def test_the_back_office_changes_whom_it_tells_and_what_it_starts(admin_client: Client) -> None:
    other, rescue = factories.member(), playbook(STEP)
    by_segment = playbook(STEP, name="Grow", segment=factories.segment("Low", FEW["rules"][0]))
    rule = save_alert_rule(None, name="Few", condition=FEW)
    address = f"/admin/alerts/alertrule/{rule.pk}/change/"
    form = {
        "name": "Few", "type": "Risk", "severity": "high", "active": "on", "hold_days": 0, "cooldown_days": 0,
        "refire": "entry", "condition.match": "all", "condition.0.field": "account.licences",
        "condition.0.op": "at_most", "condition.0.value": "5", "clear.match": "all",
        "told": [other.pk], "playbooks": [rescue.pk], "task": "Call {{ account.name }}", "task_days": "3",
    }  # fmt: skip
    for wrong in ({"told": ["999"]}, {"channels": ["1"]}, {"playbooks": [by_segment.pk]}, {"task_days": "soon"},
                  {"task": "Call {{ account.nothing }}"}, {"message": "{{ account.nothing }}"}):  # fmt: skip
        refused = admin_client.post(address, form | wrong)
        assert refused.status_code == 200 and "errorlist" in refused.content.decode(), wrong
        assert consequences_of(rule) == Consequences(), wrong
    assert admin_client.post(address, form).status_code == 302
    made = consequences_of(rule)
    assert made.members == (other,) and {one.name for one in made.playbooks} == {"Rescue", "Few: task"}
    shown = admin_client.get(address).content.decode()
    ticked = re.findall(r'<input type="checkbox" name="(told|channels|playbooks)" value="(\d+)"[^>]*checked', shown)
    assert {(name, int(pk)) for name, pk in ticked} == {
        ("told", other.pk), *(("playbooks", one.pk) for one in made.playbooks)
    } and "Grow" not in shown  # fmt: skip
    added = admin_client.post("/admin/alerts/alertrule/add/", form | {"name": "Other", "playbooks": [], "task": ""})
    assert added.status_code == 302 and consequences_of(AlertRule.objects.get(name="Other")).members == (other,)
    assert admin_client.post(address, form | {"told": [], "playbooks": [], "task": ""}).status_code == 302
    assert consequences_of(rule) == Consequences()
