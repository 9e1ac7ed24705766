"""Bad input over the API: a clear problem, nothing lost, nothing changed, never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts.models import Account, EndUser, Subscription
from segments.models import Segment
from tests.api.conftest import ApiClient, Company, at, code_of

DEEP = "[" * 1_000 + "]" * 1_000
RULE = {"match": "all", "rules": []}


def segment_with(rule: Any) -> dict[str, Any]:
    """A body that saves a rule."""
    return {"name": "Tried", "rule": rule}


def one(field: str, op: str, value: Any = None) -> dict[str, Any]:
    """A rule with one condition."""
    condition = {"field": field, "op": op} | ({} if value is None else {"value": value})
    return {"match": "all", "rules": [condition]}


BODIES: list[tuple[str, str | bytes, int, str]] = [
    ("not JSON", "{", 400, "malformed-json"),
    ("nothing", "", 400, "validation"),
    ("a bare word", "NaN", 400, "number-out-of-range"),
    ("infinity", '{"external_id": "x", "stated_mrr": Infinity}', 400, "number-out-of-range"),
    ("1e400", '{"external_id": "x", "stated_mrr": 1e400}', 400, "number-out-of-range"),
    ("1e-999999999", '{"external_id": "x", "stated_mrr": 1e-999999999}', 400, "number-out-of-range"),
    ("4,000 digits", '{"external_id": "x", "stated_licences": ' + "9" * 4_000 + "}", 400, "number-out-of-range"),
    ("200,000 decimals", '{"external_id": "x", "stated_mrr": 0.' + "1" * 200_000 + "}", 400, "number-out-of-range"),
    ("1,000 arrays", DEEP, 400, "json-too-deep"),
    ("20,000 objects", '{"a":' * 20_000 + "1" + "}" * 20_000, 400, "json-too-deep"),
    ("a key twice", '{"external_id": "x", "name": "a", "name": "b"}', 400, "duplicate-key"),
    ("bytes that are not UTF-8", b'{"external_id": "\xff\xfe"}', 400, "invalid-encoding"),
    ("UTF-16", '{"external_id": "x"}'.encode("utf-16"), 400, "invalid-encoding"),
    ("a list", "[]", 400, "invalid-type"),
    ("a text", '"x"', 400, "invalid-type"),
    ("null", "null", 400, "validation"),
    ("a 10 MB name", json.dumps({"external_id": "x", "name": "n" * 10_000_000}), 413, "body-too-large"),
    ("a long name", json.dumps({"external_id": "x", "name": "n" * 300}), 400, "invalid-text"),
    ("NUL in a name", '{"external_id": "x", "name": "a\\u0000b"}', 400, "invalid-text"),
    ("NUL in an id", '{"external_id": "a\\u0000b"}', 400, "invalid-identifier"),
    ("a hidden character in an id", '{"external_id": "a\\u202eb"}', 400, "invalid-identifier"),
    ("a lone surrogate", '{"external_id": "x", "name": "\\ud800"}', 400, "invalid-text"),
    ("an empty id", '{"external_id": "  "}', 400, "validation"),
    ("an id of 256 characters", json.dumps({"external_id": "x" * 256}), 400, "invalid-identifier"),
    ("a boolean for an id", '{"external_id": true}', 400, "invalid-type"),
    ("an object for an id", '{"external_id": {}}', 400, "invalid-type"),
    ("a number for a text", '{"external_id": "x", "domain": 5}', 400, "invalid-type"),
    ("a boolean for a number", '{"external_id": "x", "stated_licences": true}', 400, "invalid-type"),
    ("a text for a number", '{"external_id": "x", "stated_licences": "5"}', 400, "invalid-type"),
    ("a negative amount", '{"external_id": "x", "stated_mrr": -1}', 400, "min-value"),
    ("too large an amount", '{"external_id": "x", "stated_mrr": 123456789012345678901}', 400, "number-out-of-range"),
    ("a count beyond four bytes", '{"external_id": "x", "stated_licences": 2147483648}', 400, "max-value"),
    ("30 February", '{"external_id": "x", "customer_since": "2026-02-30"}', 400, "validation"),
    ("the year 20260", '{"external_id": "x", "customer_since": "20260-01-01"}', 400, "validation"),
    ("a number for a date", '{"external_id": "x", "customer_since": 20260101}', 400, "validation"),
    ("the year 1 in a zone", '{"external_id": "x", "at": "0001-01-01T00:00:00+14:00"}', 400, "validation"),
    ("an object for a stage", '{"external_id": "x", "stage": {"key": "live"}}', 400, "invalid-type"),
    ("an unknown stage", '{"external_id": "x", "stage": "nowhere"}', 400, "validation"),
    ("an unknown parent", '{"external_id": "x", "parent": "nobody"}', 400, "validation"),
    ("a list for attributes", '{"external_id": "x", "attributes": []}', 400, "invalid-type"),
    ("an unknown attribute", '{"external_id": "x", "attributes": {"__proto__": 1}}', 400, "validation"),
    ("what only we may write", '{"external_id": "x", "id": 7, "created_by": 1, "mrr": 5}', 400, "validation"),
    ("a lookup for a key", '{"external_id": "x", "_connector": "OR"}', 400, "unknown-field"),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_bad_body_is_refused_and_nothing_is_written(
    company: Company, admin: ApiClient, body: str | bytes, status: int, code: str
) -> None:
    answer = admin("POST", "accounts/", body)
    assert (answer.status_code, code_of(answer)) == (status, code), answer.content
    assert Account.objects.count() == 3


def test_a_byte_order_mark_is_taken_off(admin: ApiClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"external_id": "bom"}).encode()
    assert admin("POST", "accounts/", body).status_code == 201


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("text/plain", "unsupported-media-type"),
        ("application/xml", "unsupported-media-type"),
        ("application/x-www-form-urlencoded", "unsupported-media-type"),
        ("application/json; charset=utf-16", "unsupported-charset"),
    ],
)
def test_only_json_in_utf8_is_read(admin: ApiClient, kind: str, code: str) -> None:
    answer = admin("POST", "accounts/", b'{"external_id": "x"}', **{"Content-Type": kind})
    assert (answer.status_code, code_of(answer)) == (415, code)
    assert not Account.objects.filter(external_id="x").exists()


QUERIES: list[tuple[str, int, str]] = [
    ("accounts/?nosuch=1", 400, "unknown-parameter"),
    ("accounts/?stagee=live", 400, "unknown-parameter"),
    ("accounts/?name__regex=(", 400, "unknown-parameter"),
    ("accounts/?stage__kind=live", 400, "unknown-parameter"),
    ("accounts/?assignments__member__user__password__startswith=a", 400, "unknown-parameter"),
    ("accounts/?format=xml", 400, "unknown-parameter"),
    ("accounts/?stage=live&stage=trial", 400, "repeated-parameter"),
    ("accounts/?ordering=owner__secret", 400, "unknown-ordering"),
    ("accounts/?ordering=-", 400, "unknown-ordering"),
    ("accounts/?ordering=nmae", 400, "unknown-ordering"),
    ("accounts/?ordering=stage__name", 400, "unknown-ordering"),
    ("accounts/?page_size=0", 400, "out-of-range"),
    ("accounts/?page_size=-5", 400, "out-of-range"),
    ("accounts/?page_size=100000000", 400, "out-of-range"),
    ("accounts/?page_size=%D9%A3", 400, "out-of-range"),
    ("accounts/?page_size=1e2", 400, "out-of-range"),
    ("accounts/?cursor=", 400, "invalid-cursor"),
    ("accounts/?cursor=abc", 400, "invalid-cursor"),
    ("accounts/?cursor=WyJuYW1lIiwwLCJhIiwxMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMF0", 400, "invalid-cursor"),
    ("accounts/?cursor=%C3%A9%C3%A9", 400, "invalid-cursor"),
    ("accounts/?mrr_min=five", 400, "invalid-parameter"),
    ("accounts/?mrr_min=NaN", 400, "invalid-parameter"),
    ("accounts/?mrr_min=1e999", 400, "invalid-parameter"),
    ("accounts/?renews_from=2026-02-30", 400, "invalid-parameter"),
    ("accounts/?stage_type=nothing", 400, "invalid-parameter"),
    ("accounts/?external_id=" + ",".join("x" * 10 for _ in range(201)), 400, "too-many-values"),
    ("accounts/?segment=nobody", 400, "unknown-segment"),
    ("accounts/?rule={", 400, "malformed-json"),
    ("accounts/?rule=" + DEEP, 400, "json-too-deep"),
    ("accounts/?rule=5", 422, "invalid-node"),
    ("accounts/?q=%00", 400, "invalid-encoding"),
    ("accounts/?q=%ff%fe", 400, "invalid-encoding"),
    ("accounts/%00/", 400, "invalid-encoding"),
    ("accounts/%ff/", 400, "invalid-encoding"),
    ("users/?account=x&team=1", 400, "unknown-parameter"),
    ("notes/99999999999999999999999/", 404, "not-found"),
    ("notes/999999999999999999/", 404, "not-found"),
    ("segments/?visible=maybe", 400, "invalid-parameter"),
    ("segments/everyone/?x=1", 400, "unknown-parameter"),
    ("segments/everyone/members/?on=x", 400, "invalid-parameter"),
    ("segments/everyone/members/?page_size=x", 400, "out-of-range"),
    ("me/?x=1", 400, "unknown-parameter"),
    ("fields/?category=Nothing", 400, "invalid-parameter"),
    ("nothing/here", 404, "not-found"),
    ("accounts", 404, "not-found"),
]


@pytest.mark.parametrize(("address", "status", "code"), QUERIES, ids=[row[0][:60] for row in QUERIES])
def test_a_bad_address_is_refused(company: Company, admin: ApiClient, address: str, status: int, code: str) -> None:
    answer = admin("GET", address)
    assert (answer.status_code, code_of(answer)) == (status, code), answer.content


def test_a_typing_mistake_is_answered_with_what_was_meant(company: Company, admin: ApiClient) -> None:
    fault = admin("GET", "accounts/?stagee=live").json()["errors"][0]
    assert "Did you mean “stage”?" in fault["detail"] and "level" in fault["allowed"]


RULES: list[tuple[str, Any, str]] = [
    ("unknown field", one("account.nothing", "is", "x"), "unknown-field"),
    ("SQL for a field", one("attrs'->>'x') or 1=1--", "is", "x"), "unknown-field"),
    ("a way to a password", one("owner__password", "is", "x"), "unknown-field"),
    ("a dunder", one("__class__", "is", "x"), "unknown-field"),
    ("unknown operator", one("account.mrr", "resembles", 1), "unknown-operator"),
    ("an operator of another kind", one("account.mrr", "contains", "5"), "wrong-operator"),
    ("a range backwards", one("account.mrr", "between", [10, 1]), "out-of-range"),
    ("a text for a number", one("account.mrr", "at_least", "5x"), "wrong-type"),
    ("0 days", one("account.renews_on", "within_next", {"n": 0, "unit": "day"}), "out-of-range"),
    ("-1 days", one("account.renews_on", "within_next", {"n": -1, "unit": "day"}), "out-of-range"),
    ("a billion days", one("account.renews_on", "within_next", {"n": 10**9, "unit": "day"}), "out-of-range"),
    ("30 February", one("account.renews_on", "on", "2026-02-30"), "out-of-range"),
    ("a pattern without an end", one("account.name", "matches", "("), "invalid-regex"),
    ("a pattern of 99,999", one("account.name", "matches", "a{99999}"), "invalid-regex"),
    ("an empty group within", {"match": "all", "rules": [RULE]}, "empty-group"),
    ("a list", [], "invalid-node"),
    ("a segment that is not there", {"match": "all", "rules": [{"segment": "nope", "op": "in"}]}, "unknown-segment"),
    ("101 conditions", {"match": "any", "rules": [one("account.mrr", "is_set")["rules"][0]] * 101}, "rule-too-large"),
    ("70 KB of names", one("account.name", "any_of", ["x" * 700] * 100), "rule-too-large"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_a_bad_rule_is_refused_with_its_place(company: Company, admin: ApiClient, rule: Any, code: str) -> None:
    for address, body in (("segments/", segment_with(rule)), ("segments/preview/", {"rule": rule})):
        answer = admin("POST", address, body)
        assert answer.status_code == 422, answer.content
        assert code in {fault["code"] for fault in answer.json()["errors"]}, answer.content
        assert all(fault["pointer"].startswith("/rule") for fault in answer.json()["errors"])
    assert not Segment.objects.filter(name="Tried").exists()


def test_a_duplicate_external_id_loses_nothing(company: Company, admin: ApiClient) -> None:
    for kind, model, name in (
        ("accounts", Account, "fjord-lines"),
        ("users", EndUser, "u-fjord-lines"),
        ("subscriptions", Subscription, "s-fjord-lines"),
    ):
        before = model.objects.values().get(external_id=name)
        body = {"external_id": name} | ({"account": "zinc-works"} if kind == "subscriptions" else {"name": "Other"})
        answer = admin("POST", f"{kind}/", body)
        assert (answer.status_code, code_of(answer)) == (409, "conflict")
        assert model.objects.values().get(external_id=name) == before


def test_ids_are_compared_exactly_and_composed_first(admin: ApiClient) -> None:
    assert admin("PUT", at("accounts", "Jose\u0301"), {"name": "One"}).status_code == 201
    assert admin("PUT", at("accounts", "José"), {"name": "Same"}).status_code == 200
    assert admin("PUT", at("accounts", "josé"), {"name": "Another"}).status_code == 201
    assert Account.objects.filter(external_id__istartswith="jos").count() == 2


@pytest.mark.parametrize("external_id", ["../admin", "a?b=c&d", "#", "%2F", "a//b/", "日本", "' or 1=1 --", "."])
def test_an_id_may_hold_any_character(admin: ApiClient, external_id: str) -> None:
    assert admin("POST", "accounts/", {"external_id": external_id, "name": "N"}).status_code == 201
    assert admin.get(at("accounts", external_id))["external_id"] == external_id


def test_a_text_of_markup_is_kept_as_it_is(admin: ApiClient) -> None:
    name = "<script>alert(1)</script>{{7*7}}=cmd|' /C calc'!A0"
    admin("POST", "accounts/", {"external_id": "m", "name": name})
    assert admin.get("accounts/m/")["name"] == name
