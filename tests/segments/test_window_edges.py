"""Where each window of events begins and ends, to the microsecond: written out by hand for four midnights."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

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
    ("ever", None, None),
]
SHORT_DAY = [  # at 00:00 on 10 March 2025 in New York: the day before had 23 hours
    (last(24, "hour"), "2025-03-08T23:00", "2025-03-10T00:00"),
    (last(2, "day"), "2025-03-09T00:00", "2025-03-10T23:59:59.999999"),
    (ages(1, 1, "day"), "2025-03-09T00:00", "2025-03-09T23:59:59.999999"),
    (ages(23, 22, "hour"), "2025-03-09T00:00", "2025-03-09T01:00"),
]
LONG_DAY = [  # at 00:00 on 3 November 2025 in New York: the day before had 25 hours
    (last(24, "hour"), "2025-11-02T01:00", "2025-11-03T00:00"),
    (last(2, "day"), "2025-11-02T00:00", "2025-11-03T23:59:59.999999"),
    (ages(1, 1, "day"), "2025-11-02T00:00", "2025-11-02T23:59:59.999999"),
    (ages(25, 24, "hour"), "2025-11-02T00:00", "2025-11-02T01:00"),
]


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
    here, tick = settle_in(zone), dt.timedelta(microseconds=1)
    for key in FOUR:
        factories.account(external_id=key, customer_since=dt.date(2024, 2, 27))
    facts, expected = [], []
    for number, (_, *edges) in enumerate(windows):
        expected.append(set(FOUR) if None in edges else {"first in", "last in"})
        for name, text, outwards in zip(("first", "last"), edges, (-tick, tick), strict=True):
            # The same instant on the clock of UTC, on which a microsecond is one.
            edge = dt.datetime.fromisoformat(text or "2001-01-01").replace(tzinfo=here).astimezone(dt.UTC)
            for key, at in ((f"{name} in", edge), (f"{name} out", edge + outwards)):
                facts.append(EventFact(f"{key} {number}", f"Edge {number}", at, key, None, {}))
    assert PostgresStore().append(facts, source="test").stored == len(facts)
    now = Moment(midnight.replace(tzinfo=here).astimezone(dt.UTC), here)
    roll_up(now)
    reader = Reader.now(now)

    def who(**asked: Any) -> set[str]:
        found = reader.read({"match": "all", "rules": [event(**asked)]}).accounts()
        return set(found.values_list("external_id", flat=True))

    for number, (window, *_) in enumerate(windows):
        assert who(name=f"Edge {number}", value=1, window=window) == expected[number], window
        assert who(name=f"Edge {number}", op="never", window=window) == FOUR - expected[number], window
