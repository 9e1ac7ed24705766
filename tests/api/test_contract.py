"""What holds for every address of the API: who gets in, the shape of errors, constant query counts, the schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from rest_framework import serializers

from accounts.models import Account, AccountLevel, AttributeDefinition, DataExport, Erasure, Team, TeamMember
from alerts.models import AccountMilestone, Alert, AlertReplay, Comparison, Enrolment, Milestone, Notice, Playbook, Task
from core.api.strict import StrictSerializer
from csbox import api
from health.models import AccountHealth, BackTest, BandChange, HealthConfig
from integrations.models import (
    Connection,
    ConnectionRun,
    Destination,
    Import,
    Message,
    Outgoing,
    Source,
    SyncItem,
)
from segments.models import Segment
from tests import factories
from tests.api.conftest import ApiClient, Company, check_problem, code_of
from tests.api.test_edits import EDITS, NOT_EDITED
from tests.rows import any_row
from usage.models import AccountUsage, EventName, Feed, Trait

PLAIN = {"pk": "1", "number": "1", "uid": "00000000-0000-4000-8000-000000000000"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def patterns(found: list[Any], above: str = "") -> Iterator[str]:
    """Every address that a list of URL patterns can answer, with plain values filled in."""
    for item in found:
        if isinstance(item, URLResolver):
            yield from patterns(item.url_patterns, above + str(item.pattern))
        elif isinstance(item, URLPattern) and str(item.pattern) != "^.*$":
            group = re.compile(r"\(\?P<(\w+)>.*?\)(?=/|\$)")
            text = group.sub(lambda found: PLAIN.get(found[1], "x"), str(item.pattern))
            yield "/api/" + above + text.replace("^", "").replace("$", "").replace("\\", "")


ADDRESSES = sorted(set(patterns(api.urlpatterns)))
LISTS = [prefix for prefix, _, _ in api.router.registry]


def test_the_walker_knows_every_address() -> None:
    assert {f"/api/v1/{name}/" for name in LISTS} < set(ADDRESSES)
    assert "/api/v1/segments/x/members/" in ADDRESSES and len(ADDRESSES) > 100 and len(LISTS) > 35


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_no_address_takes_a_parameter_that_it_does_not_know(company: Company, admin: ApiClient, method: str) -> None:
    for address in ADDRESSES:
        answer = admin(method, f"{address}?nosuch=1", None if method in ("GET", "DELETE") else {})
        assert (answer.status_code, code_of(answer)) == (400, "unknown-parameter"), (address, answer.content)


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_gets_in_without_a_log_in(db: None, address: str) -> None:
    for method in METHODS:
        answer = Client(raise_request_exception=False).generic(method, address)
        assert answer.status_code in (401, 403, 404, 405), (method, answer.content)
        if answer.content:
            check_problem(answer)
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == 'Token realm="csbox"'


@pytest.mark.parametrize("role", ["outsider", "viewer", "csm", "manager", "admin"])
def test_no_method_at_any_address_fails(company: Company, as_: Callable[[str], ApiClient], role: str) -> None:
    client = as_(role)
    for address in ADDRESSES:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = client(method, address, {} if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status_code < 500, (method, address, answer.content)
            if role == "outsider":
                assert answer.status_code in (403, 405, 404), (method, address)


def test_a_wrong_token_and_an_inactive_owner_are_refused(company: Company, as_: Callable[[str], ApiClient]) -> None:
    user = company.users["csm"]
    assert user is not None
    client = as_("csm")
    assert client("GET", "me/").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client("GET", "me/").status_code == 401
    for header in ("Token nothing", "Bearer nothing", "Token", "Token a b", "Basic eDp5"):
        answer = as_("anonymous")("GET", "me/", Authorization=header)
        assert (answer.status_code, code_of(answer)) == (401, "not-authenticated")


def test_bearer_is_understood_as_well_as_token(company: Company, as_: Callable[[str], ApiClient]) -> None:
    client = as_("csm")
    client.headers = {"Authorization": client.headers["Authorization"].replace("Token", "Bearer")}
    assert client.get("me/")["access"] == "csm"


def test_a_session_may_read_and_must_prove_itself_to_write(company: Company) -> None:
    http = Client(enforce_csrf_checks=True)
    user = company.users["manager"]
    assert user is not None
    http.force_login(user)
    assert http.get("/api/v1/accounts/").status_code == 200
    body = {"external_id": "s", "name": "By session"}
    refused = http.post("/api/v1/accounts/", body, content_type="application/json")
    assert refused.status_code == 403
    check_problem(refused)
    assert not Account.objects.filter(external_id="s").exists()
    http.cookies["csrftoken"] = "a" * 32
    sent = {"X-CSRFToken": "a" * 32}
    assert http.post("/api/v1/accounts/", body, content_type="application/json", headers=sent).status_code == 201


def test_a_failure_of_ours_is_a_problem_that_tells_nothing(
    company: Company, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("SELECT secret FROM accounts_account")

    monkeypatch.setattr("accounts.api.account.AccountViewSet.get_queryset", fail)
    answer = admin("GET", "accounts/")
    assert (answer.status_code, code_of(answer)) == (500, "server-error")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_too_many_requests_say_when_to_come_again(company: Company, admin: ApiClient, settings: Any) -> None:
    settings.API_RATES = {"user": "3/min", "anonymous": "1/min"}
    answers = [admin("GET", "me/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert code_of(answers[3]) == "too-many-requests" and 0 < int(answers[3].headers["Retry-After"]) <= 60
    stranger = ApiClient(None)
    assert [stranger("GET", "me/").status_code for _ in range(2)] == [401, 429]


def test_a_forged_address_does_not_escape_the_limit(company: Company, settings: Any) -> None:
    settings.API_RATES = {"user": None, "anonymous": "1/min"}
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 0}
    stranger = ApiClient(None)
    assert [stranger("GET", "me/", **{"X-Forwarded-For": f"10.9.8.{i}"}).status_code for i in range(2)] == [401, 429]


def subclasses(base: type) -> Iterator[type]:
    """Every class below a base."""
    for found in base.__subclasses__():
        yield found
        yield from subclasses(found)


def test_every_serializer_is_strict_and_names_its_fields() -> None:
    theirs = ("rest_framework", "drf_spectacular", "django_")
    ours = [found for found in subclasses(serializers.BaseSerializer) if not found.__module__.startswith(theirs)]
    assert len(ours) > 12
    for found in ours:
        assert issubclass(found, StrictSerializer), found
        assert "__all__" not in inspect.getsource(found), found


# What factories do not make, and what it must be for its list to show it.
OTHERS: dict[type[models.Model], dict[str, Any]] = {
    model: {}
    for model in (
        AccountHealth, AccountLevel, AccountMilestone, AccountUsage, Alert, AlertReplay, BackTest, BandChange,
        Comparison,
        Connection, ConnectionRun, DataExport, Destination, Enrolment, Erasure, EventName, Feed, HealthConfig, Import,
        Milestone, Outgoing, Playbook, Source, SyncItem, Task, Team,
    )
} | {
    Message: {"outcome": "failed"},
    Notice: {"member": lambda: TeamMember.objects.get(access="admin"), "kind": "alert"},
    Trait: {"kind": "number", "method": "count", "definition": {"event": "Export"}},
}  # fmt: skip


def grow(number: int) -> None:
    """So many more of everything that a list can show."""
    AttributeDefinition.objects.create(key=f"k{number}", name=f"K {number}", kind="text")
    for _ in range(number):
        for model, values in OTHERS.items():
            any_row(model, **values)
    for i in range(number):
        of = factories.account(parent=factories.account())
        factories.relationship(of)
        factories.subscription(of)
        factories.assign(of, factories.member())
        of.notes.create(text="Called.", user=factories.end_user(), author=factories.member())
        factories.segment(f"Segment {number} {i}", {"field": "account.mrr", "op": "at_least", "value": i})


def test_a_list_asks_the_same_number_of_questions_however_long_it_is(company: Company, admin: ApiClient) -> None:
    def asked(name: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            shown[name] = len(admin.get(f"{name}/?page_size=200")["results"])
        return len(queries)

    shown: dict[str, int] = {}
    grow(1)
    for name in LISTS:
        asked(name)  # what is kept in the process is there from now on
    few, first = {name: asked(name) for name in LISTS}, dict(shown)
    grow(8)
    assert {name: asked(name) for name in LISTS} == few
    assert not [name for name in LISTS if shown[name] <= first[name]], "these lists were not made longer"
    assert max(few.values()) <= 16, few


def test_pages_hold_every_row_once_in_both_directions(company: Company, admin: ApiClient) -> None:
    for i in range(23):
        factories.account(f"Same {i % 3}", mrr=None if i % 4 else i)
    for ordering in ("name", "-name", "mrr", "-mrr", "external_id", "-created_at", "renews_on"):
        pages, address = [], f"accounts/?page_size=7&ordering={ordering}"
        found = admin.get(address)
        pages.append([row["external_id"] for row in found["results"]])
        while found["next"]:
            found = admin.get(found["next"].replace("http://testserver", ""))
            pages.append([row["external_id"] for row in found["results"]])
        seen = [name for page in pages for name in page]
        assert len(seen) == len(set(seen)) == Account.objects.count(), ordering
        back = []
        while found["previous"]:
            found = admin.get(found["previous"].replace("http://testserver", ""))
            back.append([row["external_id"] for row in found["results"]])
        assert back == pages[-2::-1], ordering


def test_a_cursor_of_another_ordering_is_refused(company: Company, admin: ApiClient) -> None:
    following = admin.get("accounts/?page_size=1")["next"].replace("http://testserver", "")
    assert code_of(admin("GET", following + "&ordering=mrr")) == "invalid-cursor"


SCHEMAS: list[dict[str, Any]] = []  # it is always the same, and takes a while to make


def schema_of(client: ApiClient) -> dict[str, Any]:
    """The OpenAPI document. What is only sent is no part of an answer, so its being required is taken out."""
    if SCHEMAS:
        return SCHEMAS[0]
    answer = client("GET", "/api/v1/schema/", Accept="application/vnd.oai.openapi+json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    for one in found["components"]["schemas"].values():
        sent = {name for name, value in one.get("properties", {}).items() if value.get("writeOnly")}
        if sent & set(one.get("required", ())):
            one["required"] = sorted(set(one["required"]) - sent)
    SCHEMAS.append(found)
    return found


def test_every_list_and_problem_is_answered_as_the_schema_says(company: Company, admin: ApiClient) -> None:
    grow(1)
    schema = schema_of(admin)
    wrong = {}
    for name in LISTS:
        told = schema["paths"][f"/api/v1/{name}/"]["get"]["responses"]
        asked = {"200": (f"{name}/", "application/json"), "default": (f"{name}/?no=1", "application/problem+json")}
        for status, (address, kind) in asked.items():
            judge = Draft202012Validator(told[status]["content"][kind]["schema"] | {"components": schema["components"]})
            if found := [one.json_path + ": " + one.message[:99] for one in judge.iter_errors(admin(
                "GET", address).json())]:  # fmt: skip
                wrong[address] = found[:3]
    assert not wrong


def test_the_schema_says_which_edits_want_to_know_the_state(company: Company, admin: ApiClient) -> None:
    wanted = {}
    for address, operations in schema_of(admin)["paths"].items():
        for method in {"put", "patch", "delete"} & operations.keys():
            headers = [one for one in operations[method].get("parameters", ()) if one["name"] == "If-Match"]
            wanted[method, address] = bool(headers and headers[0].get("required"))
    people = {"users": "u-fjord-lines", "subscriptions": "s-fjord-lines", "accounts": "fjord-lines"}
    for (method, address), required in wanted.items():
        name = address.split("/")[3]
        if method != "put" and address.count("/") == 5 and name in people:
            answer = admin(method.upper(), f"{name}/{people[name]}/", {} if method == "patch" else None)
            assert (answer.status_code == 428) is required, address
    assert {address.split("/")[3] for (_, address), needed in wanted.items() if needed} == EDITS.keys()
    free = {(method, address.split("/")[3]) for (method, address), needed in wanted.items() if not needed}
    assert {method for method, name in free if name not in NOT_EDITED} == {"put"}


def test_the_schema_is_openapi_and_names_every_address(company: Company, admin: ApiClient) -> None:
    schema = schema_of(admin)
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")
    assert {f"/api/v1/{name}/" for name in LISTS} <= schema["paths"].keys()
    names = {parameter["name"] for parameter in schema["paths"]["/api/v1/accounts/"]["get"]["parameters"]}
    assert {"segment", "rule", "cursor", "page_size", "ordering", "q"} <= names


def test_the_documentation_needs_nothing_from_elsewhere_and_keeps_the_policy(company: Company) -> None:
    http = Client()
    user = company.users["csm"]
    assert user is not None
    http.force_login(user)
    page = http.get("/api/v1/docs/")
    text = page.content.decode()
    assert page.status_code == 200 and "swagger-ui" in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    assert "<style" not in text and not re.findall(r"<script(?![^>]*\ssrc=)", text)
    script = http.get(re.findall(r'src="(/api/v1/docs/[^"]+)"', text)[0].replace("&amp;", "&"))
    assert "javascript" in script.headers["Content-Type"]


def test_no_segment_of_alerts_is_shown(company: Company, admin: ApiClient) -> None:
    Segment.everything.create(key="hidden", name="Hidden", internal=True, rule={"match": "all", "rules": []})
    assert "hidden" not in {row["key"] for row in admin.get("segments/")["results"]}
    assert admin("GET", "segments/hidden/").status_code == 404


def test_the_api_keeps_no_view_out_of_the_base() -> None:
    text = (Path(api.__file__).parent.parent / "accounts" / "api").rglob("*.py")
    assert all("permission_classes = []" not in path.read_text() for path in text)
