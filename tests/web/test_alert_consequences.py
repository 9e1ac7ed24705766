"""What follows from an alert, in the editor of its rule and over the API: who is told, what begins."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import TeamMember
from alerts.channels.editing import save_channel
from alerts.consequences import consequences_of
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
