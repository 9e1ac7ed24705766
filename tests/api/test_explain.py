"""Explanations over the API."""

from __future__ import annotations

from collections.abc import Callable

from tests.api.conftest import ApiClient, Company, code_of

LARGE = {"match": "all", "rules": [{"field": "account.mrr", "op": "at_least", "value": 500},
                                   {"field": "account.mrr", "op": "at_least", "value": 5}]}  # fmt: skip


def test_a_saved_segment_says_why_an_account_is_in_it(company: Company, admin: ApiClient) -> None:
    found = admin.get("segments/everyone/explain/?account=fjord-lines")
    assert (found["account"], found["met"], found["member"], found["away"]) == ("fjord-lines", True, True, 0)
    assert found["headline"] == "A match. The condition is met." and found["member_since"]
    [condition] = found["outcome"]["outcomes"]
    assert (condition["met"], condition["actual"], condition["needed"]) == (True, "$100", "MRR is at least $1")


def test_a_rule_that_is_not_saved_is_explained_with_its_near_misses(company: Company, admin: ApiClient) -> None:
    answer = admin("POST", "segments/explain/", {"rule": LARGE, "account": "zinc-works"})
    found = answer.json()
    assert answer.status_code == 200, answer.content
    assert (found["met"], found["near_miss"], found["away"], found["member_since"]) == (False, True, 1, None)
    assert [one["met"] for one in found["outcome"]["outcomes"]] == [False, True]
    assert [one["pointer"] for one in found["outcome"]["outcomes"]] == ["/rules/0", "/rules/1"]


def test_everybody_who_reads_may_ask_about_the_accounts_that_they_see(
    company: Company, as_: Callable[[str], ApiClient]
) -> None:
    for role, account in (("csm", "fjord-lines"), ("viewer", "zinc-works")):
        assert as_(role)("POST", "segments/explain/", {"rule": LARGE, "account": account}).status_code == 200
    for path, body in (
        ("segments/explain/", {"rule": LARGE, "account": "orchid-labs"}),
        ("segments/everyone/explain/?account=orchid-labs", None),
    ):
        answer = as_("csm")("POST" if body else "GET", path, body)
        assert (answer.status_code, code_of(answer)) == (400, "unknown-account")


def test_a_bad_rule_an_unknown_account_and_an_unknown_parameter_are_named(company: Company, admin: ApiClient) -> None:
    bad = {"match": "all", "rules": [{"field": "account.mmr", "op": "is_set"}]}
    answer = admin("POST", "segments/explain/", {"rule": bad, "account": "zinc-works"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/rule/rules/0/field"
    assert code_of(admin("GET", "segments/everyone/explain/")) == "unknown-account"
    assert admin("GET", "segments/everyone/explain/?acount=zinc-works").status_code == 400
    assert admin("POST", "segments/explain/", {"rule": LARGE}).status_code == 400
