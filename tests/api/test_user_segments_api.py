"""Segments of users over the API: made, counted, explained, listed, pinned and asked for on the list of users."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from segments.models import Segment, UserMembership
from segments.refresh import refresh_due
from tests import factories
from tests.api.conftest import code_of

pytestmark = pytest.mark.django_db
CHAMPION = {"field": "relationship.role", "op": "is", "value": "Champion"}


def rule(*conditions: dict[str, Any], match: str = "all") -> dict[str, Any]:
    return {"match": match, "rules": list(conditions)}


@pytest.fixture
def people(company: Any) -> dict[str, Any]:
    """Ann is a champion in one account and not in another; Bo is one in an account of somebody else's."""
    ann, bo = factories.end_user("Ann", external_id="ann"), factories.end_user("Bo", external_id="bo")
    factories.relationship(company.mine, ann, "Champion")
    factories.relationship(company.free, ann, "Reader")
    factories.relationship(company.theirs, bo, "Champion")
    return {"ann": ann, "bo": bo}


@pytest.fixture
def made(as_: Any, people: Any) -> Any:
    body = {"name": "Champions", "subject": "user", "rule": rule(CHAMPION)}
    answer = as_("manager")("POST", "segments/", body)
    assert answer.status_code == 201, answer.content
    refresh_due()
    return answer.json()


def test_made_listed_and_read_with_its_members_once_each(as_: Any, made: Any, company: Any) -> None:
    ask = as_("manager")
    assert made["subject"] == "user" and made["words"] == "Role in the account is “Champion”"
    assert [one["key"] for one in ask.get("segments/?subject=user")["results"]] == ["champions"]
    assert "champions" not in {one["key"] for one in ask.get("segments/?subject=account")["results"]}
    found = ask.get("segments/champions/members/")["results"]
    assert {(one["user"], tuple(one["accounts"])) for one in found} == {
        ("ann", (company.mine.external_id,)), ("bo", (company.theirs.external_id,))
    }  # fmt: skip
    assert ask.get("segments/champions/")["member_count"] == 2


def test_members_on_a_past_day_sizes_and_movements(as_: Any, made: Any) -> None:
    ask, ago = as_("manager"), timezone.now() - dt.timedelta(days=4)
    UserMembership.objects.filter(user__external_id="bo").update(entered_at=ago)
    yesterday = (timezone.now() - dt.timedelta(days=1)).date().isoformat()
    assert [one["user"] for one in ask.get(f"segments/champions/members/?on={yesterday}")["results"]] == ["bo"]
    assert [one["members"] for one in ask.get("segments/champions/sizes/?days=2")["results"]] == [1, 2]
    moves = ask.get("segments/champions/movements/")["results"]
    assert {(one["user"], one["account"], one["joined"]) for one in moves} == {("ann", None, True), ("bo", None, True)}


def test_the_subject_is_fixed(as_: Any, made: Any) -> None:
    ask = as_("manager")
    answer = ask("PATCH", "segments/champions/", {"subject": "account"}, match=ask.etag("segments/champions/"))
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/subject"
    same = ask("PATCH", "segments/champions/", {"subject": "user"}, match=ask.etag("segments/champions/"))
    assert same.status_code == 200
    assert ask("POST", "segments/", {"name": "X", "subject": "people", "rule": {}}).status_code == 400


def test_previewed_among_what_the_asker_may_see(as_: Any, made: Any) -> None:
    body = {"rule": rule(CHAMPION), "segment": "champions"}
    seen = as_("manager")("POST", "segments/preview/", body).json()
    assert (seen["subject"], seen["count"], seen["accounts"], seen["joins"], seen["leaves"]) == ("user", 2, 2, 0, 0)
    assert [one["user"] for one in seen["sample"]] == ["ann", "bo"] and seen["alone"] == {"/rules/0": 2}
    mine = as_("csm")("POST", "segments/preview/", body).json()
    assert (mine["count"], [one["user"] for one in mine["sample"]]) == (1, ["ann"])
    unsaved = as_("manager")("POST", "segments/preview/", {"rule": rule(CHAMPION), "subject": "user"}).json()
    assert unsaved["count"] == 2 and unsaved["joins"] == 0


def test_a_rule_that_does_not_fit_its_subject_is_422_with_a_pointer(as_: Any, made: Any) -> None:
    ask, grouped = as_("manager"), rule({"users": "any", "where": rule(CHAMPION)})
    for address, body, pointer in (
        ("segments/", {"name": "New", "rule": rule({"segment": "champions", "op": "in"})}, "/rule/rules/0/segment"),
        ("segments/preview/", {"subject": "user", "rule": grouped}, "/rule/rules/0"),
        ("segments/explain/", {"user": "ann", "rule": grouped}, "/rule/rules/0"),
    ):  # fmt: skip
        answer = ask("POST", address, body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer, answer.content
        assert code_of(answer) == "wrong-subject"


def test_explained_in_each_account(as_: Any, made: Any, company: Any) -> None:
    ask = as_("manager")
    found = ask.get("segments/champions/explain/?user=ann")
    assert found["met"] and found["account"] == company.mine.external_id and found["user"] == "ann"
    assert [(one["account"], one["met"]) for one in found["places"]] == [
        (company.mine.external_id, True), (company.free.external_id, False)
    ]  # fmt: skip
    assert ask("GET", "segments/champions/explain/?user=nobody").status_code == 400
    assert ask("GET", f"segments/champions/explain/?account={company.mine.external_id}").status_code == 400
    assert ask("POST", "segments/explain/", {"rule": {}, "user": "ann"}).json()["met"]
    assert ask("POST", "segments/explain/", {"rule": {}}).status_code == 400


def test_the_list_of_users_by_segment_and_by_rule(as_: Any, made: Any, company: Any) -> None:
    ask = as_("manager")
    assert {one["external_id"] for one in ask.get("users/?segment=champions")["results"]} == {"ann", "bo"}
    assert {one["external_id"] for one in as_("csm").get("users/?segment=champions")["results"]} == {"ann"}
    asked = quote(json.dumps(rule(CHAMPION, {"field": "user.name", "op": "is", "value": "bo"})))
    assert [one["external_id"] for one in ask.get(f"users/?rule={asked}")["results"]] == ["bo"]
    assert as_("csm").get(f"users/?rule={asked}")["results"] == []
    for address in (f"users/?segment={company.segment.key}", "accounts/?segment=champions"):
        answer = ask("GET", address)
        assert answer.status_code == 400 and code_of(answer) == "wrong-subject"
    assert ask("GET", "users/?segment=gone").status_code == 400


def test_pinned_and_written_to(as_: Any, made: Any, company: Any) -> None:
    ask = as_("manager")
    factories.end_user("Cy", external_id="cy")
    answer = ask("POST", "segments/champions/pins/", {"user": "cy", "kind": "in", "reason": "Asked"})
    assert answer.status_code == 201, answer.content
    wrong = ask("POST", "segments/champions/pins/", {"account": "a", "kind": "in", "reason": "Asked"})
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["pointer"] == "/user"
    refresh_due()
    assert {one["user"] for one in ask.get("segments/champions/members/")["results"]} == {"ann", "bo", "cy"}
    assert [one["user"] for one in ask.get("segments/champions/pins/")["results"]] == ["cy"]
    assert ask("POST", "segments/champions/unpin/?user=cy").status_code == 204
    rows = ask.get("segments/champions/recipients/?one=relationship")["results"]
    assert {(one["user"], one["account"]) for one in rows} == {
        ("ann", company.mine.external_id), ("bo", company.theirs.external_id)
    }  # fmt: skip
    assert Segment.objects.get(key="champions").due
