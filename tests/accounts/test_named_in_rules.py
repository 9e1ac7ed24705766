"""What rules name of the company's lists and attributes is not taken away under them, over the API or in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from accounts.in_rules import uses_in_rules
from accounts.models import AccountLevel, AssignmentRole, AttributeDefinition, LifecycleStage, SubscriptionStatus, Team
from segments.models import Segment
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def back_office(db: None) -> Client:
    """An administrator's browser, which the API takes as well."""
    client = Client()
    user = factories.member("admin").user
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.fixture
def region(db: None) -> AttributeDefinition:
    """A choice; rules ask for Nordic, in another case and by way of users."""
    found = AttributeDefinition.objects.create(key="region", name="Region", kind="choice", choices=["Nordic", "Iberia"])
    factories.segment("North", {"field": "account.custom.region", "op": "any_of", "value": ["NORDIC"]}, refreshed=False)
    return found


@pytest.fixture
def team(db: None) -> Team:
    """Named in a rule."""
    found = Team.objects.create(name="Straße")
    factories.segment("Ours", {"field": "team.csm_team", "op": "any_of", "value": ["STRASSE"]}, refreshed=False)
    return found


CASES: list[tuple[Callable[[], Any], dict[str, Any]]] = [
    (lambda: LifecycleStage.objects.get(key="live"), {"field": "account.stage", "op": "is", "value": "live"}),
    (lambda: AccountLevel.objects.get(key="target"), {"field": "account.level", "op": "none_of", "value": ["target"]}),
    (lambda: SubscriptionStatus.objects.get(key="active"),
     {"field": "subscription.status", "op": "is", "value": "active"}),
    (lambda: AssignmentRole.objects.get(key="csm"), {"field": "team.csm", "op": "is_unassigned"}),
    (lambda: AssignmentRole.objects.get(key="csm"), {"field": "team.csm_team", "op": "is_set"}),
]  # fmt: skip


@pytest.mark.parametrize(("made", "condition"), CASES)
def test_terms_that_a_rule_names_are_found_and_cannot_be_deleted(
    back_office: Client, made: Callable[[], Any], condition: dict[str, Any]
) -> None:
    factories.segment("Other", {"field": "account.industry", "op": "is", "value": "live"}, refreshed=False)
    term = made()
    assert uses_in_rules(term) == []
    factories.segment("Named", condition, refreshed=False)
    assert [use.name for use in uses_in_rules(term)] == ["Named"]
    path = reverse(f"admin:accounts_{term._meta.model_name}_delete", args=[term.pk])
    assert "The rule of the segment “Named”" in back_office.get(path).content.decode()
    back_office.post(path, {"post": "yes"})
    assert type(term).objects.filter(pk=term.pk).exists()


def test_a_colleague_and_a_team(back_office: Client, team: Team) -> None:
    who = factories.member("csm")
    factories.segment("Bo", {"field": "team.csm", "op": "is", "value": who.key}, refreshed=False)
    assert [use.name for use in uses_in_rules(who)] == ["Bo"]
    assert [use.name for use in uses_in_rules(team)] == ["Ours"]
    assert uses_in_rules(Team.objects.create(name="Another")) == []


def test_over_the_api_a_team_keeps_its_name_and_its_place(back_office: Client, team: Team) -> None:
    path = f"/api/v1/teams/{team.pk}/"
    etag = back_office.get(path)["ETag"]
    gone = back_office.delete(path, headers={"If-Match": etag})
    other = back_office.patch(path, {"name": "Road"}, "application/json", headers={"If-Match": etag})
    for answer in (gone, other):
        assert answer.status_code == 409, answer.content
        assert "Used by the segment “Ours”." in answer.content.decode()
    same = back_office.patch(path, {"name": "STRASSE"}, "application/json", headers={"If-Match": etag})
    assert same.status_code == 200
    Segment.objects.all().delete()
    assert back_office.delete(path, headers={"If-Match": same["ETag"]}).status_code == 204


def test_over_the_api_an_attribute_stays_on_with_the_choices_that_rules_name(
    back_office: Client, region: AttributeDefinition
) -> None:
    path = f"/api/v1/attributes/{region.pk}/"

    def patch(**body: Any) -> Any:
        etag = back_office.get(path)["ETag"]
        return back_office.patch(path, body, "application/json", headers={"If-Match": etag})

    assert patch(active=False).status_code == 409
    refused = patch(choices=["Iberia"])
    assert refused.status_code == 409 and "A choice of Region (Nordic)" in refused.json()["detail"]
    assert patch(choices=["nordic"], name="Area").status_code == 200
    Segment.objects.all().delete()
    assert patch(active=False).status_code == 200


def test_in_the_admin_too(back_office: Client, region: AttributeDefinition, team: Team) -> None:
    path = reverse("admin:accounts_attributedefinition_change", args=[region.pk])
    form = {"name": "Region", "choices": '["Nordic"]', "description": ""}
    assert "Region is used by segment “North”" in back_office.post(path, form).content.decode()
    assert back_office.post(path, form | {"active": "on"}).status_code == 302
    region.refresh_from_db()
    assert region.active and region.choices == ["Nordic"]
    path = reverse("admin:accounts_team_change", args=[team.pk])
    assert "Or make another team" in back_office.post(path, {"name": "Road"}).content.decode()
    assert back_office.post(path, {"name": "Straße "}).status_code == 302
