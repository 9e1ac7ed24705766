"""In which account an event happened that names none: the rule, and that it is judged anew whoever changes periods."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.facts import RelationshipFact, record_relationships
from accounts.facts.merging import merge_users
from accounts.models import Account, EndUser, Relationship
from tests import factories
from tests.committing import at_once, committed
from usage import partitions
from usage.models import AccountUsage, DailyUsage, Event, PlacingMark, UserActivity
from usage.placing import anew
from usage.placing.homes import Span, home_at
from usage.rollup import is_pending, roll_up
from usage.store import EventFact, PostgresStore

__all__ = ["at_once", "committed"]
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("periods", "homes"),
    [
        ([], [None, None, None, None]),
        ([("a", 2, None)], ["a", "a", "a", "a"]),
        ([("a", 2, 3)], ["a", "a", None, None]),
        ([("a", 2, None), ("b", 3, None)], ["a", "a", None, None]),
        ([("a", 2, None), ("b", 2, None)], [None, None, None, None]),
        ([("a", 2, 3), ("b", 3, None)], ["a", "a", "b", "b"]),
        ([("a", 2, 3), ("a", 4, None)], ["a", "a", None, "a"]),
        ([("a", 3, 3)], ["a", "a", None, None]),
        ([("a", 2, None), ("a", 2, 3)], ["a", "a", "a", "a"]),
    ],
    ids=str,
)
def test_the_home_of_an_event_is_the_only_period_around_it(
    periods: list[tuple[str, int, int | None]], homes: list[str | None]
) -> None:
    """On days 1 (before all), 2, 3 and 4, in whatever order the periods are told."""
    spans = [Span(name, day(first), None if last is None else day(last)) for name, first, last in periods]
    assert [home_at(spans, day(number)) for number in (1, 2, 3, 4)] == homes
    assert [home_at(spans[::-1], day(number)) for number in (1, 2, 3, 4)] == homes


def belongs(account: str, at: float, until: float | None = None, user: str = "u") -> None:
    ended = None if until is None else day(until)
    fact = RelationshipFact(user, account, day(at), started_at=day(at), ended_at=ended)
    assert not record_relationships([fact], source="crm", create_missing=True).rejected


def happen(*days: float, user: str = "u") -> None:
    events = [EventFact(f"{user}{number}", "Login", day(number), user=user) for number in days]
    PostgresStore().append(events, source="app", create_missing=True)


def homes() -> list[str | None]:
    """The account of each event by its time, once the background has done its part; the counts agree."""
    roll_up()
    assert not is_pending()
    counted = {(row.account_id, row.day, row.count) for row in DailyUsage.objects.all()}
    stored = Event.objects.exclude(account=None)
    assert counted == {(one.account_id, one.at.date(), 1) for one in stored}
    seen: dict[tuple[int, int], list[dt.datetime]] = {}
    for one in stored:
        seen.setdefault((one.account_id, one.user_id), []).append(one.at)
    activity = {
        (row.account_id, row.user_id): (row.first_seen_at, row.last_seen_at) for row in UserActivity.objects.all()
    }
    assert activity == {pair: (min(ats), max(ats)) for pair, ats in seen.items()}
    for row in AccountUsage.objects.all():
        ats = [one.at for one in stored if one.account_id == row.account_id]
        assert (row.first_seen_at, row.last_seen_at) == (min(ats, default=None), max(ats, default=None))
    assert not stored.filter(inferred=False).exists()
    return list(Event.objects.order_by("at").values_list("account__external_id", flat=True))


@pytest.mark.django_db
class TestAnew:
    def test_a_late_event_counts_where_the_user_was_then(self) -> None:
        belongs("a", 1, 5)
        belongs("b", 5)
        happen(6, 3, 0.5)
        assert homes() == ["a", "a", "b"]

    def test_a_second_account_takes_only_what_came_after_it(self) -> None:
        happen(1, 3)
        belongs("a", 2)
        assert homes() == ["a", "a"]
        belongs("b", 2.5)
        assert homes() == ["a", None]

    def test_an_end_and_a_start_that_come_late_move_what_was_counted(self) -> None:
        belongs("a", 1)
        happen(2, 4, 6)
        assert homes() == ["a", "a", "a"]
        belongs("a", 1, 3)
        assert homes() == ["a", None, None]
        belongs("b", 3)
        assert homes() == ["a", "b", "b"]
        belongs("b", 1)
        assert homes() == [None, "b", "b"]

    def test_a_named_account_stays(self) -> None:
        belongs("a", 1)
        PostgresStore().append([EventFact("m", "Login", day(2), "b", "u")], source="app", create_missing=True)
        belongs("a", 1, 1.5)
        roll_up()
        assert Event.objects.get().account == Account.objects.get(external_id="b") and not Event.objects.get().inferred

    def test_whoever_writes_the_relationship(self) -> None:
        """Saved, changed in bulk or deleted, by an import's undoing, an erasure or the back office."""
        happen(2)
        row = factories.relationship(factories.account(external_id="a"), EndUser.objects.get(), started_at=day(1))
        assert homes() == ["a"]
        Relationship.objects.filter(pk=row.pk).update(ended_at=day(1.5))
        assert homes() == [None]
        row.account, row.ended_at = factories.account(external_id="b"), None
        row.save()
        assert homes() == ["b"]
        row.delete()
        assert homes() == [None]

    def test_what_is_no_change_of_periods_marks_nobody(self) -> None:
        happen(2)
        belongs("a", 1)
        belongs("a", 1, user="without events")
        homes()
        Relationship.objects.update(role="Champion")
        assert not PlacingMark.objects.exists()

    def test_two_users_made_one_belong_where_both_did(self) -> None:
        belongs("a", 1, 4)
        belongs("b", 4, user="v")
        happen(2, 5)
        assert homes() == ["a", None]
        old, new = (EndUser.objects.get(external_id=name) for name in "uv")
        merge_users(old, new, source="app")
        PostgresStore().move_user(old.pk, new.pk)
        old.delete()
        assert homes() == ["a", "b"]

    def test_many_events_are_placed_in_slices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(anew, "SLICE", 3)
        happen(*range(2, 12))
        happen(*range(2, 12), user="v")
        roll_up()
        belongs("a", 1)
        belongs("b", 1, user="v")
        assert sorted(map(str, homes())) == ["a"] * 10 + ["b"] * 10

    def test_a_slice_takes_no_more_than_it_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(anew, "SLICE", 3)
        happen(*range(2, 12))
        roll_up()
        belongs("a", 1)
        assert anew.place_slice() and Event.objects.filter(inferred=True).count() == 3
        assert anew.place_slice() and Event.objects.filter(inferred=True).count() == 6


@pytest.mark.usefixtures("committed")
def test_an_event_whose_sender_saw_older_periods_is_placed_anew() -> None:
    """It is stored after the relationship, which its sender had not seen, was committed and placed."""
    belongs("a", 1)
    with transaction.atomic():
        partitions.ensure_months({START.date()})
    with transaction.atomic():
        happen(3)  # judged by a alone
        _elsewhere(lambda: (belongs("b", 2), roll_up()))
    assert homes() == [None]


def _elsewhere(work: Callable[[], Any]) -> None:
    """Run it on a connection of its own, to its end."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
