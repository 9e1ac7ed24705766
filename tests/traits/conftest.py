"""Fixtures of this folder: events are told in a line each."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from psycopg import sql as build

from accounts.models import Account, EndUser
from core.clock import Moment, moment
from tests.committing import committed
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore
from usage.traits import sql_role

__all__ = ["committed"]
NOW = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
_number = itertools.count(1)

Tell = Callable[..., None]


@pytest.fixture
def present(db: None) -> Moment:
    """A fixed moment: 20 November 2026, three in the afternoon, in the workspace's zone."""
    return moment(NOW)


def told(
    of: Account, name: str, *, user: EndUser | None = None, days: float = 0, at: Any = None, **properties: Any
) -> None:
    """Store one event of an account, so many days (and hours) before the fixed moment, and count it."""
    fact = EventFact(
        f"trait-{next(_number)}",
        name,
        at or NOW - dt.timedelta(days=days),
        of.external_id,
        user.external_id if user else None,
        properties,
    )
    appended = PostgresStore().append([fact], source="test")
    assert not appended.rejected, appended.rejected
    roll_up()


@pytest.fixture
def tell(db: None) -> Tell:
    """Tell of events within a test's transaction."""
    return told


@pytest.fixture
def role(committed: None) -> Iterator[str]:
    """The reader of the test's database, gone afterwards."""
    sql_role.connect().close()
    name = sql_role.role_name(str(connection.settings_dict["NAME"]))
    yield name
    with connection.cursor() as cursor:
        cursor.execute(build.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(build.Identifier(name)))
    sql_role._made.clear()
