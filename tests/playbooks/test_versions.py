"""Versions of playbooks: what changed in words, and going back, on the page, over the API and in the back office."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import TeamMember
from alerts.models import Playbook
from alerts.playbooks.versions import versions_of
from segments.questions import Reader
from tests import factories
from tests.playbooks.conftest import FEW, every, playbook
from tests.web.reading import text

pytestmark = pytest.mark.django_db
CALL = {"kind": "task", "title": "Call them", "text": "Be kind."}
MANY = {"field": "account.licences", "op": "at_least", "value": 50}


@pytest.fixture
def changed() -> Playbook:
    """A playbook with three versions."""
    first = playbook(CALL, {"kind": "delay", "days": 3}, goal=every(MANY))
    steps: list[dict[str, Any]] = [
        {"key": "delay2", "kind": "delay", "days": 5},
        {"key": "task1", **CALL, "text": "Be brief."},
        {"key": "last", "kind": "branch", "rule": every(FEW)},
    ]
    second = playbook(*steps, before=first, goal=every(MANY | {"value": 60}), exit=every(FEW), reason="Too slow")
    return playbook(steps[1], before=second, goal=None)


def test_what_changed_is_told_step_by_step(changed: Playbook) -> None:
    newest, second, first = versions_of(changed, Reader.now())
    assert first.changes == []
    told = [(one.kind, one.words) for one in second.changes]
    assert told == [
        ("changed", "delay2: Wait 3 working days. → Wait 5 working days."),
        ("changed", "task1: Task “Call them” for nobody yet. (the text)"),
        ("added", "last: If Licences is at most 5: go on. Otherwise end."),
        ("regrouped", "the order of the steps: delay2, task1"),
        ("changed", "Goal: Licences is at least 50 → Licences is at least 60"),
        ("added", "Leaves when: Licences is at most 5"),
    ]
    assert [one.kind for one in newest.changes] == ["removed"] * 4
    changed.versions.filter(number=2).update(
        definition={"steps": [{"key": "gone", "kind": "set", "field": "custom.gone", "value": 1}]}
    )
    (told_again,) = versions_of(changed, Reader.now(), [2])
    assert any("cannot be read any more" in one.words for one in told_again.changes)


def test_restoring_is_a_version_of_its_own_and_can_be_undone(changed: Playbook) -> None:
    manager, viewer = Client(), Client()
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    viewer.force_login(factories.member(TeamMember.Access.VIEWER).user)
    path = f"/playbooks/{changed.pk}/versions/"
    page = text(manager.get(path).content.decode())
    assert "Version 3 In use" in page and "Reason: Too slow" in page and "Restore version 1" in page
    assert "Restore version" not in text(viewer.get(path).content.decode())
    assert viewer.post(f"{path}1/restore/").status_code == 403
    back = manager.post(f"{path}1/restore/", follow=True).content.decode()
    assert "Version 1 restored as version 4." in text(back)
    changed.refresh_from_db()
    assert changed.definition["steps"][0]["text"] == "Be kind." and changed.version == 4
    token = back.split("/undo/")[1].split("/")[0]
    assert "in use again, as version 5" in text(manager.post(f"/undo/{token}/", follow=True).content.decode())
    assert "Nothing was changed." in text(manager.post(f"{path}3/restore/", follow=True).content.decode())
    assert "has no version 9" in text(manager.post(f"{path}9/restore/", follow=True).content.decode())
    changed.versions.filter(number=1).update(definition={"steps": []})
    refused = text(manager.post(f"{path}1/restore/", follow=True).content.decode())
    assert "Version 1 cannot be restored: A playbook needs at least one step." in refused


def test_over_the_api_and_in_the_back_office(changed: Playbook, admin_client: Client) -> None:
    manager = Client()
    manager.force_login(factories.member(TeamMember.Access.MANAGER).user)
    path = f"/api/v1/playbooks/{changed.pk}/"
    listed = manager.get(f"{path}versions/").json()["results"]
    assert [one["number"] for one in listed] == [3, 2, 1] and listed[1]["changes"][0]["kind"] == "changed"
    match = {"If-Match": manager.get(path)["ETag"]}
    restored = manager.post(f"{path}versions/1/restore/", headers=match)
    assert restored.status_code == 200 and restored.json()["version"] == 4
    assert manager.post(f"{path}versions/2/restore/", headers=match).status_code == 412
    match = {"If-Match": restored["ETag"]}
    assert manager.post(f"{path}versions/99/restore/", headers=match).status_code == 404
    rows = changed.versions.filter(number=2)
    sent = {"action": "restore", "_selected_action": [str(rows.get().pk)]}
    said = admin_client.post("/admin/alerts/playbookversion/", sent, follow=True)
    assert "restored as version 5" in said.content.decode()
    both = sent | {"_selected_action": [str(pk) for pk in changed.versions.values_list("pk", flat=True)[:2]]}
    said = admin_client.post("/admin/alerts/playbookversion/", both, follow=True)
    assert "Choose one version" in said.content.decode()
