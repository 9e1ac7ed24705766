"""Optimistic locking, everywhere: no edit without the state that it is meant for, and none of an old one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from csbox import api
from tests.api.conftest import ApiClient, Company, at, code_of
from tests.health.test_scores import BOTH

MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}
CALL = {"key": "call", "kind": "task", "title": "Call them"}


@dataclass(frozen=True)
class Edit:
    """How a resource is edited: where (or what makes a new one), and two changes of it; None if it only goes."""

    where: Callable[[Company], str] | dict[str, Any]
    first: dict[str, Any] | None
    second: dict[str, Any] | None = None


def _of_account(kind: str, name: str) -> Callable[[Company], str]:
    return lambda company: at(kind, getattr(company, name)[company.mine.external_id].external_id)


EDITS = {
    "accounts": Edit(lambda company: at("accounts", company.mine.external_id), {"industry": "A"}, {"industry": "B"}),
    "users": Edit(_of_account("users", "people"), {"title": "A"}, {"title": "B"}),
    "relationships": Edit(
        lambda company: f"relationships/{company.relationships[company.mine.external_id].pk}/",
        {"role": "A"}, {"role": "B"},
    ),
    "subscriptions": Edit(_of_account("subscriptions", "subscriptions"), {"plan": "A"}, {"plan": "B"}),
    "teams": Edit({"name": "East"}, {"name": "A"}, {"name": "B"}),
    "assignments": Edit({"account": "zinc-works", "member": "MEMBER", "role": "csm"}, None),
    "attributes": Edit({"key": "region", "name": "Region", "kind": "text"}, {"name": "A"}, {"name": "B"}),
    "notes": Edit({"account": "zinc-works", "kind": "call", "text": "Called."}, {"text": "A"}, {"text": "B"}),
    "segments": Edit({"name": "Large", "rule": MANY}, {"description": "A"}, {"description": "B"}),
    "traits": Edit(
        {"name": "Exports", "method": "count", "definition": {"event": "Export"}},
        {"description": "A"}, {"description": "B"},
    ),
    "levels": Edit(lambda _: "levels/strategic/", {"rule": MANY}, {"active": False}),
    "health-configs": Edit({"name": "", "definition": BOTH}, {"name": "A"}, {"name": "B"}),
    "alert-rules": Edit({"name": "Silent", "condition": MANY}, {"message": "A"}, {"message": "B"}),
    "tasks": Edit({"account": "zinc-works", "title": "Call"}, {"title": "A"}, {"title": "B"}),
    "playbooks": Edit({"name": "Rescue", "definition": {"steps": [CALL]}}, {"description": "A"}, {"description": "B"}),
    "milestones": Edit({"name": "Large", "condition": MANY}, {"sticky": False}, {"sticky": True}),
    "sources": Edit({"name": "Web app"}, {"name": "A"}, {"name": "B"}),
    "notification-settings": Edit(lambda _: "notification-settings/", {"cap": 7}, {"cap": 8}),
}  # fmt: skip
# A draft of an import is thrown away or not, and what a destination is told of is ended or not: neither has a state
# that somebody else could have changed.
NOT_EDITED = {"imports", "sync-items"}
VIEWS = {prefix: view for prefix, view, _ in api.router.registry}


def takes(name: str, method: str) -> bool:
    """Whether a resource knows the method for one record."""
    action = {"PATCH": "partial_update", "PUT": "update", "DELETE": "destroy"}[method]
    view: Any = VIEWS.get(name)
    if view is None:
        return method == "PATCH"
    return hasattr(view, action) and method.lower() in view.http_method_names


def test_every_resource_that_is_edited_is_in_the_table() -> None:
    edited = {name for name in VIEWS if any(takes(name, method) for method in ("PATCH", "PUT", "DELETE"))}
    assert edited - NOT_EDITED == EDITS.keys() - {"notification-settings"}
    assert all((edit.first is None) != takes(name, "PATCH") for name, edit in EDITS.items())


def address_of(name: str, edit: Edit, company: Company, admin: ApiClient) -> str:
    """Of one record of the resource, which is made if need be."""
    if callable(edit.where):
        return edit.where(company)
    body = {key: company.members["csm"].key if value == "MEMBER" else value for key, value in edit.where.items()}
    made = admin("POST", f"{name}/", body)
    assert made.status_code == 201, made.content
    assert VIEWS[name].lookup_field in ("pk", "key")
    told = made.json()
    return f"{name}/{told['key' if VIEWS[name].lookup_field == 'key' else 'id']}/"


def refused(client: ApiClient, method: str, address: str, body: Any, current: str, stale: str) -> None:
    """Without a state and with an old one the record stays as it is, and the answer says how it is."""
    before = client.get(address)
    for match, status, code in (
        ("", 428, "precondition-required"),
        (stale, 412, "stale"),
        (f"W/{current}", 412, "stale"),
    ):
        if method == "PUT" and not match:
            continue  # PUT says what is so, whatever was there
        answer = client(method, address, body, match=match)
        assert (answer.status_code, code_of(answer)) == (status, code), (method, match)
        assert answer.headers["ETag"] == current
        assert status == 428 or answer.json()["current"]
    assert client.get(address) == before


@pytest.mark.parametrize("name", sorted(EDITS))
def test_an_edit_is_of_the_state_that_was_read(name: str, company: Company, admin: ApiClient) -> None:
    edit = EDITS[name]
    address = address_of(name, edit, company, admin)
    stale, current = '"old"', admin.etag(address)
    if edit.first is not None:
        refused(admin, "PATCH", address, edit.first, current, stale)
        done = admin("PATCH", address, edit.first, match=current)
        assert done.status_code == 200, done.content
        stale, current = current, done.headers["ETag"]
        assert stale != current == admin.etag(address)
        refused(admin, "PATCH", address, edit.second, current, stale)
    if takes(name, "PUT"):
        refused(admin, "PUT", address, edit.second, current, stale)
    if takes(name, "DELETE"):
        refused(admin, "DELETE", address, None, current, stale)
        assert admin("DELETE", address, match=current).status_code in (204, 409)
