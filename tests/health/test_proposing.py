"""Limits from a company's own accounts: quantiles against a calculation by hand, readable numbers, what is left out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from core.clock import moment
from health.audiences import among, audiences
from health.definition import DefinitionError, read_definition
from health.models import AccountHealth, HealthConfig
from health.proposing import (
    AT,
    Proposed,
    Quantiles,
    begin_config,
    definition_with,
    limits_from,
    propose,
    quantiles_of,
    start_for,
    usable,
)
from health.stock import ready_made
from health.tasks import score
from segments.models import Segment
from segments.questions import Reader
from tests.health.test_scores import BOTH, PLAN, SEEN, USED, an_account, by_number, definition

MRR = by_number("mrr", "account.mrr", 1000, 100)
RENEWS = by_number("renews", "account.renews_on", -120, -14)


def percentile(values: list[float], at: int) -> float:
    """The value at a percentile, in a straight line between its neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * at / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@pytest.mark.django_db
def test_quantiles_are_what_a_calculation_by_hand_gives(django_assert_max_num_queries: Any) -> None:
    used: list[float] = []
    seen: list[float] = []
    for i in range(37):
        active, licences, days = (i * 7) % 41, (None, 0, 50, 30 + i)[i % 4], None if i % 5 == 0 else (i * i) % 61
        an_account(active, licences, seen=days, plan="" if i % 3 else "Growth")
        if licences:
            used.append(round(100 * active / licences, 1))
        if days is not None:
            seen.append(days)
    reader = Reader.now()
    meant = read_definition(BOTH, reader)
    with django_assert_max_num_queries(5):  # one, and four that keep its time
        by_share, by_days, by_plan = quantiles_of(meant, Account.objects.live(), reader)
    assert (by_share.total, by_share.known, by_share.valued) == (37, len(used), len(used))
    assert (by_days.known, by_plan.known, by_plan.valued, by_plan.points) == (len(seen), 13, 0, {})
    assert by_days.whole and not by_share.whole
    for found, values in ((by_share, used), (by_days, seen)):
        for at in AT:
            assert abs(float(found.points[at]) - percentile(values, at)) < 0.051, at


def spread(values: list[int]) -> Quantiles:
    points = {at: Decimal(str(percentile([float(v) for v in values], at))) for at in AT}
    return Quantiles(len(values), len(values), len(values), whole=True, points=points)


@pytest.mark.parametrize(
    ("values", "more", "good", "poor"),
    [
        (list(range(101)), True, 70, 20),
        (list(range(101)), False, 30, 80),
        ([v * 1013 for v in range(101)], True, 70_000, 20_000),
        ([0] * 10 + [1] * 10 + [2] * 5, True, 2, 0),
        ([-v for v in range(0, 303, 3)], False, -220, -60),
        ([4] * 95 + [9] * 5, True, None, None),
        ([4] * 85 + [9] * 15, True, 9, 4),
    ],
)
def test_limits_are_readable_and_face_the_right_way(
    values: list[int], more: bool, good: int | None, poor: int | None
) -> None:
    assert limits_from(spread(values), more_is_better=more) == (None if good is None else (good, poor))


def by_key(proposed: list[Proposed]) -> dict[str, Proposed]:
    return {one.measure.key: one for one in proposed}


@pytest.mark.django_db
def test_what_has_no_data_is_left_out_with_the_reason() -> None:
    for i in range(30):
        an_account(i, 100, seen=i, mrr=500, renews_on=moment().today + dt.timedelta(days=10 * i) if i < 2 else None)
    ready = definition(("adoption", 60, [USED, SEEN]), ("money", 40, [MRR, RENEWS, PLAN]))
    found = by_key(propose(ready, Account.objects.live(), Reader.now()))
    used = found["used"]
    assert (used.good, used.poor, used.skip) == (20, 6, "") and used.of is not None and used.coverage == 100
    assert (found["seen"].good, found["seen"].poor) == (8, 24)
    assert found["mrr"].skip == "Nearly all accounts have the same value, 500."
    assert found["renews"].skip == "Only 2 of 30 accounts have a value."
    assert (found["plan"].good, found["plan"].skip) == (None, "")
    Account.objects.update(plan="", mrr=None)
    empty = by_key(propose(ready, Account.objects.live(), Reader.now()))
    assert empty["mrr"].skip == "No account has a value for MRR."
    none = propose(ready, Account.objects.none(), Reader.now())
    assert {one.skip for one in none} == {"There is no account to look at."}


def test_weights_go_to_the_dimensions_that_are_left() -> None:
    ready = definition(("a", 60, [USED, SEEN]), ("b", 25, [PLAN]), ("c", 15, [MRR]))
    kept = definition_with(ready, {"seen": (Decimal(3), Decimal("20.5")), "plan": None})
    assert [(row["key"], row["weight"]) for row in kept["dimensions"]] == [("a", 71), ("b", 29)]
    assert kept["dimensions"][0]["measures"] == [SEEN | {"good": 3, "poor": 20.5}]
    shares = definition_with(ready, {"used": (Decimal(55), Decimal(5))})["dimensions"]
    assert shares[0]["weight"] == 100 and shares[0]["measures"][0]["good"] == {"percent": 55, "of": "account.licences"}
    assert ready["dimensions"][0]["weight"] == 60 and definition_with(ready, {})["dimensions"] == []
    thirds = definition(*((key, weight, [MRR | {"key": key}]) for key, weight in (("a", 10), ("b", 10), ("c", 10))))
    assert sorted(row["weight"] for row in definition_with(thirds, dict.fromkeys("abc"))["dimensions"]) == [33, 33, 34]


@pytest.mark.django_db
def test_a_stage_gets_a_segment_and_its_accounts_are_scored() -> None:
    inside = an_account(50, 100, seen=1, stage_id="onboarding")
    outside = an_account(50, 100, seen=1, stage_id="live")
    reader = Reader.now()
    found = {one.key: one for one in audiences(reader, Account.objects.live())}
    stage = found["stage:onboarding"]
    assert (stage.number, stage.segment, start_for(stage).key) == (1, None, "onboarding")
    assert start_for(found["everybody"]).key == "default"
    assert list(among(stage, reader, Account.objects.live())) == [inside]
    config = begin_config(stage, BOTH)
    assert config.segment is not None and config.segment.name == "Onboarding" and config.version == 1
    score()
    assert AccountHealth.objects.get(account=inside).config == config
    assert AccountHealth.objects.get(account=outside).config is None
    again = {one.key: one for one in audiences(Reader.now(), Account.objects.live())}
    assert again["stage:onboarding"].config == config and "segment:onboarding" not in again
    with pytest.raises(DefinitionError):
        begin_config(stage, {"dimensions": []})
    assert Segment.objects.count() == 1 and HealthConfig.objects.count() == 1


@pytest.mark.django_db
def test_limits_can_be_proposed_for_every_ready_made_config() -> None:
    an_account(5, 10, seen=3)
    for one in ready_made():
        found = propose(usable(one, Reader.now()), Account.objects.live(), Reader.now())
        kept = {each.measure.key: None if each.good is None else (each.good, each.poor) for each in found}
        assert read_definition(definition_with(one.definition, kept), Reader.now()).measures  # type: ignore[arg-type]
