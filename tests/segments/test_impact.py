"""What a save would do to the segments built on the one being edited, foreseen and then compared with the refresh."""

from __future__ import annotations

from typing import Any

import pytest

from segments.editing import save_segment
from segments.impact import Knock, knock_on
from segments.models import Segment, SegmentRefresh
from segments.questions import Reader
from segments.refresh import refresh_due
from tests import factories
from tests.factories import rule

pytestmark = pytest.mark.django_db


def large(value: int) -> dict[str, Any]:
    return {"field": "account.mrr", "op": "at_least", "value": value}


def inside(segment: Segment, op: str = "in", **more: Any) -> dict[str, Any]:
    return {"segment": segment.key, "op": op, **more}


@pytest.fixture
def chain(db: None) -> dict[str, Segment]:
    """Large; those in it with the plan Growth; those not in that; and the same by way of a group."""
    for number in range(10):
        factories.account(f"A{number}", mrr=number * 100, plan="Growth" if number % 2 else "Pro")
    base = factories.segment("Large", large(500))
    growth = factories.segment("Large Growth", inside(base), {"field": "account.plan", "op": "is", "value": "Growth"})
    others = factories.segment("The others", inside(growth, "not_in"))
    either = factories.segment("Either", rule(inside(base), inside(growth), match="any"), large(200))
    return {"base": base, "growth": growth, "others": others, "either": either}


def foreseen(segment: Segment, *conditions: dict[str, Any], match: str = "all") -> dict[str, Knock]:
    reader = Reader.now()
    question = reader.read(rule(*conditions, match=match))
    return {knock.segment.key: knock for knock in knock_on(segment, question, reader)}


@pytest.mark.parametrize(
    ("conditions", "match"),
    [
        ([large(100)], "all"),
        ([large(800)], "all"),
        ([large(10_000)], "all"),
        ([large(500)], "none"),
        ([], "all"),
        ([large(500)], "all"),
    ],
)
def test_what_is_foreseen_is_what_the_refresh_does(
    chain: dict[str, Segment], conditions: list[dict[str, Any]], match: str
) -> None:
    told = foreseen(chain["base"], *conditions, match=match)
    assert set(told) == {"large-growth", "the-others", "either"}
    last = SegmentRefresh.objects.order_by("-pk").first()
    save_segment(chain["base"], name="Large", rule=rule(*conditions, match=match))
    refresh_due()
    for done in SegmentRefresh.objects.filter(pk__gt=last.pk if last else 0).exclude(segment=chain["base"]):
        knock = told[done.segment.key]
        assert (knock.joins, knock.leaves, knock.certain) == (done.joined, done.left, True), done.segment.key


def test_a_segment_that_asks_who_entered_lately_is_not_certain(chain: dict[str, Segment]) -> None:
    factories.segment("Fresh", inside(chain["base"], "entered", value={"n": 7, "unit": "day"}))
    told = foreseen(chain["base"], large(1))
    assert not told["fresh"].certain and told["either"].certain


def test_segments_that_are_off_or_broken_or_of_others_are_left_out(chain: dict[str, Segment]) -> None:
    Segment.objects.filter(key="the-others").update(active=False)
    Segment.objects.filter(key="either").update(
        rule=rule(inside(chain["base"]), {"field": "account.gone", "op": "is_set"})
    )
    assert set(foreseen(chain["base"], large(1))) == {"large-growth"}
    assert foreseen(chain["others"], large(1)) == {}
