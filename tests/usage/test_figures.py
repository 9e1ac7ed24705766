"""Trend, breadth, concentration and rhythm as fields, against a count in plain Python over drawn events."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from accounts.fields import Subject, vocabulary
from accounts.models import Account
from core.clock import Moment, moment
from core.models import Workspace
from tests import factories
from usage.metrics import masks, refresh_metrics
from usage.models import AccountUsage, ActiveMonth, DailyUsage, RecentDay, UserActivity
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore
from usage.store.postgres import mark_days

pytestmark = pytest.mark.django_db
ZONE = "America/New_York"
NOW = dt.datetime(2026, 3, 31, 15, tzinfo=dt.UTC)
PERIODS = {
    "30d": (0, 29),
    "90d": (0, 89),
    "180d": (0, 179),
    "365d": (0, 364),
    "before_30d": (30, 59),
    "before_90d": (90, 179),
}
KEYS = [
    "account.active_users_30d", "account.active_users_90d", "account.active_users_365d", "account.active_days_30d",
    "account.active_days_90d", "account.active_days_180d", "account.event_kinds_30d", "account.event_kinds_90d",
    "account.events_30d", "account.active_users_change_30d",
    "account.active_users_change_90d", "account.active_days_change_30d", "account.active_days_change_90d",
    "account.users_kept_90d", "account.busiest_user_90d", "account.usual_gap",
]  # fmt: skip


@pytest.fixture(autouse=True)
def new_york() -> None:
    workspace = Workspace.get()
    workspace.time_zone = ZONE
    workspace.save()


def drawn(seed: int, accounts: list[str], users: list[str], number: int = 260) -> list[EventFact]:
    """Events over more than a year, the later half year denser, of users and of nobody, each account less busy; one in
    five is about somebody who was not there."""
    dice = random.Random(seed)
    found = []
    for i in range(number):
        back = dice.choice([dice.randrange(400), dice.randrange(185), dice.randrange(60)])
        at = NOW - dt.timedelta(days=back, seconds=dice.randrange(86_400))
        home = accounts[min(dice.randrange(len(accounts)), dice.randrange(len(accounts)))]
        by, active = dice.choice([*users, None]), dice.random() < 0.8
        found.append(EventFact(f"m{seed}-{i}", dice.choice("ABCD"), at, home, by, active=active))
    return found


def tenth(above: int, below: int) -> Decimal | None:
    return (Decimal(above) / below).quantize(Decimal("0.1"), ROUND_HALF_UP) if below else None


def by_hand(events: Iterable[EventFact], present: Moment) -> dict[str, Any]:
    """The figures of one account: kinds of all events, users and days of those where somebody was there."""
    every = [((present.today - e.at.astimezone(present.zone).date()).days, e.user, e.name, e.active) for e in events]
    marks = [mark[:3] for mark in every if mark[3]]

    def during(name: str) -> list[tuple[int, str | None, str]]:
        near, far = PERIODS[name]
        return [mark for mark in marks if near <= mark[0] <= far]

    def kinds(name: str) -> int:
        near, far = PERIODS[name]
        return len({kind for day, _, kind, _ in every if near <= day <= far})

    users = {name: len({user for _, user, _ in during(name)} - {None}) for name in PERIODS}
    days = {name: len({day for day, _, _ in during(name)}) for name in PERIODS}
    each = Counter(user for _, user in {(day, user) for day, user, _ in during("90d")} if user)
    half = sorted({day for day, _, _ in marks if 0 <= day < 180})
    return {
        **{f"account.active_users_{name}": users[name] for name in ("30d", "90d", "365d")},
        **{f"account.active_days_{name}": days[name] for name in ("30d", "90d", "180d")},
        **{f"account.event_kinds_{name}": kinds(name) for name in ("30d", "90d")},
        "account.events_30d": sum(0 <= day < 30 for day, *_ in every),
        **{
            f"account.active_{what}_change_{name}": tenth(
                100 * (counts[name] - counts[f"before_{name}"]), counts[f"before_{name}"]
            )
            for what, counts in (("users", users), ("days", days))
            for name in ("30d", "90d")
        },
        "account.users_kept_90d": tenth(100 * users["90d"], users["365d"]),
        "account.busiest_user_90d": tenth(100 * max(each.values(), default=0), sum(each.values())),
        "account.usual_gap": tenth(half[-1] - half[0], len(half) - 1) if len(half) > 1 else None,
    }


def told() -> dict[str, dict[str, Any]]:
    """What the registry's fields say, by account."""
    words = vocabulary().about(Subject.ACCOUNT)
    columns = {f"v{i}": words[key].value("") for i, key in enumerate(KEYS)}
    rows = Account.objects.order_by("pk").annotate(**columns).values_list("external_id", *columns)
    return {row[0]: dict(zip(KEYS, row[1:], strict=True)) for row in rows}


def expected(accounts: list[str], events: list[EventFact], present: Moment) -> dict[str, dict[str, Any]]:
    return {name: by_hand([e for e in events if e.account == name], present) for name in accounts}


def active_months() -> Counter[tuple[Any, ...]]:
    """The bits as days, and the same from the daily usage, must be one."""
    found: Counter[tuple[Any, ...]] = Counter()
    for account, user, month, days in ActiveMonth.objects.values_list("account", "user", "month", "days"):
        found.update((account, user, month + dt.timedelta(days=bit)) for bit in range(31) if days >> bit & 1)
    active = DailyUsage.objects.active().order_by().values_list("account", "user", "day")
    assert set(found) == set(active) and found.total() == len(found)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_that_of_a_count_by_hand(seed: int) -> None:
    accounts = [factories.account().external_id for _ in range(5)]
    users = [factories.end_user().external_id for _ in range(6)]
    events, present = drawn(seed, accounts, users), moment(NOW)
    for part in (events[:150], events[150:]):
        PostgresStore().append(part, source="app")
        roll_up(present)
        refresh_metrics(present)
    assert told() == expected(accounts, events, present)
    assert active_months()
    kinds = told()
    RecentDay.objects.all().delete()  # without the counts of the last days the daily usage answers
    assert refresh_metrics(present) == set() and told() == kinds
    later = moment(NOW + dt.timedelta(days=31))
    roll_up(later)
    refresh_metrics(later)
    assert told() == expected(accounts, events, later)


def test_of_an_account_that_is_silent_or_was_never_heard_of_only_counts_are_known() -> None:
    silent, lately, never = (factories.account().external_id for _ in range(3))
    by = factories.end_user().external_id
    days = {silent: 200, lately: 60}
    events = [EventFact(f"m{back}", "A", NOW - dt.timedelta(days=back), of, by) for of, back in days.items()]
    PostgresStore().append(events, source="app")
    roll_up(moment(NOW))
    assert told()[never] == expected([never], [], moment(NOW))[never]  # before the first refresh
    refresh_metrics(moment(NOW))
    assert told() == expected([silent, lately, never], events, moment(NOW))
    assert told()[silent]["account.users_kept_90d"] == 0 and told()[never]["account.users_kept_90d"] is None


def test_an_earlier_day_is_as_it_was_whatever_came_since() -> None:
    """What the months know of later days does not count, so that the past can be made again."""
    accounts = [factories.account().external_id for _ in range(2)]
    users = [factories.end_user().external_id for _ in range(3)]
    events = drawn(7, accounts, users)
    PostgresStore().append(events, source="app")
    roll_up(moment(NOW))
    past = moment(NOW - dt.timedelta(days=45))
    refresh_metrics(past)
    before = [e for e in events if e.at.astimezone(past.zone).date() <= past.today]
    mine = [key for key in KEYS if not key.startswith("account.active_users_") and key != "account.users_kept_90d"]
    mine += ["account.active_days_change_90d"]
    wanted = expected(accounts, before, past)
    assert {n: [row[k] for k in mine] for n, row in told().items()} == {
        n: [row[k] for k in mine] for n, row in wanted.items()
    }


def test_what_is_taken_away_is_counted_no_more() -> None:
    accounts = [factories.account().external_id for _ in range(2)]
    users = [factories.end_user().external_id for _ in range(3)]
    events, present = drawn(3, accounts, users), moment(NOW)
    PostgresStore().append(events, source="app")
    roll_up(present)
    gone, kept = events[:90], events[90:]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM usage_event WHERE message_id = ANY(%s)", [[event.message_id for event in gone]])
    mark_days([event.at.astimezone(present.zone).date() for event in gone])
    roll_up(present)
    refresh_metrics(present)
    found, wanted = told(), expected(accounts, kept, present)
    keys = [
        key
        for key in KEYS
        if "days" in key or "kinds" in key or key in ("account.busiest_user_90d", "account.usual_gap")
    ]
    for name in accounts:
        assert {k: found[name][k] for k in keys} == {k: wanted[name][k] for k in keys}
    active_months()
    user = UserActivity.objects.order_by("user").first()
    assert user is not None
    DailyUsage.objects.filter(user=user.user).delete()
    assert not ActiveMonth.objects.filter(user=user.user).exists() and active_months()
    DailyUsage.objects.all().delete()
    assert not ActiveMonth.objects.exists()


def test_a_merged_user_is_one() -> None:
    account, one, two = factories.account(), factories.end_user(), factories.end_user()
    for number, user in enumerate((one, two, two)):
        at = NOW - dt.timedelta(days=number)
        PostgresStore().append([EventFact(f"m{number}", "A", at, account.external_id, user.external_id)], source="app")
    roll_up(moment(NOW))
    PostgresStore().move_user(two.pk, one.pk)
    roll_up(moment(NOW))
    refresh_metrics(moment(NOW))
    usage = AccountUsage.objects.get()
    assert (usage.user_days_90d, usage.busiest_user_days_90d, usage.active_days_90d) == (3, 3, 3)
    active_months()


def test_some_accounts_are_brought_up_to_date_like_all() -> None:
    accounts = [factories.account() for _ in range(3)]
    users = [factories.end_user().external_id for _ in range(3)]
    PostgresStore().append(drawn(5, [a.external_id for a in accounts], users), source="app")
    roll_up(moment(NOW))
    assert refresh_metrics(moment(NOW), [accounts[0].pk]) == {accounts[0].pk}
    first = told()[accounts[0].external_id]
    assert refresh_metrics(moment(NOW)) == {accounts[1].pk, accounts[2].pk}
    assert told()[accounts[0].external_id] == first


def test_what_is_known_before_the_months_were_kept_is_filled_in() -> None:
    account = factories.account()
    events = drawn(9, [account.external_id], [factories.end_user().external_id])
    PostgresStore().append([event for event in events if event.active], source="app")  # then there were no others
    roll_up(moment(NOW))
    before = active_months()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM usage_activemonth")
        cursor.execute(import_module("usage.migrations.0010_foresight").FILL)
    assert active_months() == before
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE usage_dailyusage")
    assert not ActiveMonth.objects.exists()


@pytest.mark.parametrize(
    "today", [dt.date(2026, 3, 31), dt.date(2024, 2, 29), dt.date(2025, 1, 1), dt.date(2026, 7, 1)]
)
def test_a_mask_holds_every_day_of_its_period_once(today: dt.date) -> None:
    found = masks(today)
    for name, (near, far) in {"last30": (0, 29), "before90": (90, 179), "half_year": (0, 179)}.items():
        days = [
            month + dt.timedelta(days=bit)
            for month, bits in zip(found["months"], found[name], strict=True)
            for bit in range(31)
            if bits >> bit & 1 and (month + dt.timedelta(days=bit)).month == month.month
        ]
        assert days == [today - dt.timedelta(days=back) for back in range(far, near - 1, -1)]
