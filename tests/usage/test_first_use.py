"""The first day of each event in each account is that of the daily usage, whatever is added, taken away or at once."""

from __future__ import annotations

import datetime as dt
import random
import threading
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Min

from accounts.models import Account
from core.clock import moment
from segments.questions import Reader
from tests import factories
from tests.committing import committed
from usage.models import DailyUsage, EventName, FirstUse
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

__all__ = ["committed"]
TODAY = dt.date(2026, 11, 25)


def ago(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


def first_days() -> set[tuple[Any, ...]]:
    """What is kept, after it was compared with the daily usage."""
    kept = set(FirstUse.objects.values_list("account", "name", "day"))
    wanted = DailyUsage.objects.order_by().values("account", "name").annotate(first=Min("day"))
    assert kept == set(wanted.values_list("account", "name", "first"))
    return kept


@pytest.mark.django_db
def test_it_follows_every_write_to_the_daily_usage() -> None:
    dice = random.Random(4)
    accounts = [factories.account() for _ in range(3)]
    users = [factories.end_user() for _ in range(3)]
    names = [EventName.objects.create(name=name) for name in ("A", "B")]
    keys = {
        (dice.choice(accounts), dice.choice(names), dice.choice([*users, None]), ago(dice.randrange(400)))
        for _ in range(60)
    }
    rows = [DailyUsage(account=a, name=n, user=u, day=d, count=1) for a, n, u, d in sorted(keys, key=str)]
    dice.shuffle(rows)
    for start in range(0, len(rows), 15):
        DailyUsage.objects.bulk_create(rows[start : start + 15])
        assert first_days()
    DailyUsage.objects.update(count=5)
    before = first_days()
    for _ in range(4):  # the first days go, and so do some that are not the first
        firsts = [row[2] for row in first_days()][:2]
        DailyUsage.objects.filter(day__in=[*firsts, dice.choice(rows).day]).delete()
        assert first_days() < before or first_days() != before
    users[0].delete()
    accounts[0].delete()
    left = first_days()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM usage_firstuse")
        cursor.execute(import_module("usage.migrations.0012_first_use").FILL)
        assert first_days() == left != set()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE usage_dailyusage")
    assert first_days() == set()


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("removal_first", [True, False])
def test_who_adds_a_day_while_the_first_one_goes_is_not_missed(removal_first: bool) -> None:
    """The one that comes second waits for the other, and then knows of it."""
    account, name = factories.account(), EventName.objects.create(name="A")
    for days in (70, 5):  # in another month than the one added, so that nothing else makes them wait
        DailyUsage.objects.create(account=account, name=name, day=ago(days), count=1)
    waiting, go_on = threading.Event(), threading.Event()

    def remove() -> None:
        DailyUsage.objects.filter(day=ago(70)).delete()

    def add() -> None:
        DailyUsage.objects.create(account=account, name=name, day=ago(40), count=1)

    def hold(write: Any) -> None:
        with transaction.atomic():
            write()
            waiting.set()
            go_on.wait(10)
        connections.close_all()

    def follow(write: Any) -> None:
        write()
        connections.close_all()

    first, second = (remove, add) if removal_first else (add, remove)
    holder = threading.Thread(target=hold, args=(first,), daemon=True)
    holder.start()
    waiting.wait(10)
    follower = threading.Thread(target=follow, args=(second,), daemon=True)
    follower.start()
    follower.join(0.3)
    assert follower.is_alive()
    go_on.set()
    for thread in (holder, follower):
        thread.join(10)
    assert first_days() == {(account.pk, name.pk, ago(40))}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ({"op": "first_time_in", "window": {"last": 30, "unit": "day"}}, {"new"}),
        ({"op": "first_time_in", "window": {"last": 2, "unit": "month"}}, {"new", "edge"}),
        ({"op": "first_time_in", "window": {"between": [40, 30], "unit": "day"}}, {"edge"}),
        ({"op": "at_least", "value": 1, "window": "ever"}, {"new", "edge", "old", "back"}),
        ({"op": "never", "window": "ever"}, {"none"}),
        ({"op": "restarted", "window": {"last": 30, "unit": "day"}}, {"back"}),
    ],
)
def test_rules_read_it_instead_of_all_days(node: dict[str, Any], wanted: set[str]) -> None:
    present = moment()
    days = {"new": [29, 1], "edge": [30, 5], "old": [300, 40, 5], "back": [300, 5], "none": []}
    facts = [
        EventFact(f"{key}{day}", "A", present.now - dt.timedelta(days=day), key, None)
        for key, listed in days.items()
        for day in listed
    ]
    PostgresStore().append(facts, source="test", create_missing=True)
    factories.account(external_id="none")
    roll_up(present)
    found = Reader.now(present).read({"match": "all", "rules": [{"event": "A", **node}]}).accounts()
    assert "usage_dailyusage" not in str(found.query) and "usage_firstuse" in str(found.query)
    assert set(found.values_list("external_id", flat=True)) == wanted
    assert Account.objects.count() == 5
