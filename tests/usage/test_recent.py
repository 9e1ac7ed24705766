"""The kept counts of recent windows are those of the daily usage, whatever is written when, and rules may use them."""

from __future__ import annotations

import datetime as dt
import random
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.models import Account
from core.clock import Moment, moment
from segments.questions import Reader
from segments.rules.counting import _Rows
from tests import factories
from tests.committing import committed
from usage.models import DailyUsage, EventName, RecentCount
from usage.recent import COMPARED, WINDOWS, is_current
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

__all__ = ["committed"]
NOW = dt.datetime.now(dt.UTC).replace(hour=12)


def present(days: int = 0) -> Moment:
    """Noon, some days from now."""
    return moment(NOW + dt.timedelta(days=days))


def windows(today: dt.date) -> set[tuple[dt.date, int]]:
    """The last days and the lengths of what should be kept: up to today, and up to the day before a window."""
    return {(today, n) for n in WINDOWS} | {(today - dt.timedelta(days=n), n) for n in COMPARED}


def by_hand(today: dt.date) -> set[tuple[Any, ...]]:
    """What should be kept, added up here."""
    found = set()
    for last, days in windows(today):
        rows: dict[tuple[int, int], list[DailyUsage]] = {}
        for row in DailyUsage.objects.filter(day__gt=last - dt.timedelta(days=days), day__lte=last):
            rows.setdefault((row.name_id, row.account_id), []).append(row)
        for (name, account), items in rows.items():
            users = {item.user_id for item in items if item.user_id}
            sums = (sum(item.count for item in items), len(users), len({item.day for item in items}))
            found.add((last, days, name, account, *sums))
    return found


def kept(today: dt.date) -> set[tuple[Any, ...]]:
    """What is kept."""
    names = ("day", "days", "name_id", "account_id", "count", "users", "active_days")
    rows = list(RecentCount.objects.values_list(*names))
    assert len(rows) == len(set(rows))
    return {row for row in rows if row[:2] in windows(today)}


def events(number: int, seed: int = 1) -> list[EventFact]:
    """Events of the last hundred days, in no order, of three accounts and four users."""
    dice = random.Random(seed)
    return [
        EventFact(
            f"m{seed}-{place}",
            dice.choice(["Login", "Export"]),
            NOW - dt.timedelta(days=dice.choice([0, 1, 6, 7, 29, 30, 59, 89, 90, 100]), hours=dice.randrange(12)),
            dice.choice(["a0", "a1", "a2"]),
            dice.choice(["u0", "u1", "u2", "u3", None]),
        )
        for place in range(number)
    ]


@pytest.fixture
def company(db: None) -> None:
    for place in range(4):
        factories.account(external_id=f"a{place}")
        factories.end_user(external_id=f"u{place}")


@pytest.mark.usefixtures("company")
def test_each_batch_leaves_what_a_full_count_would_give_late_and_backdated_events_too() -> None:
    today = present().today
    store = PostgresStore()
    for start in range(0, 240, 40):
        store.append(events(240)[start : start + 40], source="test")
        roll_up(present())
        assert is_current(today) and kept(today) == by_hand(today) != set()
    store.append(events(240), source="test")  # all of them again
    roll_up(present())
    assert is_current(today) and kept(today) == by_hand(today)


@pytest.mark.usefixtures("company")
def test_a_new_day_counts_all_anew_and_keeps_the_last_ones_for_two_days() -> None:
    PostgresStore().append(events(80), source="test")
    for days in range(4):
        roll_up(present(days))
        today = present(days).today
        assert is_current(today) and kept(today) == by_hand(today)
        assert not is_current(present(days - 1).today)
    told = set(RecentCount.objects.values_list("day", "days"))
    assert told == set.union(*(windows(present(days).today) for days in (1, 2, 3)))


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("how", ["created", "changed", "deleted"])
def test_whoever_else_writes_daily_usage_puts_them_out_of_use_until_the_next_roll_up(how: str) -> None:
    PostgresStore().append(events(80), source="test")
    roll_up(present())
    today = present().today
    if how == "created":
        name, account = EventName.objects.get(name="Login"), Account.objects.get(external_id="a3")
        DailyUsage.objects.create(name=name, account=account, day=today, count=5)
    elif how == "changed":
        DailyUsage.objects.filter(day=today).update(count=77)
    else:
        DailyUsage.objects.filter(day=today).delete()
    assert not is_current(today) and kept(today) != by_hand(today)
    roll_up(present())
    assert is_current(today) and kept(today) == by_hand(today)


def turning() -> list[EventFact]:
    """One account that stopped after two windows, one that began yesterday, one that does less, one that does more."""
    days = {"stopped": [10, 11, 40, 40, 100], "began": [1, 1], "less": [40, 41, 42, 9, 9, 2], "more": [40, 9, 2, 1]}
    return [
        EventFact(f"t{key}{place}", "Login", NOW - dt.timedelta(days=ago), key, f"u{place}")
        for key, listed in days.items()
        for place, ago in enumerate(listed)
    ]


@pytest.fixture
def marked(company: None) -> Iterator[Reader]:
    PostgresStore().append([*events(120), *turning()], source="test", create_missing=True)
    roll_up(present())
    yield Reader.now(present())


def test_rules_give_the_same_accounts_with_and_without_them(marked: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    without = Reader.now(present())
    without.vocabulary._windows[present().today] = ()  # as if they were stale
    unmeasured = ("never", "first_time_in", "stopped", "restarted")
    wanted: list[dict[str, Any]] = [{"op": op} for op in unmeasured]
    wanted += [
        {"op": op, "value": n}
        for op in ("at_least", "at_most", "exactly", "more_than", "less_than")
        for n in (0, 1, 3, 9)
    ]
    wanted += [{"op": "between", "value": [2, 12]}]
    wanted += [{"op": f"{way}_by", "value": {"percent": n}} for way in ("increased", "decreased") for n in (1, 50, 100)]
    used, found = 0, {item["op"]: 0 for item in wanted}
    for days in (7, 8, 30, 90):
        for measure in ("count", "users", "days"):
            for name in ("Login", "Export"):
                for item in wanted:
                    node = {"event": name, "window": {"last": days, "unit": "day"}, **item}
                    node |= {} if item["op"] in unmeasured else {"measure": measure}
                    rule = {"match": "all", "rules": [node]}
                    fast = marked.read(rule).accounts().order_by("pk")
                    with monkeypatch.context() as patch:
                        patch.setattr(_Rows, "first", lambda _: None)
                        slow = without.read(rule).accounts().order_by("pk")
                    kept = "usage_firstuse" if item["op"] == "first_time_in" else "usage_recentcount"
                    used += kept in str(fast.query)
                    assert not re.search("usage_(recentcount|firstuse)", str(slow.query))
                    assert list(fast) == list(slow), node
                    found[item["op"]] += len(fast)
    assert used == 3 * 3 * 2 * len(wanted) + 3 * 2  # of eight days only the first use is kept
    assert all(found.values()), f"some of these matched nobody: {found}"


@pytest.mark.parametrize(
    "other",
    [
        {"window": {"last": 30, "unit": "hour"}},
        {"window": {"last": 1, "unit": "week"}},
        {"window": "ever"},
        {"anywhere": True},
    ],
)
def test_other_windows_and_contexts_are_counted_as_before(marked: Reader, other: dict[str, Any]) -> None:
    node = {"event": "Login", "op": "at_least", "value": 2, "window": {"last": 30, "unit": "day"}} | other
    assert "usage_recentcount" not in str(marked.read({"match": "all", "rules": [node]}).accounts().query)


@pytest.mark.usefixtures("committed")
def test_a_write_that_is_not_over_yet_is_not_forgotten() -> None:
    for key in ("a0", "a1"):
        factories.account(external_id=key)
    store, today = PostgresStore(), present().today
    store.append([EventFact("m1", "Login", NOW, "a0", None)], source="test")
    roll_up(present())
    written, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            DailyUsage.objects.filter(day=today).delete()
            written.set()
            go_on.wait(10)
        connections.close_all()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    written.wait(10)
    # Of another account: what the same one's usage is made of waits until the write is over.
    store.append([EventFact("m2", "Login", NOW - dt.timedelta(days=3), "a1", None)], source="test")
    roll_up(present())
    go_on.set()
    writer.join(10)
    assert not is_current(today)
    roll_up(present())
    assert is_current(today) and kept(today) == by_hand(today) != set()
