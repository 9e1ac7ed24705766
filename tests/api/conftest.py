"""A small company to ask about: three accounts, one colleague of every kind, and a client that speaks JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from accounts.models import Account, EndUser, Note, Relationship, Subscription, Team, TeamMember
from core.api.tokens import make_token
from core.models import Workspace
from segments.models import Segment
from tests import factories
from tests.sharing import shared_rows

ROLES = ("admin", "manager", "csm", "other", "viewer", "outsider", "anonymous")


class ApiClient:
    """Sends and reads JSON with the token of one log-in; checks the error contract on every error it meets."""

    def __init__(self, user: User | None) -> None:
        self.http = Client(raise_request_exception=False)
        self.headers = {}
        if user is not None:
            self.headers["Authorization"] = f"Token {make_token(user)[1]}"

    def __call__(self, method: str, address: str, data: Any = None, *, match: str = "", **headers: str) -> Any:
        """One request below /api/v1/; `data` is sent as JSON, text or bytes as they are."""
        body = data if isinstance(data, str | bytes) else b"" if data is None else json.dumps(data)
        sent = self.headers | headers | ({"If-Match": match} if match else {})
        path = address if address.startswith("/") else f"/api/v1/{address}"
        kind = sent.pop("Content-Type", "application/json")
        answer = self.http.generic(method, path, body, content_type=kind, headers=sent)
        if answer.status_code >= 400 and answer.content:
            check_problem(answer)
        return answer

    def get(self, address: str, **headers: str) -> Any:
        """The JSON of a good answer."""
        answer = self("GET", address, **headers)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def etag(self, address: str) -> str:
        """What to send as If-Match."""
        return str(self("GET", address).headers["ETag"])


def check_problem(answer: Any) -> None:
    """The shape that every error has."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content[:200]
    found = answer.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= found.keys()
    assert found["status"] == answer.status_code
    assert found["type"].startswith("/problems/") and found["request_id"]
    assert all({"code", "detail"} <= fault.keys() for fault in found.get("errors", []))
    assert len(answer.content) < 50_000
    for secret in ("Traceback", "SELECT ", "accounts_account", "psycopg", 'File "'):
        assert secret not in answer.content.decode()


def code_of(answer: Any) -> str:
    """The last part of a problem's type."""
    return str(answer.json()["type"]).removeprefix("/problems/")


@dataclass
class Company:
    """The rows of the small company."""

    mine: Account
    theirs: Account
    free: Account
    people: dict[str, EndUser]
    relationships: dict[str, Relationship]
    subscriptions: dict[str, Subscription]
    notes: dict[str, Note]
    segment: Segment
    users: dict[str, User | None]
    members: dict[str, TeamMember]


@pytest.fixture(autouse=True)
def _no_limit(settings: Any) -> None:
    """Tests ask more in a minute than people do; those about the limit set their own."""
    settings.API_RATES = {"user": None, "anonymous": None}
    cache.clear()


@pytest.fixture(scope="module")
def _company(django_db_setup: None, django_db_blocker: Any) -> Iterator[Company]:
    with shared_rows(django_db_blocker, _founded) as founded:
        yield founded


@pytest.fixture
def company(_company: Company, db: None) -> Company:
    """Two teams, an account of each, and one that nobody has; CSMs see own and unassigned accounts only. The same rows
    for all tests of a module, new objects for each."""
    return copy.deepcopy(_company)


def _founded() -> Company:
    workspace = Workspace.get()
    workspace.csm_reach = Workspace.Reach.OWN
    workspace.save()
    teams = [Team.objects.create(name=name) for name in ("North", "South")]
    members = {
        "admin": factories.member("admin"),
        "manager": factories.member("manager"),
        "csm": factories.member("csm", teams[0]),
        "other": factories.member("csm", teams[1]),
        "viewer": factories.member("viewer"),
    }
    accounts = [
        factories.account(name, external_id=name.lower().replace(" ", "-"), stated_mrr=100, mrr=100)
        for name in ("Fjord Lines", "Orchid Labs", "Zinc Works")
    ]
    names = [one.external_id for one in accounts]
    people = {name: factories.end_user(f"User of {name}", external_id=f"u-{name}") for name in names}
    factories.assign(accounts[0], members["csm"])
    factories.assign(accounts[1], members["other"])
    of = dict(zip(names, accounts, strict=True))
    users: dict[str, User | None] = {name: member.user for name, member in members.items()}
    users |= {"outsider": User.objects.create_user("outsider"), "anonymous": None}
    return Company(
        *accounts,
        people=people,
        relationships={name: factories.relationship(of[name], people[name], "Admin") for name in names},
        subscriptions={
            name: factories.subscription(of[name], external_id=f"s-{name}", plan="Growth", mrr=100, mrr_base=100)
            for name in names
        },
        notes={name: Note.objects.create(account=of[name], text=f"About {name}") for name in names},
        segment=factories.segment("Everyone", {"field": "account.mrr", "op": "at_least", "value": 1}),
        users=users,
        members=members,
    )


@pytest.fixture
def as_(company: Company) -> Callable[[str], ApiClient]:
    """A client for one of the ROLES."""
    return lambda role: ApiClient(company.users[role])


@pytest.fixture
def admin(as_: Callable[[str], ApiClient]) -> ApiClient:
    """The administrator's client."""
    return as_("admin")


def at(kind: str, external_id: str) -> str:
    """The address of one record."""
    return f"{kind}/{quote(external_id, safe='')}/"
