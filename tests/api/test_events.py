"""Events over the API: what can be asked is told, a rule on events is counted, explained and refused in its place."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from tests.api.conftest import ApiClient, Company
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def exported(company: Company) -> str:
    """One account that exported two reports yesterday; its id."""
    account = company.mine
    at = timezone.now() - dt.timedelta(days=1)
    facts = [
        EventFact(str(n), "Report Exported", at, account.external_id, None, {"pages": n, "kind": "a"}) for n in (3, 9)
    ]
    assert PostgresStore().append(facts, source="api").stored == 2
    roll_up()
    return account.external_id


def rule(**more: Any) -> dict[str, Any]:
    """A rule on that event."""
    node = {"event": "Report Exported", "op": "at_least", "value": 2, "window": {"last": 7, "unit": "day"}}
    return {"match": "all", "rules": [node | more]}


def test_events_and_what_can_be_asked_of_them_are_told(exported: str, admin: ApiClient) -> None:
    assert admin.get("fields/")["events"] == [
        {
            "event": "Report Exported",
            "properties": [
                {"field": "event.properties.kind", "kind": "text"},
                {"field": "event.properties.pages", "kind": "number"},
            ],
        }
    ]
    assert "events" not in admin.get("fields/?category=Team")
    table = admin.get("operators/")["events"]
    assert {row["key"] for row in table["operators"]} >= {"at_least", "never", "stopped", "decreased_by"}
    assert {"sum": "properties.…"} in table["measures"]


def test_a_rule_on_events_is_counted(exported: str, admin: ApiClient) -> None:
    found = admin("POST", "segments/preview/", {"rule": rule()}).json()
    assert found["count"] == 1
    assert found["words"] == "Report Exported at least 2 times in the last 7 days"
    assert admin("POST", "segments/preview/", {"rule": rule(value=3)}).json()["count"] == 0


def test_an_explanation_says_how_often_and_when_last(exported: str, admin: ApiClient) -> None:
    told = admin("POST", "segments/explain/", {"rule": rule(value=3), "account": exported}).json()
    yesterday = timezone.now() - dt.timedelta(days=1)
    assert f"2 times, last on {yesterday.day} {yesterday:%b %Y}" in str(told)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"event": "Report Exportd"}, "/rules/0/event"),
        ({"window": {"last": 0, "unit": "day"}}, "/rules/0/window/last"),
        ({"measure": {"sum": "pages"}}, "/rules/0/measure/sum"),
        ({"where": {"match": "all", "rules": []}}, "/rules/0/where/rules"),
    ],
)
def test_a_bad_rule_on_events_is_refused_with_its_place(
    exported: str, admin: ApiClient, change: dict[str, Any], pointer: str
) -> None:
    answer = admin("POST", "segments/preview/", {"rule": rule(**change)})
    assert answer.status_code == 422
    assert any(error["pointer"].endswith(pointer) for error in answer.json()["errors"]), answer.content
