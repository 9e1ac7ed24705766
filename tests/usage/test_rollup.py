"""Daily usage, last seen and active users agree with a count by hand, whatever the order, lateness and repetition."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core.clock import Moment, moment
from core.models import Workspace
from tests import factories
from usage.metrics import refresh_metrics
from usage.models import AccountUsage, ActiveMonth, DailyUsage, DirtyDay, UserActivity
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore
from usage.store.postgres import mark_days

ZONE = "America/New_York"
START = dt.datetime(2026, 2, 20, tzinfo=dt.UTC)


@pytest.fixture
def new_york() -> None:
    workspace = Workspace.get()
    workspace.time_zone = ZONE
    workspace.save()


def happenings(seed: int, accounts: list[str], users: list[str]) -> list[EventFact]:
    """Events over forty days, which hold the change to summer time of New York (8 March 2026); some are about somebody
    who was not there."""
    dice = random.Random(seed)
    return [
        EventFact(
            f"m{number}",
            dice.choice(["Login", "Export"]),
            START + dt.timedelta(seconds=dice.randrange(40 * 86_400)),
            dice.choice([*accounts, None]),
            dice.choice([*users, None]),
            active=dice.random() < 0.7,
        )
        for number in range(300)
    ]


def by_hand(events: list[EventFact], zone: str = ZONE) -> dict[tuple[Any, ...], tuple[int, int]]:
    """How many there were, and of those about somebody who was not there."""
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for event in events:
        if event.account:
            key = (event.account, event.user, event.name, event.at.astimezone(ZoneInfo(zone)).date())
            count, absent = found.get(key, (0, 0))
            found[key] = count + 1, absent + (not event.active)
    return found


def counted() -> dict[tuple[Any, ...], tuple[int, int]]:
    keys = ("account__external_id", "user__external_id", "name__name", "day", "count", "absent")
    return {row[:4]: row[4:] for row in DailyUsage.objects.values_list(*keys)}


@pytest.mark.django_db
class TestCounting:
    @pytest.mark.parametrize("seed", range(5))
    def test_any_order_and_repetition_counts_as_by_hand(self, seed: int, new_york: None) -> None:
        accounts = [factories.account().external_id for _ in range(3)]
        users = [factories.end_user().external_id for _ in range(4)]
        events = happenings(seed, accounts, users)
        sent = events + events[:100]
        random.Random(seed).shuffle(sent)
        for start in range(0, len(sent), 70):
            PostgresStore().append(sent[start : start + 70], source="app")
            if start % 140:
                roll_up()
        roll_up()
        assert counted() == by_hand(events)
        assert not DirtyDay.objects.exists()
        self._seen(events)

    def _seen(self, events: list[EventFact]) -> None:
        pairs: dict[tuple[Any, Any], list[dt.datetime]] = {}
        homes: dict[Any, list[dt.datetime]] = {}
        for event in events:
            if event.account and event.active:
                homes.setdefault(event.account, []).append(event.at)
                if event.user:
                    pairs.setdefault((event.account, event.user), []).append(event.at)
        rows = UserActivity.objects.values_list(
            "account__external_id", "user__external_id", "first_seen_at", "last_seen_at"
        )
        assert {row[:2]: row[2:] for row in rows} == {key: (min(at), max(at)) for key, at in pairs.items()}
        seen = AccountUsage.objects.values_list("account__external_id", "first_seen_at", "last_seen_at")
        assert {row[0]: row[1:] for row in seen} == {key: (min(at), max(at)) for key, at in homes.items()}

    @pytest.mark.parametrize("seed", range(3))
    def test_a_day_that_is_counted_anew_knows_who_was_there(self, seed: int, new_york: None) -> None:
        """Also where the only sign of life of a day is gone, or an absent one makes a day that was none."""
        accounts = [factories.account().external_id for _ in range(2)]
        users = [factories.end_user().external_id for _ in range(2)]
        events = happenings(seed, accounts, users)
        PostgresStore().append(events, source="app")
        roll_up()
        gone = [event for event in events[:120] if event.active]
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM usage_event WHERE message_id = ANY(%s)", [[event.message_id for event in gone]])
        mark_days([event.at.astimezone(ZoneInfo(ZONE)).date() for event in gone])
        roll_up()
        kept = [event for event in events if event not in gone]
        assert counted() == by_hand(kept)
        late = [replace(event, message_id=f"late-{event.message_id}") for event in gone[:40]]
        PostgresStore().append(late, source="app")
        roll_up()
        assert counted() == by_hand([*kept, *late])
        months: set[tuple[Any, ...]] = set()
        for account, user, month, days in ActiveMonth.objects.values_list("account", "user", "month", "days"):
            months |= {(account, user, month + dt.timedelta(days=bit)) for bit in range(31) if days >> bit & 1}
        assert months == set(DailyUsage.objects.active().order_by().values_list("account", "user", "day"))

    def test_a_second_roll_up_finds_nothing_to_do(self) -> None:
        account = factories.account()
        PostgresStore().append([EventFact("m", "Login", START, account.external_id)], source="app")
        assert roll_up() == {account.pk}
        rows = list(DailyUsage.objects.values())
        assert roll_up() == set()
        assert list(DailyUsage.objects.values()) == rows

    def test_a_day_is_counted_anew_when_events_are_gone(self) -> None:
        account = factories.account()
        PostgresStore().append([EventFact("m", "Login", START, account.external_id)], source="app")
        roll_up()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM usage_event")
        DirtyDay.objects.create(day=START.date())
        roll_up()
        assert not DailyUsage.objects.exists()


@pytest.mark.django_db
class TestMetrics:
    NOW = dt.datetime(2026, 6, 15, 15, tzinfo=dt.UTC)

    @pytest.fixture
    def present(self, new_york: None) -> Moment:
        return moment(self.NOW)

    def seen(self, account: str, days_ago: int, hour: int = 12) -> str:
        """A new user's event at a local hour, some local days ago."""
        user = factories.end_user().external_id
        day = dt.date(2026, 6, 15) - dt.timedelta(days=days_ago)
        at = dt.datetime.combine(day, dt.time(hour), tzinfo=ZoneInfo(ZONE))
        PostgresStore().append([EventFact(user, "Login", at, account, user)], source="app")
        return user

    def test_a_window_of_n_days_is_today_and_the_days_before(self, present: Moment) -> None:
        account = factories.account()
        for days, hour in [(0, 1), (6, 0), (7, 23), (29, 0), (30, 23), (89, 0), (90, 23)]:
            self.seen(account.external_id, days, hour)
        roll_up()
        refresh_metrics(present)
        usage = AccountUsage.objects.get()
        assert (usage.active_users_7d, usage.active_users_30d, usage.active_users_90d) == (2, 4, 6)
        assert (usage.events_30d, usage.active_days_30d) == (4, 4)

    def test_every_live_account_has_numbers_and_archived_ones_have_none(self, present: Moment) -> None:
        silent, gone = factories.account(), factories.account(archived_at=self.NOW)
        assert refresh_metrics(present) == {silent.pk}
        assert AccountUsage.objects.get().active_users_30d == 0
        assert not AccountUsage.objects.filter(account=gone).exists()

    def test_only_what_changed_is_written_and_only_what_was_asked_for(self, present: Moment) -> None:
        first, second = factories.account(), factories.account()
        self.seen(first.external_id, 1)
        self.seen(second.external_id, 1)
        roll_up()
        assert refresh_metrics(present, [first.pk]) == {first.pk}
        assert refresh_metrics(present) == {second.pk}
        assert refresh_metrics(present) == set()
        later = moment(self.NOW + dt.timedelta(days=7))
        assert refresh_metrics(later) == {first.pk, second.pk}
        assert set(AccountUsage.objects.values_list("active_users_7d", "active_users_30d")) == {(0, 1)}

    def test_one_statement_for_any_number_of_accounts(self, present: Moment) -> None:
        for _ in range(20):
            factories.account()
        with CaptureQueriesContext(connection) as queries:
            refresh_metrics(present)
        assert len(queries) == 1


@pytest.mark.usefixtures("committed")
class TestAtOnce:
    @pytest.mark.parametrize("anew", [False, True])
    def test_an_event_that_is_committed_late_counts_once(self, anew: bool) -> None:
        """A sender has stored its event and not committed when a roll-up runs: that one goes ahead without it, also if
        it counts the whole day anew, and the next one adds it."""
        account = factories.account()
        store = PostgresStore()
        store.append([EventFact("first", "Login", START, account.external_id)], source="app")
        counting = threading.Thread(target=self._roll_up)
        if anew:
            mark_days([START.date()])
        with transaction.atomic():
            store.append([EventFact("second", "Login", START, account.external_id)], source="app")
            counting.start()
            counting.join(30)
            assert not counting.is_alive(), "the roll-up waited for a sender"
        assert DailyUsage.objects.get().count == 1
        roll_up()
        assert DailyUsage.objects.get().count == 2

    def test_a_day_that_is_marked_waits_for_the_one_who_marks_it(self) -> None:
        """Whoever takes events away holds the mark, so that the day is not counted before they are gone."""
        account = factories.account()
        PostgresStore().append([EventFact("m", "Login", START, account.external_id)], source="app")
        roll_up()
        mark_days([START.date()])
        counting = threading.Thread(target=self._roll_up)
        with transaction.atomic():
            mark_days([START.date()])
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM usage_event")
            counting.start()
            counting.join(1.0)
            assert counting.is_alive(), "the day was counted with the events that were on their way out"
        counting.join(30)
        roll_up()
        assert not DailyUsage.objects.exists()

    def test_senders_and_roll_ups_at_once_lose_nothing(self, at_once: Callable[..., list[Any]]) -> None:
        accounts = [factories.account().external_id for _ in range(3)]
        events = happenings(1, accounts, [])

        def sender(part: list[EventFact]) -> Callable[[], bool]:
            def run() -> bool:
                for start in range(0, len(part), 10):
                    PostgresStore().append(part[start : start + 10], source="app")
                return True

            return run

        def counter() -> bool:
            for _ in range(8):
                roll_up()
            return True

        results = at_once(sender(events[:150]), sender(events[100:]), sender(events[::-1]), counter, counter)
        assert results == [True] * 5
        roll_up()
        assert counted() == by_hand(events, "UTC")

    def _roll_up(self) -> None:
        try:
            roll_up()
        finally:
            connection.close()
