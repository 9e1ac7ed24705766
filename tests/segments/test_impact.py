"""What a save would do to the segments built on the one being edited, foreseen and then compared with the refresh."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.milestones.reaching import reach_for
from alerts.models import AccountMilestone, Alert
from alerts.raising import raise_alerts
from health.editing import save_config
from segments.editing import save_segment
from segments.impact import Knock, knock_on
from segments.models import Segment, SegmentRefresh
from segments.questions import Reader
from segments.refresh import refresh_due
from segments.uses import uses_above, uses_of
from tests import factories
from tests.factories import rule
from tests.health.test_scores import SEEN, only
from tests.playbooks.conftest import playbook

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


def test_what_uses_a_segment_further_on_is_told_with_how_many_move_there(chain: dict[str, Segment]) -> None:
    """Health configs, alert rules, playbooks and milestones, each with the segment by way of which it is touched."""
    growth, others = chain["growth"], chain["others"]
    save_config(None, name="Health of growth", segment=growth, definition=only(SEEN))
    playbook({"kind": "delay", "days": 3}, segment=growth, name="Grow")
    save_milestone(None, name="Rolled out", condition=rule(large(1)), segments=[others])
    save_alert_rule(None, name="Drop", condition=rule(large(1)), segments=[growth])
    told = foreseen(chain["base"], large(100))
    names = {key: [(use.kind, use.name) for use in knock.uses] for key, knock in told.items()}
    assert sorted(names["large-growth"]) == [
        ("alert rule", "Drop"), ("health config", "Health of growth"), ("playbook", "Grow"),
    ]  # fmt: skip
    assert names["the-others"] == [("milestone", "Rolled out")] and names["either"] == []
    assert (told["large-growth"].joins, told["large-growth"].leaves) == (2, 0)
    assert [use.kind for use in uses_of(chain["base"])] == ["segment", "segment"], "these are what it is deleted under"


def test_alerts_that_would_end_and_milestones_that_would_be_lost_are_counted(chain: dict[str, Segment]) -> None:
    """As they then are."""
    base = chain["base"]
    alert_rule = save_alert_rule(None, name="Drop", condition=rule(large(600)), segments=[base], include_existing=True)
    milestone = save_milestone(None, name="Rolled out", condition=rule(inside(base)), sticky=False)
    kept = save_milestone(None, name="Kept for good", condition=rule(inside(base)))
    refresh_due()
    raise_alerts()
    reach_for()
    assert Alert.objects.open().count() == 4
    told = {knock.segment.name: knock.effects for knock in foreseen(base, large(800)).values()}
    assert told["Alert rule: Drop"] == ("2 open alerts end",)
    assert told["Milestone: Rolled out"] == ("3 accounts lose it",)
    assert told["Milestone: Kept for good"] == ()
    assert not any(knock.effects for knock in foreseen(base, large(100)).values())
    save_segment(base, name="Large", rule=rule(large(800)))
    refresh_due()
    raise_alerts()
    reach_for()
    assert Alert.objects.filter(rule=alert_rule, ended_at=None).count() == 2
    states = AccountMilestone.objects.filter(state="lost").values_list("milestone", flat=True)
    assert list(states) == [milestone.pk] * 3 and kept.pk not in states


def test_to_tell_what_uses_many_segments_takes_no_more_statements(chain: dict[str, Segment]) -> None:
    with CaptureQueriesContext(connection) as one:
        uses_above([chain["growth"]])
    with CaptureQueriesContext(connection) as many:
        uses_above(list(chain.values()))
    assert 0 < len(many) == len(one)
