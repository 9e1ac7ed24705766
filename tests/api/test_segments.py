"""Segments over the API: the whole life of one, and who may do what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone

from segments.models import AccountMembership, Segment
from segments.refresh import refresh_due
from tests import factories
from tests.api.conftest import ApiClient, Company, code_of

BIG = {"match": "all", "rules": [{"field": "account.mrr", "op": "at_least", "value": 50.5}]}


def test_a_segment_is_made_refreshed_changed_and_deleted(company: Company, admin: ApiClient) -> None:
    made = admin("POST", "segments/", {"name": "Big ones", "rule": BIG, "reason": "For the board"})
    assert made.status_code == 201, made.content
    found = made.json()
    assert (found["key"], found["version"], found["due"]) == ("big-ones", 1, True)
    assert "MRR" in found["words"]
    refresh_due()
    found = admin.get("segments/big-ones/")
    assert (found["member_count"], found["due"]) == (3, False)
    tag = admin.etag("segments/big-ones/")
    changed = admin("PATCH", "segments/big-ones/", {"name": "Biggest", "visible": False}, match=tag)
    assert (changed.json()["name"], changed.json()["visible"], changed.json()["version"]) == ("Biggest", False, 1)
    assert admin("PATCH", "segments/big-ones/", {"name": "Late"}, match=tag).status_code == 412
    replaced = {"name": "Biggest", "rule": {"match": "all", "rules": []}}
    tag = changed.headers["ETag"]
    assert admin("PUT", "segments/big-ones/", replaced, match=tag).json()["version"] == 2
    versions = admin.get("segments/big-ones/versions/")["results"]
    assert [row["number"] for row in versions] == [2, 1] and versions[1]["reason"] == "For the board"
    tag = admin.etag("segments/big-ones/")
    assert admin("DELETE", "segments/big-ones/", match=tag).status_code == 204
    assert admin("GET", "segments/big-ones/").status_code == 404


def test_a_refresh_does_not_make_an_etag_stale(company: Company, admin: ApiClient) -> None:
    tag = admin.etag("segments/everyone/")
    assert admin("POST", "segments/everyone/refresh/").status_code == 202
    refresh_due()
    assert admin("PATCH", "segments/everyone/", {"description": "All"}, match=tag).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_changing_a_segment_needs_if_match(company: Company, admin: ApiClient, method: str) -> None:
    answer = admin(method, "segments/everyone/", {"name": "X", "rule": BIG})
    assert (answer.status_code, code_of(answer)) == (428, "precondition-required")
    assert Segment.objects.get(key="everyone").name == "Everyone"


def test_a_wrong_rule_names_every_place_and_what_would_do(company: Company, admin: ApiClient) -> None:
    rule = {"match": "all", "rules": [{"field": "account.mrr", "op": "contains", "value": 5},
                                      {"field": "account.mmr", "op": "at_least", "value": 5}]}  # fmt: skip
    answer = admin("POST", "segments/", {"name": "Wrong", "rule": rule})
    assert answer.status_code == 422
    faults = {fault["pointer"]: fault for fault in answer.json()["errors"]}
    assert "at_least" in faults["/rule/rules/0/op"]["allowed"]
    assert faults["/rule/rules/1/field"]["code"] == "unknown-field"
    assert not Segment.objects.filter(name="Wrong").exists()


def test_a_name_that_is_taken_and_a_segment_that_is_used_are_conflicts(company: Company, admin: ApiClient) -> None:
    taken = admin("POST", "segments/", {"name": " EVERYONE ", "rule": BIG})
    assert (taken.status_code, code_of(taken)) == (409, "name-taken")
    factories.segment("Within", {"segment": "everyone", "op": "in"})
    answer = admin("DELETE", "segments/everyone/", match=admin.etag("segments/everyone/"))
    assert (answer.status_code, code_of(answer)) == (409, "in-use")
    assert "Within" in answer.json()["errors"][0]["detail"]


def test_a_circle_is_refused_with_its_path(company: Company, admin: ApiClient) -> None:
    factories.segment("Within", {"segment": "everyone", "op": "in"})
    rule = {"match": "all", "rules": [{"segment": "within", "op": "in"}]}
    answer = admin("PATCH", "segments/everyone/", {"rule": rule}, match=admin.etag("segments/everyone/"))
    assert (answer.status_code, code_of(answer)) == (422, "cycle")
    assert "Everyone → Within → Everyone" in answer.content.decode()


def test_clone_and_reorder(company: Company, admin: ApiClient) -> None:
    factories.segment("Last")
    made = admin("POST", "segments/everyone/clone/").json()
    assert (made["name"], made["visible"]) == ("Everyone (copy)", False)
    assert [row["key"] for row in admin.get("segments/")["results"]] == ["everyone", made["key"], "last"]
    order = ["last", made["key"], "everyone"]
    assert admin("POST", "segments/reorder/", {"keys": order}).json() == {"keys": order}
    wrong = admin("POST", "segments/reorder/", {"keys": ["last", "nobody"]})
    assert wrong.json()["errors"][0]["pointer"] == "/keys/1"


def test_a_preview_counts_only_what_one_may_see(company: Company, as_: Callable[[str], ApiClient]) -> None:
    for role, count in (("admin", 3), ("csm", 2), ("viewer", 1)):
        answer = as_(role)("POST", "segments/preview/", {"rule": BIG, "segment": "everyone"})
        assert answer.status_code == 200, answer.content
        assert (answer.json()["total"], answer.json()["count"]) == (count, count), role
        hidden = company.theirs.external_id in answer.content.decode()
        assert hidden == (role == "admin")


def test_a_preview_says_which_segments_are_alike_among_what_one_may_see(
    company: Company, as_: Callable[[str], ApiClient]
) -> None:
    factories.segment("Two of them", {"field": "account.name", "op": "any_of", "value": ["Fjord Lines", "Orchid Labs"]})
    rule = {"match": "all", "rules": [{"field": "account.name", "op": "is", "value": "Fjord Lines"}]}
    # The CSM sees only one of the two, so to them the two are one.
    for role, code in (("admin", "contained"), ("csm", "identical")):
        notes = as_(role)("POST", "segments/preview/", {"rule": rule}).json()["notes"]
        assert [(one["pointer"], one["code"]) for one in notes if "Two of them" in one["message"]] == [("", code)], role


def test_a_preview_that_takes_too_long_says_what_to_do(
    company: Company, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segments.questions.PREVIEW_LIMIT_MS", 1)
    factories.Account.objects.bulk_create(
        factories.Account(external_id=f"many-{i}", name=f"Many {i}") for i in range(20_000)
    )
    rule = {"match": "all", "rules": [{"field": "account.name", "op": "contains", "value": "9"}]}
    answer = admin("POST", "segments/preview/", {"rule": rule})
    assert (answer.status_code, code_of(answer)) == (503, "preview-too-slow")
    assert "Retry-After" in answer.headers and "Save the rule" in answer.json()["detail"]


def test_members_now_and_on_a_past_date(company: Company, admin: ApiClient, as_: Callable[[str], ApiClient]) -> None:
    ago = timezone.now() - dt.timedelta(days=10)
    AccountMembership.objects.filter(account=company.mine).update(entered_at=ago)
    AccountMembership.objects.filter(account=company.free).update(entered_at=ago, left_at=ago + dt.timedelta(days=3))

    def members(client: ApiClient, query: str = "") -> set[str]:
        return {row["account"] for row in client.get(f"segments/everyone/members/{query}")["results"]}

    assert members(admin) == {"fjord-lines", "orchid-labs"}
    day = (ago + dt.timedelta(days=1)).date()
    assert members(admin, f"?on={day}") == {"fjord-lines", "zinc-works"}
    assert members(as_("csm")) == {"fjord-lines"}
    before = admin.get(f"segments/everyone/members/?on={ago.date() - dt.timedelta(days=1)}")
    assert (before["results"], before["known_from"]) == ([], str(ago.date())), (
        "nobody is known of, not: nobody was in it"
    )
    assert admin.get("segments/everyone/members/")["known_from"] is None
    assert code_of(admin("GET", "segments/everyone/members/?on=2026-02-30")) == "invalid-parameter"
    assert code_of(admin("GET", "segments/everyone/members/?on=2999-01-01")) == "invalid-parameter"


def test_accounts_are_narrowed_by_a_segment_and_by_a_rule(company: Company, admin: ApiClient) -> None:
    AccountMembership.objects.filter(account=company.mine).delete()
    found = admin.get("accounts/?segment=everyone")["results"]
    assert {row["external_id"] for row in found} == {"orchid-labs", "zinc-works"}
    rule = '{"match":"all","rules":[{"field":"account.name","op":"starts_with","value":"zi"}]}'
    assert [row["external_id"] for row in admin.get(f"accounts/?rule={rule}")["results"]] == ["zinc-works"]
    assert len(admin.get(f"subscriptions/?rule={rule}")["results"]) == 1
    assert len(admin.get("subscriptions/?segment=everyone")["results"]) == 2
    assert code_of(admin("GET", "accounts/?segment=nobody")) == "unknown-segment"
    wrong = admin("GET", 'accounts/?rule={"match":"all","rules":[{"field":"x","op":"is"}]}')
    assert (wrong.status_code, code_of(wrong)) == (422, "unknown-field")
    assert wrong.json()["errors"][0]["parameter"] == "rule"


def test_roles_and_segments(company: Company, as_: Callable[[str], ApiClient]) -> None:
    for role in ("csm", "other", "viewer"):
        client = as_(role)
        assert client("GET", "segments/everyone/").status_code == 200
        tag = client.etag("segments/everyone/")
        assert client("POST", "segments/", {"name": "Mine", "rule": BIG}).status_code == 403
        for method in ("PUT", "PATCH", "DELETE"):
            assert client(method, "segments/everyone/", {"name": "x", "rule": BIG}, match=tag).status_code == 403
        for action in ("everyone/clone/", "everyone/refresh/", "reorder/"):
            assert client("POST", f"segments/{action}").status_code == 403
    assert as_("manager")("POST", "segments/", {"name": "Mine", "rule": BIG}).status_code == 201
    assert as_("outsider")("GET", "segments/").status_code == 403
    assert as_("anonymous")("GET", "segments/").status_code == 401


def test_a_frozen_segment_shows_why_and_its_run_too(company: Company, admin: ApiClient) -> None:
    broken = {"match": "all", "rules": [{"field": "account.custom.gone", "op": "is_set"}]}
    Segment.objects.filter(key="everyone").update(rule=broken)
    admin("POST", "segments/everyone/refresh/")
    refresh_due()
    found = admin.get("segments/?frozen=true")["results"]
    assert [row["key"] for row in found] == ["everyone"] and "account.custom.gone" in found[0]["error"]
    assert found[0]["member_count"] == 3
    runs = admin.get("refresh-runs/?state=failed")["results"]
    assert runs[0]["errors"][0]["segment"] == "everyone"


def test_fields_and_operators_are_told(company: Company, admin: ApiClient) -> None:
    fields = {row["key"]: row for row in admin.get("fields/")["results"]}
    assert "at_least" in fields["account.mrr"]["operators"]
    assert {"value": "live", "label": "Live"} in fields["account.stage"]["choices"]
    assert all(row["category"] == "Team" for row in admin.get("fields/?category=Team")["results"])
    operators = {row["key"]: row for row in admin.get("operators/")["results"]}
    assert operators["is_not"]["negates"] == "is" and operators["within_next"]["changes_with_time"]
