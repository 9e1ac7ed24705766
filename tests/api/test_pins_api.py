"""Pins over the API: made, listed, replaced, taken out, and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from segments.models import AccountMembership, Pin
from segments.refresh import refresh_due
from tests.api.conftest import ApiClient, Company, code_of

NONE = {"match": "all", "rules": [{"field": "account.mrr", "op": "at_least", "value": 1_000_000}]}


def members() -> set[str]:
    """Who is in the segment of the test."""
    found = AccountMembership.objects.filter(segment__key="giants", left_at=None)
    return set(found.values_list("account__external_id", flat=True))


@pytest.fixture
def giants(admin: ApiClient) -> str:
    """The address of a segment that nobody matches."""
    admin("POST", "segments/", {"name": "Giants", "rule": NONE})
    refresh_due()
    return "segments/giants/"


def test_an_account_is_pinned_in_listed_and_left_to_the_rule_again(giants: str, admin: ApiClient) -> None:
    body = {"account": "fjord-lines", "kind": "in", "reason": "Board", "until": "2199-12-01"}
    made = admin("POST", f"{giants}pins/", body)
    assert made.status_code == 201, made.content
    assert made.json()["in_force"] is True and made.json()["until"] == "2199-12-01"
    refresh_due()
    assert members() == {"fjord-lines"}
    assert [row["account"] for row in admin.get(f"{giants}pins/")["results"]] == ["fjord-lines"]
    assert admin("POST", f"{giants}unpin/?account=fjord-lines").status_code == 204
    refresh_due()
    assert members() == set()
    (row,) = admin.get(f"{giants}pins/")["results"]
    assert row["in_force"] is False and row["ended_at"]
    assert code_of(admin("POST", f"{giants}unpin/?account=fjord-lines")) == "not-found"


def test_the_preview_says_how_many_pins_change_it(giants: str, admin: ApiClient) -> None:
    admin("POST", f"{giants}pins/", {"account": "fjord-lines", "kind": "in", "reason": "Board"})
    found = admin("POST", "segments/preview/", {"rule": NONE, "segment": "giants"}).json()
    assert (found["count"], found["pinned_in"], found["kept_out"], found["joins"]) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "nobody"},
        {"account": "a\x00b"},
        {"kind": "up"},
        {"reason": ""},
        {"reason": "   "},
        {"until": "2020-01-01"},
        {"until": "soon"},
        {"since": "2020-01-01"},
    ],
)
def test_what_is_no_pin_is_refused(giants: str, admin: ApiClient, change: dict[str, Any]) -> None:
    answer = admin("POST", f"{giants}pins/", {"account": "fjord-lines", "kind": "in", "reason": "Board"} | change)
    assert answer.status_code == 400, answer.content
    assert answer.json().get("errors") or answer.json()["detail"]
    assert not Pin.objects.exists()


def test_only_those_who_may_change_segments_pin(giants: str, as_: Callable[[str], ApiClient], company: Company) -> None:
    body = {"account": "fjord-lines", "kind": "in", "reason": "Board"}
    assert [as_(role)("POST", f"{giants}pins/", body).status_code for role in ("csm", "viewer", "manager")] == [
        403,
        403,
        201,
    ]
    assert as_("csm").get(f"{giants}pins/")["results"] != []
    assert as_("other").get(f"{giants}pins/")["results"] == []
