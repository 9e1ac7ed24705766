"""Segments that read milestones or alerts tell a changed definition of these apart from what customers do."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Account
from alerts.editing import delete_alert_rule, save_alert_rule, set_rule_active
from alerts.milestones.editing import save_milestone, set_milestone_active
from alerts.milestones.tasks import look_at_milestones
from alerts.models import Alert
from alerts.raising import raise_alerts
from csbox.pipeline import refresh_everything
from segments.models import Segment
from segments.refresh import refresh_due
from segments.trends import joined_left
from tests import factories
from tests.factories import rule
from tests.segments.test_redefined import base, cause, chain, harbour, inside, large, pays, widen

__all__ = ["base", "chain", "harbour"]
pytestmark = pytest.mark.django_db


def less(value: int) -> dict[str, Any]:
    return {"field": "account.mrr", "op": "less_than", "value": value}


class TestMilestones:
    @pytest.fixture
    def reached(self, harbour: Account) -> tuple[Any, Segment]:
        """Nobody has reached it yet; who reached any is a segment."""
        milestone = save_milestone(None, name="Large", condition=rule(large(500)), sticky=False)
        look_at_milestones()
        done = factories.segment("Done", {"field": "milestones.reached", "op": "at_least", "value": 1})
        return milestone, factories.segment("Depends", inside(done))

    def test_a_condition_that_is_changed_moves_what_reads_it_and_says_so(
        self, reached: tuple[Any, Segment], harbour: Account
    ) -> None:
        """At once, and alerts that ask for it open for nobody; what customers do afterwards is data again."""
        milestone, depends = reached
        asked = rule({"field": f"milestone.{milestone.key}", "op": "is", "value": "reached"})
        save_alert_rule(None, name="Reached", condition=asked)
        refresh_due()
        save_milestone(milestone, name="Large", condition=rule(large(100)), sticky=False)
        look_at_milestones()
        refresh_due()
        raise_alerts()
        assert cause(depends) == "definition" and not Alert.objects.exists()
        pays(harbour, 20)
        refresh_everything()
        assert cause(depends) == "data"
        pays(harbour, 300)
        refresh_everything()
        assert cause(depends) == "data" and Alert.objects.count() == 1

    def test_the_daily_refresh_that_is_quicker_says_so_too(self, reached: tuple[Any, Segment]) -> None:
        milestone, depends = reached
        save_milestone(milestone, name="Large", condition=rule(large(100)), sticky=False)
        refresh_everything()
        assert cause(depends) == "definition"

    def test_a_segment_that_it_asks_for_is_changed(self, chain: list[Segment]) -> None:
        save_milestone(None, name="Near", condition=rule(inside(chain[1])))
        look_at_milestones()
        done = factories.segment("Done", {"field": "milestones.reached", "op": "at_least", "value": 1})
        widen(chain[0])
        refresh_everything()
        assert cause(done) == "definition"

    def test_what_is_switched_off_and_on_again(self, reached: tuple[Any, Segment], harbour: Account) -> None:
        milestone, depends = reached
        pays(harbour, 900)
        refresh_everything()
        assert cause(depends) == "data"
        for active in (False, True):
            set_milestone_active(milestone, active)
            look_at_milestones()
            refresh_due()
            assert depends.account_memberships.filter(left_at=None).exists() == active
            assert cause(depends) == "definition"


class TestAlerts:
    @pytest.fixture
    def alerted(self, harbour: Account) -> tuple[Any, Segment]:
        """Who pays little has an alert, and who has an alert is a segment."""
        alert_rule = save_alert_rule(None, name="Small", condition=rule(less(100)))
        open_ones = factories.segment("Alerted", {"field": "alerts.open", "op": "at_least", "value": 1})
        refresh_everything()
        pays(harbour, 50)
        refresh_everything()
        assert cause(open_ones) == "data" and Alert.objects.open().count() == 1
        return alert_rule, open_ones

    @pytest.mark.parametrize("how", ["narrowed", "switched off", "deleted"])
    def test_alerts_that_end_by_a_change_of_their_rule(self, alerted: tuple[Any, Segment], how: str) -> None:
        alert_rule, open_ones = alerted
        if how == "narrowed":
            save_alert_rule(alert_rule, name="Small", condition=rule(less(10)))
        elif how == "deleted":
            delete_alert_rule(alert_rule)
        else:
            set_rule_active(alert_rule, False)
        refresh_due()
        raise_alerts()
        refresh_due()
        assert not open_ones.account_memberships.filter(left_at=None).exists()
        assert cause(open_ones) == "definition" and joined_left()[open_ones.pk] == (1, 0)

    def test_alerts_that_a_new_rule_opens_for_those_who_meet_it_already(self, harbour: Account) -> None:
        open_ones = factories.segment("Alerted", {"field": "alerts.open", "op": "at_least", "value": 1})
        save_alert_rule(None, name="Small", condition=rule(less(900)), include_existing=True)
        refresh_due()
        raise_alerts()
        refresh_due()
        assert cause(open_ones) == "definition"

    def test_alerts_that_end_by_themselves(self, alerted: tuple[Any, Segment], harbour: Account) -> None:
        pays(harbour, 500)
        refresh_everything()
        assert cause(alerted[1]) == "data"
