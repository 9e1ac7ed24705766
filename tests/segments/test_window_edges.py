"""Where each window of events begins and ends, and the one just before it, to the microsecond: written out by hand for
four midnights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Account
from core.clock import Moment
from segments.questions import Reader
from tests import factories
from tests.segments.test_events import event, settle_in
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
FOUR = {"first in", "first out", "last in", "last out"}


def last(n: int, unit: str) -> dict[str, Any]:
    return {"last": n, "unit": unit}


def ages(older: int, newer: int, unit: str) -> dict[str, Any]:
    return {"between": [older, newer], "unit": unit}


# What is asked, and the first and the last local time that count (None: no end); written out by hand.
LEAP_MIDNIGHT = [  # at 00:00 on 29 February 2024
    (last(1, "hour"), "2024-02-28T23:00", "2024-02-29T00:00"),
    (last(24, "hour"), "2024-02-28T00:00", "2024-02-29T00:00"),
    (last(1, "day"), "2024-02-29T00:00", "2024-02-29T23:59:59.999999"),
    (last(2, "day"), "2024-02-28T00:00", "2024-02-29T23:59:59.999999"),
    (last(1, "week"), "2024-02-23T00:00", "2024-02-29T23:59:59.999999"),
    (last(1, "month"), "2024-01-30T00:00", "2024-02-29T23:59:59.999999"),
    (last(1, "year"), "2023-03-01T00:00", "2024-02-29T23:59:59.999999"),
    (last(4, "year"), "2020-03-01T00:00", "2024-02-29T23:59:59.999999"),
    (ages(2, 1, "hour"), "2024-02-28T22:00", "2024-02-28T23:00"),
    (ages(2, 1, "day"), "2024-02-27T00:00", "2024-02-28T23:59:59.999999"),
    (ages(0, 0, "day"), "2024-02-29T00:00", "2024-02-29T23:59:59.999999"),
    (ages(1, 1, "week"), "2024-02-22T00:00", "2024-02-22T23:59:59.999999"),
    (ages(2, 1, "month"), "2023-12-29T00:00", "2024-01-29T23:59:59.999999"),
    (ages(1, 1, "year"), "2023-02-28T00:00", "2023-02-28T23:59:59.999999"),
    ({"since": "account.customer_since"}, "2024-02-27T00:00", "2024-02-29T23:59:59.999999"),
    ({"since": "account.created_at"}, "2024-02-28T00:00", "2024-02-29T23:59:59.999999"),
    ("ever", None, None),
]
SHORT_DAY = [  # at 00:00 on 10 March 2025 in New York: the day before had 23 hours
    (last(24, "hour"), "2025-03-08T23:00", "2025-03-10T00:00"),
    (last(2, "day"), "2025-03-09T00:00", "2025-03-10T23:59:59.999999"),
    (ages(1, 1, "day"), "2025-03-09T00:00", "2025-03-09T23:59:59.999999"),
    (ages(23, 22, "hour"), "2025-03-09T00:00", "2025-03-09T01:00"),
    (last(1, "week"), "2025-03-04T00:00", "2025-03-10T23:59:59.999999"),
    (last(1, "month"), "2025-02-11T00:00", "2025-03-10T23:59:59.999999"),
    (last(1, "year"), "2024-03-11T00:00", "2025-03-10T23:59:59.999999"),
    ({"since": "account.customer_since"}, "2025-03-08T00:00", "2025-03-10T23:59:59.999999"),
    ({"since": "account.created_at"}, "2025-03-09T00:00", "2025-03-10T23:59:59.999999"),
]
LONG_DAY = [  # at 00:00 on 3 November 2025 in New York: the day before had 25 hours
    (last(24, "hour"), "2025-11-02T01:00", "2025-11-03T00:00"),
    (last(2, "day"), "2025-11-02T00:00", "2025-11-03T23:59:59.999999"),
    (ages(1, 1, "day"), "2025-11-02T00:00", "2025-11-02T23:59:59.999999"),
    (ages(25, 24, "hour"), "2025-11-02T00:00", "2025-11-02T01:00"),
    (last(1, "week"), "2025-10-28T00:00", "2025-11-03T23:59:59.999999"),
    (last(1, "month"), "2025-10-04T00:00", "2025-11-03T23:59:59.999999"),
    (last(1, "year"), "2024-11-04T00:00", "2025-11-03T23:59:59.999999"),
    ({"since": "account.customer_since"}, "2025-11-01T00:00", "2025-11-03T23:59:59.999999"),
    ({"since": "account.created_at"}, "2025-11-02T00:00", "2025-11-03T23:59:59.999999"),
]


# What is asked, and the first and the last local time of the window of the same length just before it.
LEAP_BEFORE = [
    (last(1, "hour"), "2024-02-28T22:00", "2024-02-28T22:59:59.999999"),
    (last(24, "hour"), "2024-02-27T00:00", "2024-02-27T23:59:59.999999"),
    (last(1, "day"), "2024-02-28T00:00", "2024-02-28T23:59:59.999999"),
    (last(7, "day"), "2024-02-16T00:00", "2024-02-22T23:59:59.999999"),
    (last(30, "day"), "2024-01-01T00:00", "2024-01-30T23:59:59.999999"),
    (last(1, "week"), "2024-02-16T00:00", "2024-02-22T23:59:59.999999"),
    (last(1, "month"), "2023-12-30T00:00", "2024-01-29T23:59:59.999999"),  # 31 days, as from 30 January
    (last(1, "year"), "2022-02-28T00:00", "2023-02-28T23:59:59.999999"),  # 366 days
]
SHORT_BEFORE = [
    (last(24, "hour"), "2025-03-07T23:00", "2025-03-08T22:59:59.999999"),
    (last(1, "day"), "2025-03-09T00:00", "2025-03-09T23:59:59.999999"),
    (last(2, "day"), "2025-03-07T00:00", "2025-03-08T23:59:59.999999"),
    (last(1, "week"), "2025-02-25T00:00", "2025-03-03T23:59:59.999999"),
    (last(1, "month"), "2025-01-14T00:00", "2025-02-10T23:59:59.999999"),  # 28 days
    (last(1, "year"), "2023-03-12T00:00", "2024-03-10T23:59:59.999999"),  # 365 days, one of them the 29th of February
]
LONG_BEFORE = [
    (last(24, "hour"), "2025-11-01T01:00", "2025-11-02T00:59:59.999999"),
    (last(1, "day"), "2025-11-02T00:00", "2025-11-02T23:59:59.999999"),
    (last(1, "week"), "2025-10-21T00:00", "2025-10-27T23:59:59.999999"),
    (last(1, "month"), "2025-09-03T00:00", "2025-10-03T23:59:59.999999"),  # 31 days
]
TICK = dt.timedelta(microseconds=1)


def edges_of(texts: list[str | None], here: Any) -> dict[str, dt.datetime]:
    """The instants on both sides of a first and a last local time, by the account in which something happens then."""
    found = {}
    for name, text, outwards in zip(("first", "last"), texts, (-TICK, TICK), strict=True):
        # The same instant on the clock of UTC, on which a microsecond is one.
        edge = dt.datetime.fromisoformat(text or "2001-01-01").replace(tzinfo=here).astimezone(dt.UTC)
        found |= {f"{name} in": edge, f"{name} out": edge + outwards}
    return found


def told(facts: list[tuple[str, str, dt.datetime]], now: Moment) -> Callable[..., set[str]]:
    """These events (account, name, instant) are there; who meets a condition on events."""
    of = [EventFact(str(number), name, at, key, None, {}) for number, (key, name, at) in enumerate(facts)]
    assert PostgresStore().append(of, source="test").stored == len(facts)
    roll_up(now)
    reader = Reader.now(now)

    def who(**asked: Any) -> set[str]:
        found = reader.read({"match": "all", "rules": [event(**asked)]}).accounts()
        return set(found.values_list("external_id", flat=True))

    return who


def at(midnight: dt.datetime, here: Any) -> Moment:
    """That midnight, with four accounts that are customers for two days, and were made just before the midnight."""
    for key in FOUR:
        factories.account(external_id=key, customer_since=midnight.date() - dt.timedelta(days=2))
    Account.objects.update(created_at=(midnight - TICK).replace(tzinfo=here))
    return Moment(midnight.replace(tzinfo=here).astimezone(dt.UTC), here)


@pytest.mark.parametrize(
    ("zone", "midnight", "windows"),
    [
        ("Pacific/Tongatapu", dt.datetime(2024, 2, 29), LEAP_MIDNIGHT),  # UTC+13
        ("Pacific/Pago_Pago", dt.datetime(2024, 2, 29), LEAP_MIDNIGHT),  # UTC-11
        ("America/New_York", dt.datetime(2025, 3, 10), SHORT_DAY),
        ("America/New_York", dt.datetime(2025, 11, 3), LONG_DAY),
    ],
)
def test_where_every_window_begins_and_ends(zone: str, midnight: dt.datetime, windows: list[Any]) -> None:
    here = settle_in(zone)
    facts, expected, now = [], [], at(midnight, here)
    for number, (_, *texts) in enumerate(windows):
        expected.append(set(FOUR) if None in texts else {"first in", "last in"})
        edges = edges_of(texts, here)
        facts += [(key, f"Edge {number}", edge) for key, edge in edges.items()]
        # What happened just before the window, too, is not new in it.
        facts += [(key, f"New {number}", edge) for key, edge in edges.items()]
        facts.append(("last in", f"New {number}", edges["first out"]))
    who = told(facts, now)
    for number, (window, *_) in enumerate(windows):
        assert who(name=f"Edge {number}", value=1, window=window) == expected[number], window
        assert who(name=f"Edge {number}", op="never", window=window) == FOUR - expected[number], window
        if window != "ever":
            assert who(name=f"New {number}", op="first_time_in", window=window) == {"first in"}, window


@pytest.mark.parametrize(
    ("zone", "midnight", "windows"),
    [
        ("Pacific/Tongatapu", dt.datetime(2024, 2, 29), LEAP_BEFORE),
        ("Pacific/Pago_Pago", dt.datetime(2024, 2, 29), LEAP_BEFORE),
        ("America/New_York", dt.datetime(2025, 3, 10), SHORT_BEFORE),
        ("America/New_York", dt.datetime(2025, 11, 3), LONG_BEFORE),
    ],
)
def test_where_the_window_before_begins_and_ends(zone: str, midnight: dt.datetime, windows: list[Any]) -> None:
    here = settle_in(zone)
    facts, now = [], at(midnight, here)
    for number, (_, *texts) in enumerate(windows):
        for key, edge in edges_of(texts, here).items():
            facts += [(key, f"Once {number}", edge)]
            facts += [(key, f"Again {number}", one) for one in (edge, now.now)]
            facts += [(key, f"More {number}", one) for one in (edge, now.now, now.now)]
    who, half = told(facts, now), {"percent": 50}
    for number, (window, *_) in enumerate(windows):
        before = {"first in", "last in"}
        assert who(name=f"Once {number}", op="stopped", window=window) == before, window
        assert who(name=f"Once {number}", op="decreased_by", value=half, window=window) == before, window
        assert who(name=f"More {number}", op="increased_by", value=half, window=window) == before, window
        assert who(name=f"Again {number}", op="restarted", window=window) == {"first out"}, window
