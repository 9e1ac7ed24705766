"""Accounts and segments for the tests of refreshing and editing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.models import Account
from core.clock import Moment, moment
from segments.editing import save_segment
from segments.models import AccountMembership, RefreshRun, Segment
from segments.refresh import refresh_due
from tests.committing import at_once, committed
from tests.segments.storing import furnish
from tests.sharing import shared_rows

__all__ = ["at_once", "committed"]
Rule = dict[str, Any]


def mrr_from(least: int) -> Rule:
    """The rule "MRR is at least so much"."""
    return {"match": "all", "rules": [{"field": "account.mrr", "op": "at_least", "value": least}]}


def inside(key: str, op: str = "in") -> Rule:
    """The rule "is in that segment"."""
    return {"match": "all", "rules": [{"segment": key, "op": op}]}


def names_in(segment: Segment) -> set[str]:
    """Who is in a segment now, by external id."""
    found = AccountMembership.objects.filter(segment=segment, left_at__isnull=True)
    return set(found.values_list("account__external_id", flat=True))


@pytest.fixture
def account(db: None) -> Callable[..., Account]:
    """Makes an account by its id."""
    return lambda key, **values: Account.objects.create(external_id=key, name=key, **values)


@pytest.fixture
def segment(db: None) -> Callable[..., Segment]:
    """Saves a new segment as a person would; it is not refreshed yet."""
    return lambda name, rule, **values: save_segment(None, name=name, rule=rule, **values)


@pytest.fixture(scope="module")
def furniture(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What every drawn world stands on, for all tests of a module."""
    with shared_rows(django_db_blocker, furnish):
        yield


@pytest.fixture
def committed_segments(committed: None) -> Iterator[None]:
    """A database that keeps what is committed, with no segment and nothing in the queue before and after."""
    statement = "TRUNCATE segments_segment, segments_refreshrun, django_q_ormq CASCADE"
    with connection.cursor() as cursor:
        cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def drain() -> Callable[..., list[RefreshRun]]:
    """Does what the worker does until nothing is due."""

    def until_done(now: Moment | None = None) -> list[RefreshRun]:
        runs = []
        while run := refresh_due(now=now or moment()):
            runs.append(run)
        return runs

    return until_done
