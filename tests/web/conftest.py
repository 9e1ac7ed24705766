"""A small company for the pages, and people of every kind who look at them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from accounts.models import Account, AttributeDefinition, TeamMember
from segments.models import Segment
from tests import factories
from tests.query_counts import query_count
from tests.sharing import shared_rows

__all__ = ["query_count"]


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Numbers kept for a minute by one test are not the next one's."""
    cache.clear()
    yield
    cache.clear()


@dataclass
class Company:
    """Six accounts, three segments, a manager, a CSM and a viewer."""

    accounts: dict[str, Account]
    segments: dict[str, Segment]
    manager: TeamMember
    csm: TeamMember
    viewer: TeamMember


ACCOUNTS: list[tuple[str, dict[str, Any]]] = [
    ("Alder", {"mrr": Decimal(500), "plan": "Starter", "stage_id": "live", "domain": "alder.example", "licences": 10}),
    ("Birch", {"mrr": Decimal(9000), "plan": "Enterprise", "stage_id": "live", "attributes": {"region": "EMEA"}}),
    ("Cedar", {"mrr": None, "plan": "", "stage_id": "trial"}),
    ("Elän", {"mrr": Decimal(2000), "plan": "Growth", "stage_id": "onboarding", "attributes": {"region": "APAC"}}),
    ("Fir", {"mrr": Decimal(2000), "plan": "Growth", "stage_id": "live"}),
    ("Gum", {"mrr": Decimal(0), "plan": "Growth", "stage_id": "cancelled"}),
]


@pytest.fixture(scope="module")
def _company(django_db_setup: None, django_db_blocker: Any) -> Iterator[Company]:
    with shared_rows(django_db_blocker, _founded) as founded:
        yield founded


def beginning(write: Callable[[Company], None]) -> Any:
    """A fixture of a module: what `write` makes of the company is there for all of its tests."""

    @pytest.fixture(scope="module")
    def written(_company: Company, django_db_blocker: Any) -> Iterator[None]:
        with shared_rows(django_db_blocker, partial(write, _company)):
            yield

    return written


@pytest.fixture
def company(_company: Company, db: None) -> Company:
    """The company, with its segments refreshed; the same rows for all tests of a module, new objects for each."""
    return copy.deepcopy(_company)


def _founded() -> Company:
    AttributeDefinition.objects.create(
        subject="account", key="region", name="Region", kind="choice", choices=["EMEA", "APAC"]
    )
    accounts = {name: factories.account(name, **values) for name, values in ACCOUNTS}
    segments = {
        "growth": factories.segment("Growth plan", {"field": "account.plan", "op": "is", "value": "Growth"}),
        "large": factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 2000}),
        "hidden": factories.segment(
            "Hidden one", {"field": "account.stage", "op": "is", "value": "live"}, visible=False
        ),
    }
    access = TeamMember.Access
    people = [factories.member(kind) for kind in (access.MANAGER, access.CSM, access.VIEWER)]
    factories.assign(accounts["Alder"], people[1])
    factories.assign(accounts["Birch"], people[0])
    return Company(accounts, segments, *people)


@pytest.fixture
def browse() -> Callable[[TeamMember | User], Client]:
    """A client that is logged in as somebody."""

    def login(who: TeamMember | User) -> Client:
        client = Client()
        client.force_login(who.user if isinstance(who, TeamMember) else who)
        return client

    return login


@pytest.fixture
def me(db: None) -> TeamMember:
    """A colleague who may edit."""
    return factories.member(TeamMember.Access.MANAGER)


@pytest.fixture
def browser(me: TeamMember, browse: Callable[[TeamMember], Client]) -> Client:
    """The colleague's client."""
    return browse(me)


@pytest.fixture
def manager(company: Company, browse: Callable[[TeamMember], Client]) -> Client:
    """The manager's client."""
    return browse(company.manager)


@pytest.fixture
def csm(company: Company, browse: Callable[[TeamMember], Client]) -> Client:
    """The CSM's client."""
    return browse(company.csm)
