"""Health over time of a segment: each day's own members with that day's health, against a calculation by hand."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest

from core.clock import Moment, moment
from health import trends
from health.editing import save_config
from health.mixes import MOST_DAYS, keep_mixes
from health.models import HealthConfig, HealthConfigVersion, HealthDay, HealthMix
from health.trends import health_trend, trend_days, trend_of, version_days
from segments.models import AccountMembership, Segment
from tests import factories
from tests.health.test_scores import BOTH

BANDS = ("good", "average", "poor", "none")


@pytest.mark.django_db
def test_each_day_counts_its_own_members_with_their_health_then(
    django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, now = random.Random(7), moment()  # no secret
    segment = factories.segment("Ours", {"field": "account.mrr", "op": "at_least", "value": 10**6})
    config = save_config(None, name="", definition=BOTH)
    stays: list[tuple[int, dt.datetime, dt.datetime | None]] = []
    health: dict[int, list[tuple[dt.date, str, Decimal | None]]] = {}
    for account in [factories.account() for _ in range(12)]:
        begin = draw.randint(5, 80)
        for start, end in ((begin, draw.choice([None, begin - 4])), (3, None)):
            if stays and stays[-1][0] == account.pk and stays[-1][2] is None:
                continue
            entered = now.now - dt.timedelta(days=start, hours=draw.randint(0, 23))
            left = None if end is None else now.now - dt.timedelta(days=end)
            stays.append((account.pk, entered, left))
            AccountMembership.objects.create(segment=segment, account=account, entered_at=entered, left_at=left)
        for back in sorted(draw.sample(range(70), 6), reverse=True):
            band = draw.choice(BANDS)
            score = None if band == "none" else Decimal(draw.randint(0, 1000)) / 10
            day = now.today - dt.timedelta(days=back)
            HealthDay.objects.create(account=account, day=day, band=band, score=score, config=config, version=1)
            health.setdefault(account.pk, []).append((day, band, score))
    days = trend_days(now, 90)
    with django_assert_max_num_queries(5):  # one, and four that keep its time
        found = {one.day: one for one in health_trend(days, now, segment=segment)}
    compared = 0
    for day in days:
        end = now.start_of(day + dt.timedelta(days=1))
        inside = [
            pk for pk, entered, left in stays
            if (left is None if day == now.today else entered < end and (left is None or left >= end))
        ]  # fmt: skip
        then = [([("", "none", None)] + [row for row in health[pk] if row[0] <= day])[-1] for pk in inside]
        counted = {band: sum(1 for _, one, _ in then if one == band) for band in BANDS}
        scores = [score for _, _, score in then if score is not None]
        if day in found:
            assert found[day].bands == counted, day
            assert found[day].mean == (round(sum(scores) / len(scores), 1) if scores else None)
            compared += 1
        else:
            assert not scores and day < min(found)
    assert compared > 7
    mine = next(iter(health))
    alone = health_trend(days, now, segment=segment, seen=[mine])
    assert {one.total for one in alone} <= {0, 1} and any(one.total for one in alone)
    assert max(one.total for one in health_trend(days, now, config=config)) == 12
    assert health_trend(days, now, config=HealthConfig(pk=config.pk + 1)) == []
    assert_kept_days_say_the_same(segment, config, now, monkeypatch)


def assert_kept_days_say_the_same(
    segment: Segment, config: HealthConfig, now: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of a day is what a look at every account gives, so that a drawing of very many has all its days."""
    first = HealthDay.objects.order_by("day").values_list("day", flat=True)[0]
    kept = [keep_mixes(now) for _ in range(6)]
    assert sum(kept) == (now.today - first).days and kept[0] == MOST_DAYS and kept[-1] == 0
    of: list[dict[str, Any]] = [{"segment": segment}, {"config": config}, {}]
    looked_up = [trend_of(30, now, 12, **one) for one in of]
    with monkeypatch.context() as patched:
        patched.setattr(trends, "MOST_LOOKS", 12)  # one day of twelve accounts
        assert [trend_of(30, now, 12, **one) for one in of] == looked_up
        assert len(looked_up[2]) == 31 and len(trend_of(30, now, 12, seen=[])) == 0
        HealthMix.objects.all().delete()
        assert len(trend_of(30, now, 12)) == trends.FEWEST_POINTS


@pytest.mark.django_db
def test_versions_that_began_to_count_are_marked() -> None:
    now = moment()
    config = save_config(None, name="", definition=BOTH, reason="First")
    other = factories.segment("Other", {"field": "account.mrr", "op": "at_least", "value": 1})
    save_config(config, name="", definition=BOTH | {"least_coverage": 10}, reason="Less data is enough")
    HealthConfigVersion.objects.filter(number=1).update(created_at=now.now - dt.timedelta(days=40))
    marks = version_days(now.today - dt.timedelta(days=30), now)
    assert [(mark.day, mark.config, mark.number, mark.reason) for mark in marks] == [
        (now.today, "Default", 2, "Less data is enough")
    ]
    assert version_days(now.today, now, segment=other) == []
    assert len(version_days(now.today - dt.timedelta(days=60), now, config=config)) == 2


@pytest.mark.django_db
def test_a_month_is_drawn_by_day_and_a_longer_span_by_week() -> None:
    now = moment()
    assert len(trend_days(now, 30)) == 31
    weekly = trend_days(now, 365)
    assert len(weekly) == 53 and (weekly[1] - weekly[0]).days == 7 and weekly[-1] == now.today
