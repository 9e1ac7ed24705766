"""A feed that brings far less than usual is noticed in time, and no regular traffic is ever called low."""

from __future__ import annotations

import datetime as dt
import math
import random
import zoneinfo
from collections.abc import Callable

import pytest
from django.core import mail

from segments.holding.models import HoldNotice
from segments.holding.telling import words_of
from segments.models import Segment
from segments.refresh import refresh_due
from tests.feeds.conftest import HOUR, MONDAY
from tests.feeds.test_holding import STOP, at, author, daily, members, stopped
from usage.feeds.models import Feed, FeedHour, FeedSilence
from usage.feeds.rhythm import learn
from usage.feeds.volume import Slot, is_steady, low_since, walk

__all__ = ["author", "stopped"]
UTC, OSLO = zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Europe/Oslo")
DAYS = 90
Counts = dict[dt.datetime, int]


def poisson(mean: float, dice: random.Random) -> int:
    """A drawn number of events (normal approximation above 30)."""
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, number, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        number, product = number + 1, product * dice.random()
    return number


def round_the_clock(local: dt.datetime, dice: random.Random) -> float:
    """Day and night, weekends at a third; each day by up to a third more or less than the one before."""
    day = 1 + 0.8 * math.sin((local.hour - 8) / 24 * 2 * math.pi)
    return 40 * day * (0.33 if local.weekday() > 4 else 1) * dice.uniform(0.7, 1.3)


def office(local: dt.datetime, dice: random.Random) -> float:
    """Working hours; nothing at night and at weekends, a few on Fridays after noon."""
    if local.weekday() > 4 or not 8 <= local.hour < 18:
        return 0
    return 60 * (0.3 if local.weekday() == 4 and local.hour > 13 else 1) * dice.uniform(0.6, 1.4)


def growing(local: dt.datetime, dice: random.Random) -> float:
    """Doubling every forty days, weekends included."""
    return 20 * 2 ** ((local - MONDAY).days / 40) * dice.uniform(0.7, 1.3)


def nightly(local: dt.datetime, dice: random.Random) -> float:
    """One load a night, half of it at weekends."""
    return 2_000 * (0.5 if local.weekday() > 4 else 1) * dice.uniform(0.7, 1.3) if local.hour == 3 else 0


def uneven(local: dt.datetime, dice: random.Random) -> float:
    """Loads of a hundred or of ten thousand, as it comes: there is no usual volume."""
    return dice.choice([100, 100, 10_000]) if local.hour == 3 else 0


KINDS: dict[str, tuple[Callable[[dt.datetime, random.Random], float], int]] = {
    "round the clock": (round_the_clock, 16), "office": (office, 5 * 24), "growing": (growing, 16),
    "nightly": (nightly, 4 * 24),
}  # fmt: skip


def draw(kind: Callable[[dt.datetime, random.Random], float], seed: int, zone: zoneinfo.ZoneInfo = OSLO) -> Counts:
    """Ninety days of traffic, by the local clock; with a public holiday on which hardly anybody works."""
    dice, found = random.Random(seed), Counts()
    for step in range(DAYS * 24):
        hour = MONDAY + step * HOUR
        local = hour.astimezone(zone)
        slack = 0.05 if kind is office and local.date() == dt.date(2026, 3, 4) else 1
        if came := poisson(kind(local, dice) * slack, dice):
            found[hour] = came
    return found


def judged(counts: Counts, now: dt.datetime, zone: zoneinfo.ZoneInfo = OSLO) -> dt.datetime | None:
    """What the look at that time would say."""
    known = {hour: came for hour, came in counts.items() if hour < now}
    rhythm = learn(known, zone)
    return low_since(walk(known, rhythm, now), rhythm) if rhythm else None


@pytest.mark.parametrize("name", KINDS)
def test_ninety_days_of_regular_traffic_are_never_low(name: str) -> None:
    counts = draw(KINDS[name][0], seed=7)
    for step in range(21 * 24, DAYS * 24, 19):  # so that each hour of the week comes up
        assert judged(counts, MONDAY + step * HOUR) is None, MONDAY + step * HOUR


@pytest.mark.parametrize("name", KINDS)
def test_a_drop_to_a_tenth_is_noticed_in_time_and_half_is_not(name: str) -> None:
    seed = len(name)
    kind, hours = KINDS[name]
    counts, dice = draw(kind, seed), random.Random(seed)
    stop = MONDAY + dt.timedelta(days=75, hours=10)

    def thinned(share: float) -> Counts:
        return {h: poisson(n * share, dice) if h >= stop else n for h, n in counts.items() if h < stop or n}

    low = {hour: came for hour, came in thinned(0.1).items() if came}
    noticed = next(step for step in range(1, 14 * 24) if judged(low, stop + step * HOUR))
    assert noticed <= hours + 24, noticed
    since = judged(low, stop + noticed * HOUR)
    assert since and abs(since - stop) <= dt.timedelta(days=4)
    half = thinned(0.5)
    assert not any(judged(half, stop + step * HOUR) for step in range(1, 8 * 24, 17))


def test_a_feed_of_uneven_volume_is_not_judged() -> None:
    counts = draw(uneven, seed=3)
    assert not any(judged(counts, MONDAY + step * HOUR) for step in range(21 * 24, DAYS * 24, 24))
    few = [Slot(MONDAY + n * HOUR, 100, 100.0) for n in range(30)]
    assert is_steady(few, 5) and not is_steady(few, 6)
    assert not is_steady([*few[:20], *(Slot(MONDAY, 10, 100.0) for _ in range(10))], 5)


def test_what_a_drop_holds_is_told_once_and_let_go_when_it_is_back(
    stopped: Segment, django_capture_on_commit_callbacks: object
) -> None:
    """The whole way: noticed, held, told once, not ended by the trickle, ended by the usual volume."""
    refresh_due(now=at(0))
    daily(at(0))
    feed = Feed.objects.get()
    FeedHour.objects.filter(feed=feed).update(count=30)
    trickle = [FeedHour(feed=feed, hour=STOP + n * HOUR, count=1) for n in range(48)]
    FeedHour.objects.bulk_create(trickle[:24])
    Feed.objects.update(last_at=STOP + 23 * HOUR)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        run = daily(at(1))
    silence = FeedSilence.objects.get()
    assert silence.is_thin and silence.since == STOP and run.held == 1 and members(stopped) == set()
    stopped.refresh_from_db()
    assert stopped.held.endswith("because sdk is low.")
    (notice,) = HoldNotice.objects.all()
    assert "less than a fifth of its usual volume since 6 Mar 2026" in words_of(notice)
    assert [one.subject for one in mail.outbox] == ["csbox: sdk is low"]
    FeedHour.objects.bulk_create(trickle[24:])
    Feed.objects.update(last_at=STOP + 47 * HOUR)
    daily(at(2))
    assert FeedSilence.objects.get().ended_at is None and HoldNotice.objects.count() == 1
    usual = [FeedHour(feed=feed, hour=STOP + n * HOUR, count=30) for n in range(48, 24 * 30)]
    FeedHour.objects.bulk_create(usual[:12])
    Feed.objects.update(last_at=STOP + 59 * HOUR)
    daily(at(2.5))
    silence.refresh_from_db()
    assert silence.ended_at and FeedSilence.objects.count() == 1  # and what lies before its end is not judged again
    FeedHour.objects.bulk_create(usual[12:])
    Feed.objects.update(last_at=STOP + dt.timedelta(days=30))
    daily(at(30))
    assert FeedSilence.objects.count() == 1 and FeedSilence.objects.get().released_at
    daily(at(95))
    assert FeedSilence.objects.with_kind().get().thin  # its hours stay, because they tell what it was
