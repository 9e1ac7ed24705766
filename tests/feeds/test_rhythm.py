"""No feed with a natural weekly rhythm is called silent, and every feed that stops is, within the time stated."""

from __future__ import annotations

import datetime as dt
import random
import zoneinfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.feeds.conftest import HOUR, MONDAY, office_hours
from usage.feeds.rhythm import Rhythm, learn

UTC = zoneinfo.ZoneInfo("UTC")
DAYS = 90
# Kind of feed: the longest that may pass from its last arrival to the notice.
WITHIN = {
    "round the clock": dt.timedelta(hours=30),
    "office hours": dt.timedelta(days=7),
    "nightly": dt.timedelta(days=5),
    "nightly on working days": dt.timedelta(days=9),
    "weekly": dt.timedelta(weeks=6),
    "thin": dt.timedelta(days=6),
}


def history(kind: str, dice: random.Random, zone: zoneinfo.ZoneInfo) -> list[dt.datetime]:
    """The hours in which something came over ninety days, by the local clock, summer time and all."""
    first, length, night = dice.randrange(6, 10), dice.randrange(7, 12), dice.randrange(24)
    kept = dice.uniform(0.985, 1)
    found = []
    for step in range(DAYS * 24):
        hour = MONDAY + step * HOUR
        local = hour.astimezone(zone)
        working = local.weekday() < 5
        expected = {
            "round the clock": True,
            "office hours": working and first <= local.hour < first + length,
            "nightly": local.hour == night,
            "nightly on working days": working and local.hour == night,
            "weekly": local.weekday() == 2 and local.hour == night,
        }
        # a few events a day, at any time of it: no hour is regular, every day is
        thin = kind == "thin" and dice.random() < 0.3
        there = thin or (expected.get(kind, False) and (dice.random() < kept or kind == "weekly"))
        # On a day off, nobody works: the days of the change of the year, as they fell in the year of the test.
        holiday = kind.startswith("office") and local.date() in (dt.date(2026, 2, 16), dt.date(2026, 3, 3))
        found += [hour] if there and not holiday else []
    return found


def noticed_after(rhythm: Rhythm) -> dt.timedelta:
    now = rhythm.last
    while not rhythm.silent(now):
        now += HOUR
    return now - rhythm.last


@given(
    kind=st.sampled_from(sorted(WITHIN)),
    seed=st.integers(0, 2**32),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Europe/Oslo"]),
)
@settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_natural_rhythms_are_never_silent_and_stopped_feeds_are_in_time(kind: str, seed: int, zone: str) -> None:
    local, dice = zoneinfo.ZoneInfo(zone), random.Random(seed)
    hours = history(kind, dice, local)
    for place in range(1, len(hours)):
        # Nothing changes between two arrivals but the time that passes, so the end of the pause is the test of it.
        if hours[place] - hours[place - 1] > 4 * HOUR:
            rhythm = learn(hours[max(0, place - 1500) : place], local)
            assert rhythm is None or not rhythm.silent(hours[place]), f"{kind} at {hours[place]}"
    stop = dice.randrange(len(hours) * 2 // 3, len(hours))
    rhythm = learn(hours[:stop], local)
    assert rhythm is not None, kind
    assert noticed_after(rhythm) <= WITHIN[kind], f"{kind}: {rhythm.words}"


def test_a_new_feed_is_not_judged_and_an_irregular_one_never() -> None:
    assert learn([], UTC) is None
    assert learn([MONDAY + step * HOUR for step in range(20 * 24)], UTC) is None
    assert learn([MONDAY + step * HOUR for step in range(21 * 24 + 1)], UTC) is not None
    dice = random.Random(4)
    now_and_then = [MONDAY + dt.timedelta(days=dice.randrange(80), hours=dice.randrange(24)) for _ in range(12)]
    assert learn(now_and_then, UTC) is None
    once = [MONDAY + step * HOUR for step in range(3)]
    assert learn(once, UTC) is None


def test_a_weekend_counts_for_nothing() -> None:
    rhythm = learn(office_hours(MONDAY, 60), UTC)
    assert rhythm is not None and rhythm.hourly and len(rhythm.slots) == 40
    friday = next(hour for hour in reversed(office_hours(MONDAY, 60)) if hour.weekday() == 4 and hour.hour == 16)
    rhythm = learn([hour for hour in office_hours(MONDAY, 60) if hour <= friday], UTC)
    assert rhythm is not None and rhythm.missed(friday + dt.timedelta(days=2, hours=17)) == 0  # Monday, 9 o'clock
    assert rhythm.missed(friday + dt.timedelta(days=3)) == 7  # Monday, 16 o'clock
    assert "in 40 hours a week" in rhythm.words


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
def test_a_change_of_the_clock_is_no_silence(zone: str) -> None:
    local = zoneinfo.ZoneInfo(zone)
    hours = [
        hour
        for hour in (MONDAY + step * HOUR for step in range(120 * 24))
        if hour.astimezone(local).weekday() < 5 and 8 <= hour.astimezone(local).hour < 18
    ]
    for place in range(len(hours) // 3, len(hours)):
        if hours[place] - hours[place - 1] > 4 * HOUR:
            rhythm = learn(hours[:place], local)
            assert rhythm is not None and not rhythm.silent(hours[place])


def test_an_outage_in_the_past_does_not_blind_for_good() -> None:
    hours = [MONDAY + step * HOUR for step in range(80 * 24) if not 1000 < step < 1150]
    rhythm = learn(hours, UTC)
    assert rhythm is not None and noticed_after(rhythm) <= dt.timedelta(hours=30)
