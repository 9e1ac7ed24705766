"""Daily work is done once on each local date, at its wall time, whatever the clock does."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
import time_machine

from core.daily import claimed, is_open, newest_slot
from core.models import DailyJob, Workspace
from csbox import tasks
from segments.models import RefreshRun, Segment
from tests import factories
from usage.traits.models import TraitDay

pytestmark = pytest.mark.django_db


def every_minute(zone: str, start: dt.datetime, hours: int, at: dt.time) -> list[dt.date]:
    """The slots in the order in which a tick a minute finds them."""
    found: list[dt.date] = []
    local = zoneinfo.ZoneInfo(zone)
    for minute in range(hours * 60):
        slot = newest_slot((start + dt.timedelta(minutes=minute)).astimezone(local), at)
        if slot not in found:
            found.append(slot)
    return found


@pytest.mark.parametrize(
    ("zone", "start", "at"),
    [
        (
            "America/New_York",
            dt.datetime(2026, 3, 7, 12, tzinfo=dt.UTC),
            dt.time(2, 30),
        ),  # 02:30 does not exist on the 8th
        (
            "America/New_York",
            dt.datetime(2026, 10, 31, 12, tzinfo=dt.UTC),
            dt.time(1, 30),
        ),  # 01:30 occurs twice on the 1st
        ("Australia/Lord_Howe", dt.datetime(2026, 10, 3, 0, tzinfo=dt.UTC), dt.time(2, 15)),
        ("Pacific/Auckland", dt.datetime(2026, 4, 4, 0, tzinfo=dt.UTC), dt.time(2, 30)),
    ],
)
def test_each_local_date_has_its_slot_once_across_a_clock_change(zone: str, start: dt.datetime, at: dt.time) -> None:
    found = every_minute(zone, start, 72, at)
    assert found == [found[0] + dt.timedelta(days=n) for n in range(len(found))]
    assert len(found) in (3, 4)


def test_a_finished_slot_is_not_worked_on_again() -> None:
    day = dt.date(2026, 11, 22)
    with claimed("job", day) as first:
        pass
    with claimed("job", day) as second:
        pass
    assert (first, second, is_open("job", day)) == (True, False, False)


def test_a_slot_that_is_being_worked_on_belongs_to_one() -> None:
    day = dt.date(2026, 11, 22)
    with claimed("job", day), claimed("job", day) as other:
        assert other is False


def test_a_failed_slot_is_open_again_and_given_up_after_five_attempts() -> None:
    day = dt.date(2026, 11, 22)
    for _ in range(5):
        assert is_open("job", day)
        with pytest.raises(RuntimeError), claimed("job", day):
            raise RuntimeError("broken")
    assert not is_open("job", day)


def test_a_slot_of_a_killed_worker_opens_after_half_an_hour() -> None:
    day = dt.date(2026, 11, 22)
    with time_machine.travel(dt.datetime(2026, 11, 22, 1, tzinfo=dt.UTC), tick=False):
        DailyJob.objects.create(name="job", local_date=day, attempts=1, started_at=dt.datetime.now(dt.UTC))
        assert not is_open("job", day)
    with time_machine.travel(dt.datetime(2026, 11, 22, 1, 31, tzinfo=dt.UTC), tick=False):
        assert is_open("job", day)


FEEDS = ("csbox.tasks.watch_feeds",)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The wake-ups that the tick sends, instead of the queue; a look at the feeds is due at every first tick."""
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(tasks, "enqueue", lambda *what: None if what == FEEDS else sent.append(what))
    return sent


def test_the_tick_wakes_the_daily_refresh_of_the_local_date(woken: list[tuple[object, ...]]) -> None:
    Workspace.objects.create(time_zone="Pacific/Kiritimati", refresh_at=dt.time(0, 10))  # UTC+14
    with time_machine.travel(dt.datetime(2026, 11, 21, 10, 11, tzinfo=dt.UTC), tick=False):
        tasks.tick()
    assert woken == [("csbox.tasks.refresh_daily", "2026-11-22")]


def test_the_daily_refresh_runs_once_however_often_it_is_woken() -> None:
    factories.segment("All", refreshed=False)
    tasks.refresh_daily("2026-11-22")
    tasks.refresh_daily("2026-11-22")
    assert RefreshRun.objects.filter(trigger="daily").count() == 1


def test_the_first_of_a_month_thins_the_days_of_traits() -> None:
    account = factories.account()
    for months in (36, 24, 18, 1):
        day = dt.date(2026, 12, 1) - dt.timedelta(days=30 * months)
        TraitDay.objects.create(account=account, day=day, figures={"1": months})

    def kept() -> list[int]:
        return [row.figures["1"] for row in TraitDay.objects.order_by("day")]

    tasks.refresh_daily("2026-11-30")
    assert kept() == [36, 24, 18, 1], "it looks at every row"
    tasks.refresh_daily("2026-12-01")
    assert kept() == [18, 1], "the newest of those that no line reaches still holds"


def test_the_tick_finds_the_segment_that_a_lost_wake_up_left(woken: list[tuple[object, ...]]) -> None:
    factories.segment("All", refreshed=False)
    DailyJob.objects.create(name=tasks.DAILY, local_date=dt.date(2026, 11, 21), finished_at=dt.datetime.now(dt.UTC))
    with time_machine.travel(dt.datetime(2026, 11, 22, 0, 5, tzinfo=dt.UTC), tick=False):
        tasks.tick()
    assert woken == [("segments.tasks.refresh_due",)]
    assert Segment.objects.get().due
