"""Did it work?, on the page of a playbook and of a segment, and over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import TeamMember
from alerts.comparing.running import work
from alerts.comparing.starting import start_comparison
from alerts.models import Comparison
from tests import factories
from tests.comparing.conftest import CAME, PAIRS, World
from tests.web.reading import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> tuple[Client, Client]:
    """A manager and a viewer."""
    found = Client(), Client()
    for client, access in zip(found, (TeamMember.Access.MANAGER, TeamMember.Access.VIEWER), strict=True):
        client.force_login(factories.member(access).user)
    return found


def test_a_comparison_is_started_watched_and_read_on_the_page(world: World, people: tuple[Client, Client]) -> None:
    manager, viewer = people
    path = f"/playbooks/{world.playbook.pk}/worked/"
    empty = manager.get(path).content.decode()
    assert "Nothing was compared yet" in empty and f'name="first_day" value="{CAME}"' in empty
    asked = {"first_day": CAME.isoformat(), "among": "", "milestone": "", "caliper": "0.25", "uses": "1"}
    late = manager.post(path, asked | {"first_day": "2026-06-09", "uses": "4"})
    assert late.status_code == 422 and 'value="4"' in late.content.decode()
    assert "known after 30 days" in text(late.content.decode())
    for wrong in ({"uses": "x"}, {"caliper": "wide"}, {"caliper": "0.3"}, {"among": "gone"}, {"first_day": ""}):
        assert manager.post(path, asked | wrong).status_code == 422, wrong
    assert viewer.post(path, asked).status_code == 403
    started = manager.post(path, asked)
    made = Comparison.objects.get()
    assert started["Location"] == f"{path}?report={made.pk}"
    part = {"HX-Request": "true"}
    assert manager.get(f"/comparisons/{made.pk}/", headers=part).status_code == 200
    assert "Waiting for the background worker" in text(manager.get(path).content.decode())
    work(made.pk)
    over = manager.get(f"/comparisons/{made.pk}/", headers=part)
    assert over.status_code == 286 and over["HX-Refresh"] == "true"
    assert manager.get(f"/comparisons/{made.pk}/")["Location"] == started["Location"]
    shown = text(viewer.get(path).content.decode())
    assert f"{PAIRS} accounts came in for the first time" in shown and "no experiment" in shown
    made.refresh_from_db()
    health = next(one for one in made.report["outcomes"] if one["key"] == "health" and one["days"] == 30)
    assert f"{health['came'] - health['beside']:+.1f} points" in shown
    assert "Compare again" not in shown and "in-00" in shown and "by-00" in shown
    assert "The comparison was cancelled." not in shown
    again = start_comparison(world.playbook, first_day=CAME)
    assert viewer.post(f"/comparisons/{again.pk}/cancel/").status_code == 403
    assert manager.post(f"/comparisons/{again.pk}/cancel/")["Location"].endswith(f"report={again.pk}")
    assert "Nothing was kept of it" in text(manager.get(path).content.decode())
    assert "What it says" in text(manager.get(f"{path}?report={made.pk}").content.decode())


def test_sides_that_are_not_alike_are_told_before_any_difference(world: World, people: tuple[Client, Client]) -> None:
    manager, _ = people
    made = start_comparison(world.playbook, first_day=CAME)
    work(made.pk)
    made.refresh_from_db()
    made.report["balance"][0]["after"] = 0.4
    made.save()
    shown = text(manager.get(f"/playbooks/{world.playbook.pk}/worked/").content.decode())
    assert "The sides are not alike in health score. Do not take a difference below" in shown


def test_a_segment_has_the_page_too_and_one_of_users_has_none(world: World, people: tuple[Client, Client]) -> None:
    manager, _ = people
    segment = factories.segment("Coached", {"field": "account.mrr", "op": "at_least", "value": 10**9})
    users = factories.segment("People", {"field": "user.name", "op": "is", "value": "x"}, subject="user")
    assert "No account has come in yet" in text(manager.get(f"/segments/{segment.pk}/worked/").content.decode())
    assert manager.get(f"/segments/{users.pk}/worked/").status_code == 404
    assert f"/segments/{segment.pk}/worked/" in manager.get(f"/segments/{segment.pk}/versions/").content.decode()
    made = start_comparison(segment, first_day=CAME)
    work(made.pk)
    shown = text(manager.get(f"/segments/{segment.pk}/worked/").content.decode())
    assert "Nothing can be said. No account came in for the first time" in shown


def test_over_the_api(world: World, people: tuple[Client, Client]) -> None:
    manager, viewer = people

    def post(path: str, data: Any = None, by: Client = manager) -> Any:
        return by.post(f"/api/v1/comparisons/{path}", data, "application/json")

    asked = {"playbook": world.playbook.key, "first_day": CAME.isoformat(), "caliper": "0.50", "uses": 2}
    made = post("", asked)
    assert made.status_code == 201 and made.json()["caliper"] == "0.50" and made.json()["state"] == "running"
    pk = made.json()["id"]
    work(pk)
    report = viewer.get(f"/api/v1/comparisons/{pk}/").json()["report"]
    assert report["matched"] == PAIRS and {"in-00", "by-00"} <= {row[0] for row in report["sets"]}
    assert len(manager.get(f"/api/v1/comparisons/?playbook={world.playbook.key}").json()["results"]) == 1
    assert post(f"{pk}/cancel/").status_code == 409
    assert post("", asked, viewer).status_code == 403
    for wrong in ({"playbook": "gone"}, {"segment": "gone", "playbook": None}, {"playbook": None}, {"among": "gone"}):
        assert post("", asked | wrong).status_code == 422, wrong
    assert post("", asked | {"first_day": "2020-01-01"}).status_code == 400
    assert Comparison.objects.count() == 1
