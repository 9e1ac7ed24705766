"""Versions of milestones: what changed in words, and going back, on the page and over the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import TeamMember
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.versions import restore_version, versions_of
from alerts.models import Milestone
from segments.editing import delete_segment
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from tests import factories
from tests.alerts.making import FEW, MANY
from tests.web.reading import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def paying() -> Segment:
    """Whom the second version aims at."""
    return factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 1})


@pytest.fixture
def changed(paying: Segment) -> Milestone:
    """A milestone with three versions."""
    made = save_milestone(None, name="Rolled out", condition=MANY, expected=Expected(14))
    counted = Expected(None, Milestone.Start.FIELD, "account.renews_on")
    save_milestone(made, name="Rolled out", condition=FEW, segments=[paying], expected=counted, sticky=False)
    return save_milestone(made, name="Rolled out", condition=FEW, expected=counted, sticky=False, reason="Everybody")


@pytest.fixture
def client_of() -> Callable[[str], Client]:
    """The client of a colleague with some access."""

    def login(access: str) -> Client:
        client = Client()
        client.force_login(factories.member(access).user)
        return client

    return login


def test_what_changed_is_told_in_words(changed: Milestone) -> None:
    newest, second, first = versions_of(changed, Reader.now())
    assert first.changes == [] and [one.words for one in newest.changes] == ["For: Paying → all accounts"]
    assert [(one.kind, one.words) for one in second.changes] == [
        ("changed", "Licences is at least 10 → Licences is at most 5"),
        ("changed", "For: all accounts → Paying"),
        ("changed", "Expected within: 14 days → whenever"),
        ("changed", "Counted from: The start of the account → Renewal date"),
        ("changed", "Once reached: it stays reached → it can be lost"),
    ]
    assert [one.version.number for one in versions_of(changed, Reader.now(), [2])] == [2]


def test_a_version_is_restored_and_that_undone_on_the_page(
    changed: Milestone, client_of: Callable[[str], Client]
) -> None:
    manager, viewer = client_of(TeamMember.Access.MANAGER), client_of(TeamMember.Access.VIEWER)
    path = f"/milestones/{changed.key}/versions/"
    page = text(manager.get(path).content.decode())
    assert "Version 3 In use" in page and "Reason: Everybody" in page and "Restore version 1" in page
    assert f'href="{path}"' in manager.get(f"/milestones/{changed.key}/").content.decode()
    assert "Restore version" not in text(viewer.get(path).content.decode())
    assert viewer.post(f"{path}1/restore/").status_code == 403
    back = manager.post(f"{path}1/restore/", follow=True).content.decode()
    assert "Version 1 restored as version 4. Its accounts are being looked at." in text(back)
    changed.refresh_from_db()
    assert (changed.condition, changed.expected_days, changed.sticky) == (MANY, 14, True)
    token = back.split("/undo/")[1].split("/")[0]
    assert "Version 3 is in use again, as version 5." in text(
        manager.post(f"/undo/{token}/", follow=True).content.decode()
    )


def test_a_version_for_a_segment_that_is_gone_is_not_restored_for_everybody(
    changed: Milestone, paying: Segment
) -> None:
    delete_segment(paying)
    with pytest.raises(RuleError, match="There is no segment “paying”"):
        restore_version(changed, 2)


@pytest.mark.parametrize(("kind", "named"), [("milestones", "key"), ("alert-rules", "id")])
def test_versions_are_read_and_restored_over_the_api(
    changed: Milestone, client_of: Callable[[str], Client], kind: str, named: str
) -> None:
    manager, viewer = client_of(TeamMember.Access.MANAGER), client_of(TeamMember.Access.VIEWER)
    body = {"name": "Few licences", "condition": FEW}
    at = f"/api/v1/{kind}/{manager.post(f'/api/v1/{kind}/', body, 'application/json').json()[named]}/"
    etag = manager.get(at)["ETag"]
    manager.patch(at, {"condition": MANY, "reason": "More"}, "application/json", headers={"if-match": etag})
    found = viewer.get(f"{at}versions/").json()["results"]
    assert [(one["number"], one["reason"], len(one["changes"])) for one in found] == [(2, "More", 1), (1, "", 0)]
    assert found[1]["definition"]["condition"] == FEW
    again = f"{at}versions/1/restore/"
    assert manager.post(again).status_code == 428
    present = {"if-match": manager.get(at)["ETag"]}
    assert viewer.post(again, headers=present).status_code == 403
    assert manager.post(f"{at}versions/9/restore/", headers=present).status_code == 404
    restored = manager.post(again, headers=present)
    assert (restored.status_code, restored.json()["version"], restored.json()["condition"]) == (200, 3, FEW)
