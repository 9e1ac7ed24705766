"""Fixtures of this folder: events are told in a line each."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Account, EndUser
from core.clock import Moment, moment
from tests.committing import committed
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

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
