"""Accounts, people, relationships and subscriptions: reading, writing, locking, visibility."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Account, AttributeChange, AttributeDefinition, Relationship
from tests.api.conftest import ApiClient, Company, at, code_of


def test_an_account_is_made_read_and_found_again(admin: ApiClient) -> None:
    AttributeDefinition.objects.create(key="region", name="Region", kind="text")
    body = {"external_id": "a/b c%", "name": "Ærø Ferries", "stage": "live", "stated_mrr": "1200.50",
            "attributes": {"region": "Fyn"}}  # fmt: skip
    made = admin("POST", "accounts/", body)
    assert made.status_code == 201, made.content
    found = admin("GET", at("accounts", "a/b c%"))
    assert found.json()["name"] == "Ærø Ferries"
    assert found.json()["mrr"] == "1200.50"
    assert found.json()["attributes"] == {"region": "Fyn"}
    assert found.headers["ETag"] == made.headers["ETag"]
    assert [row["external_id"] for row in admin.get("accounts/?q=ÆRØ")["results"]] == ["a/b c%"]
    change = AttributeChange.objects.get(key="custom.region")
    assert change.new == "Fyn" and change.source.startswith("api:")


def test_making_what_exists_is_a_conflict(admin: ApiClient, company: Company) -> None:
    answer = admin("POST", "accounts/", {"external_id": company.mine.external_id, "name": "Again"})
    assert (answer.status_code, code_of(answer)) == (409, "conflict")
    company.mine.refresh_from_db()
    assert company.mine.name == "Fjord Lines"


def test_put_makes_a_record_once_and_then_changes_nothing(admin: ApiClient) -> None:
    body = {"name": "New", "industry": "Shipping", "at": "2026-01-02T03:04:05Z"}
    assert admin("PUT", at("accounts", "new-1"), body).status_code == 201
    before = Account.objects.get(external_id="new-1").updated_at
    assert admin("PUT", at("accounts", "new-1"), body).status_code == 200
    assert Account.objects.get(external_id="new-1").updated_at == before
    assert AttributeChange.objects.filter(key="industry").count() == 1


def test_an_older_message_does_not_overwrite_a_newer_value(admin: ApiClient) -> None:
    admin("PUT", at("accounts", "x"), {"name": "Newer", "at": "2026-05-01T00:00:00Z"})
    late = admin("PUT", at("accounts", "x"), {"name": "Older", "at": "2026-04-01T00:00:00Z"})
    assert late.json()["name"] == "Newer"


def test_put_with_another_id_in_the_body_is_refused(admin: ApiClient) -> None:
    answer = admin("PUT", at("accounts", "one"), {"external_id": "two", "name": "N"})
    assert (answer.status_code, code_of(answer)) == (400, "read-only")
    assert not Account.objects.filter(external_id__in=["one", "two"]).exists()


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_needs_the_state_it_is_meant_for(admin: ApiClient, company: Company, method: str) -> None:
    address = at("accounts", company.mine.external_id)
    body = {"name": "Changed"} if method == "PATCH" else None
    assert code_of(admin(method, address, body)) == "precondition-required"
    tag = admin.etag(address)
    assert admin("PATCH", address, {"industry": "Ferries"}, match=tag).status_code == 200
    stale = admin(method, address, body, match=tag)
    assert stale.status_code == 412
    assert stale.json()["current"]["industry"] == "Ferries"
    assert admin(method, address, body, match=stale.headers["ETag"]).status_code in (200, 204)


def test_a_stale_put_is_refused_where_if_match_is_sent(admin: ApiClient, company: Company) -> None:
    address = at("accounts", company.mine.external_id)
    assert admin("PUT", address, {"name": "Y"}, match='"0"').status_code == 412
    assert admin("PUT", at("accounts", "nobody"), {"name": "Y"}, match="*").status_code == 412
    assert not Account.objects.filter(external_id="nobody").exists()


def test_an_account_that_is_deleted_leaves_every_list_and_keeps_its_row(admin: ApiClient, company: Company) -> None:
    address = at("accounts", company.mine.external_id)
    assert admin("DELETE", address, match=admin.etag(address)).status_code == 204
    assert admin("GET", address).status_code == 404
    assert company.mine.external_id not in {row["external_id"] for row in admin.get("accounts/")["results"]}
    assert Account.objects.get(pk=company.mine.pk).archived_at is not None


def test_values_of_the_wrong_type_name_their_place(admin: ApiClient) -> None:
    answer = admin("POST", "accounts/", {"external_id": "x", "name": 5, "stage": "nowhere", "stated_licences": True})
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert answer.status_code == 400 and {"/name", "/stated_licences"} <= pointers
    answer = admin("POST", "accounts/", {"external_id": "x", "stage": "nowhere", "attributes": {"zzz": 1}})
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/stage", "/attributes/zzz"}


def test_computed_and_unknown_values_are_refused(admin: ApiClient) -> None:
    body = {"external_id": "x", "mrr": 1, "created_at": "2026-01-01", "nmae": "n", "id": 7}
    answer = admin("POST", "accounts/", body)
    codes = {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}
    assert codes == {"/mrr": "read-only", "/created_at": "read-only", "/nmae": "unknown-field", "/id": "unknown-field"}
    assert "Did you mean “name”?" in str(answer.json()["errors"])
    assert not Account.objects.filter(external_id="x").exists()


def test_a_subscription_moves_its_accounts_money_at_once(admin: ApiClient, company: Company) -> None:
    body = {"external_id": "s-new", "account": company.mine.external_id, "status": "active", "mrr": 250,
            "plan": "Enterprise", "billing_period": "yearly", "renews_on": "2099-01-01", "quantity": 30}  # fmt: skip
    assert admin("POST", "subscriptions/", body).status_code == 201
    found = admin.get(at("accounts", company.mine.external_id))
    assert (found["mrr"], found["plan"], found["licences"]) == ("350.00", "Enterprise", 30)
    tag = admin.etag(at("subscriptions", "s-new"))
    changed = admin("PATCH", at("subscriptions", "s-new"), {"status": "cancelled"}, match=tag)
    assert changed.status_code == 200
    assert admin.get(at("accounts", company.mine.external_id))["mrr"] == "100.00"


def test_a_subscription_of_an_unknown_account_is_refused(admin: ApiClient) -> None:
    answer = admin("POST", "subscriptions/", {"external_id": "s", "account": "nobody", "mrr": 1})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/account"


def test_a_relationship_opens_once_and_ends(admin: ApiClient, company: Company) -> None:
    body = {"account": company.free.external_id, "user": "u-fjord-lines", "role": "Champion"}
    first = admin("POST", "relationships/", body)
    assert first.status_code == 201, first.content
    again = admin("POST", "relationships/", body | {"role": "Owner"})
    assert (again.status_code, again.json()["id"], again.json()["role"]) == (200, first.json()["id"], "Owner")
    address = f"relationships/{first.json()['id']}/"
    assert admin("DELETE", address, match=admin.etag(address)).status_code == 204
    ended = admin.get(address)
    assert ended["ended_at"] is not None
    assert admin("PATCH", address, {"role": "x"}, match=admin.etag(address)).status_code == 409
    assert Relationship.objects.filter(user__external_id="u-fjord-lines").open().count() == 1  # type: ignore[attr-defined]


def test_a_user_is_made_changed_and_found_by_account(admin: ApiClient, company: Company) -> None:
    assert admin("PUT", at("users", "u-1"), {"name": "Ada Holm", "email": "ada@example.com"}).status_code == 201
    tag = admin.etag(at("users", "u-1"))
    assert admin("PATCH", at("users", "u-1"), {"title": "CTO"}, match=tag).json()["title"] == "CTO"
    admin("POST", "relationships/", {"account": company.mine.external_id, "user": "u-1"})
    found = admin.get(f"users/?account={company.mine.external_id}")
    assert {row["external_id"] for row in found["results"]} == {"u-1", "u-fjord-lines"}


RECORDS: list[tuple[str, Callable[[Company, str], Any]]] = [
    ("accounts", lambda c, name: name),
    ("users", lambda c, name: f"u-{name}"),
    ("subscriptions", lambda c, name: f"s-{name}"),
    ("relationships", lambda c, name: c.relationships[name].pk),
    ("notes", lambda c, name: c.notes[name].pk),
    ("assignments", lambda c, name: c.relationships[name].account.assignments.get().pk),
]


@pytest.mark.parametrize(("kind", "address"), RECORDS)
def test_a_csm_sees_own_and_free_accounts_and_nothing_of_others(
    company: Company, as_: Callable[[str], ApiClient], kind: str, address: Callable[[Company, str], Any]
) -> None:
    csm, other = as_("csm"), as_("other")
    own, foreign = (address(company, one.external_id) for one in (company.mine, company.theirs))
    assert csm("GET", at(kind, str(own))).status_code == 200
    assert csm("GET", at(kind, str(foreign))).status_code == 404
    assert other("GET", at(kind, str(foreign))).status_code == 200
    for client, hidden in ((csm, company.theirs), (other, company.mine)):
        text = client("GET", f"{kind}/?page_size=200").content.decode()
        assert hidden.external_id not in text


def test_a_role_writes_only_what_it_may(company: Company, as_: Callable[[str], ApiClient]) -> None:
    expected = dict.fromkeys(("csm", "other", "viewer", "outsider"), 403)
    expected |= {"admin": 201, "manager": 201, "anonymous": 401}
    for role, status in expected.items():
        assert as_(role)("POST", "accounts/", {"external_id": f"by-{role}"}).status_code == status, role
    for role, status in (expected | {"csm": 201, "other": 201}).items():
        body = {"account": company.free.external_id, "text": "Called."}
        assert as_(role)("POST", "notes/", body).status_code == status, role
    for role, status in (expected | {"manager": 403}).items():
        assert as_(role)("POST", "teams/", {"name": f"Team {role}"}).status_code == status, role


def test_a_csm_writes_no_note_about_a_hidden_account_and_changes_only_own_notes(
    company: Company, as_: Callable[[str], ApiClient]
) -> None:
    csm, other = as_("csm"), as_("other")
    refused = csm("POST", "notes/", {"account": company.theirs.external_id, "text": "x"})
    assert refused.status_code == 400 and refused.json()["errors"][0]["pointer"] == "/account"
    made = csm("POST", "notes/", {"account": company.free.external_id, "text": "Mine", "kind": "call"}).json()
    assert made["author"] == company.members["csm"].key
    address = f"notes/{made['id']}/"
    assert other("PATCH", address, {"text": "Theirs"}, match=other.etag(address)).status_code == 403
    assert csm("PATCH", address, {"text": "Still mine"}, match=csm.etag(address)).json()["text"] == "Still mine"
    assert csm("DELETE", address, match=csm.etag(address)).status_code == 204


def test_an_assignment_hands_over(company: Company, admin: ApiClient, as_: Callable[[str], ApiClient]) -> None:
    body = {"account": company.mine.external_id, "member": company.members["other"].key, "role": "csm"}
    made = admin("POST", "assignments/", body)
    assert made.status_code == 201, made.content
    assert as_("csm")("GET", at("accounts", company.mine.external_id)).status_code == 404
    assert as_("other")("GET", at("accounts", company.mine.external_id)).status_code == 200
    assert admin("POST", "assignments/", body).status_code == 200
    address = f"assignments/{made.json()['id']}/"
    assert admin("DELETE", address, match=admin.etag(address)).status_code == 204
    assert as_("csm")("GET", at("accounts", company.mine.external_id)).status_code == 200


def test_attributes_are_defined_and_their_keys_never_change(company: Company, admin: ApiClient) -> None:
    made = admin("POST", "attributes/", {"key": "nps", "name": "NPS", "kind": "number"})
    assert made.status_code == 201, made.content
    address = f"attributes/{made.json()['id']}/"
    assert admin("PATCH", address, {"name": "Net promoter"}, match=admin.etag(address)).json()["name"] == "Net promoter"
    assert admin("PATCH", address, {"kind": "text"}, match=admin.etag(address)).status_code == 400
    assert admin("POST", "attributes/", {"key": "NPS", "name": "NPS", "kind": "number"}).status_code == 409
    later = admin("POST", "attributes/", {"key": "later", "name": "Later", "kind": "text", "active": False})
    assert later.json()["active"] is False and not AttributeDefinition.objects.get(key="later").active
    assert "account.custom.nps" in {row["key"] for row in admin.get("fields/")["results"]}


def test_me_says_who_asks_and_what_they_may(company: Company, as_: Callable[[str], ApiClient]) -> None:
    assert as_("csm").get("me/")["sees"] == "own"
    found = as_("manager").get("me/")
    assert (found["access"], found["may_edit_segments"], found["sees"]) == ("manager", True, "all")
