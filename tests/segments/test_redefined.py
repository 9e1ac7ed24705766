"""A changed definition is told apart from a change of the customers wherever its effect is seen: in the segments that
depend on it, at once or by way of others, by traits, levels and health, whichever refresh answers."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import pytest

from accounts.models import Account, AccountLevel, AttributeChange
from alerts.milestones.editing import save_milestone
from alerts.milestones.reaching import reach_for
from alerts.models import Enrolment, MilestoneChange
from alerts.playbooks.running import run_playbooks
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.editing import save_config
from health.requesting import redefining_requests, score_requested
from segments import refresh as refreshing
from segments.changing import Changed
from segments.editing import save_segment, set_active
from segments.history import movements
from segments.levels.deciding import save_level_rule
from segments.models import RefreshRun, Segment
from segments.pinning import pin_member, unpin_member
from segments.questions import Reader
from segments.refresh import refresh_due, refresh_segments, request_refresh
from segments.trends import joined_left
from tests import factories
from tests.factories import rule
from tests.health.test_scores import by_number, only
from tests.playbooks.conftest import playbook
from usage.traits.computing import compute_for_all
from usage.traits.editing import save_trait
from usage.traits.models import Trait

pytestmark = pytest.mark.django_db
DAILY, DATA = RefreshRun.Trigger.DAILY, RefreshRun.Trigger.DATA


def large(value: int) -> dict[str, Any]:
    return {"field": "account.mrr", "op": "at_least", "value": value}


def inside(segment: Segment, op: str = "in") -> dict[str, Any]:
    return {"segment": segment.key, "op": op}


def widen(segment: Segment, value: int = 100) -> None:
    """The definition of a segment, and nothing else, changes."""
    save_segment(segment, name=segment.name, rule=rule(large(value)))


def cause(segment: Segment) -> str:
    """Of the newest movement."""
    return movements(segment, Reader.now(), None, limit=1)[0].cause


def pays(account: Account, mrr: int) -> None:
    Account.objects.filter(pk=account.pk).update(mrr=mrr, stated_mrr=mrr)
    AttributeChange.objects.create(subject="account", object_id=account.pk, key="mrr", at=moment().now, source="crm")


@pytest.fixture
def harbour(db: None) -> Account:
    return factories.account("Harbour", mrr=200, stated_mrr=200)


@pytest.fixture
def base(harbour: Account) -> Segment:
    """Nobody pays so much."""
    return factories.segment("Base", large(500))


@pytest.fixture
def chain(base: Segment) -> list[Segment]:
    """What is in the base, and what is in that."""
    near = factories.segment("Near", inside(base))
    return [base, near, factories.segment("Far", inside(near))]


class TestDependents:
    def test_all_down_the_line_say_definition_and_none_of_it_is_a_trend(self, chain: list[Segment]) -> None:
        widen(chain[0])
        refresh_due()
        assert [cause(one) for one in chain] == ["definition"] * 3
        assert not {one.pk for one in chain} & joined_left().keys()

    def test_what_customers_do_afterwards_is_data_again(self, chain: list[Segment], harbour: Account) -> None:
        widen(chain[0])
        refresh_due()
        pays(harbour, 20)
        refresh_segments(DAILY)
        assert [cause(one) for one in chain] == ["data"] * 3
        assert joined_left()[chain[2].pk] == (0, 1)

    @pytest.mark.parametrize("trigger", [DAILY, DATA])
    def test_whichever_refresh_answers(self, chain: list[Segment], harbour: Account, trigger: str) -> None:
        """That of new data looks at everybody then, not only at whom the data is about."""
        other = factories.account("Other")
        widen(chain[0])
        refresh_segments(trigger, changed=Changed.of([other.pk]) if trigger == DATA else None)
        assert [cause(one) for one in chain] == ["definition"] * 3

    def test_a_save_that_changes_no_rule_marks_nothing(self, chain: list[Segment], harbour: Account) -> None:
        save_segment(chain[0], name="Another name", rule=chain[0].rule)
        pays(harbour, 600)
        refresh_due()
        assert [cause(one) for one in chain] == ["data"] * 3

    def test_a_segment_that_is_switched_on_marks_what_depends_on_it(self, base: Segment) -> None:
        set_active(base, False)
        refresh_due()
        widen(base)
        Segment.objects.filter(pk=base.pk).update(active=False)
        refresh_due()
        near = factories.segment("Near", inside(base))
        set_active(base, True)
        refresh_due()
        assert cause(near) == "definition"

    def test_one_that_was_refreshed_before_the_other_moved(self, chain: list[Segment]) -> None:
        """By a run that was past the base when it was saved."""
        base, near, far = chain
        widen(base)
        refresh_segments(DAILY, segments=[near, far])
        assert not Segment.objects.get(pk=near.pk).due and near.account_memberships.count() == 0
        refresh_segments(DAILY, segments=[base])
        assert Segment.objects.get(pk=near.pk).due, "or its members would be those of before until the next day"
        refresh_due()
        assert [cause(one) for one in chain] == ["definition"] * 3

    def test_one_whose_base_was_frozen_meanwhile(self, chain: list[Segment], monkeypatch: Any) -> None:
        base = chain[0]
        right = refreshing.apply

        def slow(segment: Segment, *args: Any, **more: Any) -> Any:
            if segment.pk == base.pk:
                raise refreshing.PreviewTooSlow
            return right(segment, *args, **more)

        widen(base)
        with monkeypatch.context() as patch:
            patch.setattr(refreshing, "apply", slow)
            refresh_due()
        assert Segment.objects.get(pk=base.pk).frozen
        refresh_segments(DAILY)
        assert [cause(one) for one in chain] == ["definition"] * 3

    def test_a_mark_that_comes_while_it_is_refreshed_stays(self, chain: list[Segment], monkeypatch: Any) -> None:
        near, right = chain[1], refreshing.apply

        def meanwhile(segment: Segment, *args: Any, **more: Any) -> Any:
            found = right(segment, *args, **more)
            if segment.pk == near.pk:
                Segment.objects.filter(pk=chain[0].pk).update(rule=rule(large(100)), version=2)
                request_refresh([chain[0]], redefined=True)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(refreshing, "apply", meanwhile)
            refresh_segments(DAILY)
        refresh_due()
        assert cause(near) == "definition"


class TestByHand:
    def test_a_pin_further_up_is_a_hand_and_still_a_movement(self, chain: list[Segment], harbour: Account) -> None:
        """A colleague meant that account: what begins with an entry begins."""
        pin_member(chain[0], harbour, kind="in", reason="Pilot")
        refresh_due()
        assert [cause(one) for one in chain] == ["hand"] * 3
        assert not any(one.account_memberships.get().opened_by.new_definition for one in chain)
        unpin_member(chain[0], harbour)
        refresh_due(now=moment(moment().now + dt.timedelta(minutes=1)))
        assert [cause(one) for one in chain] == ["hand"] * 3

    def test_a_pin_of_a_user_moves_the_account(self, harbour: Account) -> None:
        user = factories.relationship(harbour).user
        people = factories.segment("People", {"field": "user.name", "op": "is", "value": "Nobody"}, subject="user")
        has_one = factories.segment("Has one", {"users": "any", "where": rule(inside(people))})
        pin_member(people, user, kind="in", reason="Champion")
        refresh_due()
        assert cause(has_one) == "hand"


class TestTraits:
    MRR_A_SEAT: ClassVar[Any] = {"left": "account.mrr", "right": "account.licences"}
    SEATS_A_DOLLAR: ClassVar[Any] = {"left": "account.licences", "right": "account.mrr"}

    @pytest.fixture
    def trait(self, harbour: Account) -> Trait:
        """20 at first, and 0.05 the other way round."""
        Account.objects.update(licences=10)
        return save_trait(None, name="First", method="ratio", definition=self.MRR_A_SEAT)

    def few(self, trait: Trait) -> dict[str, Any]:
        return {"field": trait.field_key, "op": "less_than", "value": 1}

    def turn(self, trait: Trait) -> None:
        save_trait(trait, name="First", method="ratio", definition=self.SEATS_A_DOLLAR)

    def test_a_save_moves_what_reads_it_and_says_so(self, trait: Trait) -> None:
        """Also what reads a trait that is made of it, and what depends on those segments."""
        more = {"left": trait.field_key, "right": "account.licences"}
        second = save_trait(None, name="Second", method="ratio", definition=more)
        read = factories.segment("Read", self.few(trait))
        further = factories.segment("Further", self.few(second))
        depends = factories.segment("Depends", inside(read))
        other = factories.segment("Other", large(1))
        assert not further.account_memberships.exists()
        self.turn(trait)
        assert not Segment.objects.get(pk=other.pk).due
        refresh_due()
        assert [cause(one) for one in (read, further, depends)] == ["definition"] * 3

    def test_one_that_is_only_computed_again_moves_them_by_data(self, trait: Trait, harbour: Account) -> None:
        read = factories.segment("Read", self.few(trait))
        pays(harbour, 1)
        compute_for_all(trait, redefined=False)
        refresh_due()
        assert cause(read) == "data"

    def test_levels_and_health_follow(self, trait: Trait, harbour: Account) -> None:
        save_level_rule(AccountLevel.objects.get(key="target"), rule=rule(self.few(trait)))
        targets = factories.segment("Targets", {"field": "account.level", "op": "is", "value": "target"})
        save_config(None, name="", definition=only(by_number("few", trait.field_key, 1, 5)))
        good = factories.segment("Good", {"field": "health.band", "op": "is", "value": "good"})
        score_requested()
        refresh_due()
        assert not good.account_memberships.exists() and Account.objects.get().level_id is None
        self.turn(trait)
        assert Account.objects.get().level_id == "target"
        score_requested()
        refresh_due()
        assert [cause(one) for one in (targets, good)] == ["definition"] * 2

    def test_bands_that_are_changed_move_what_reads_them(self, harbour: Account) -> None:
        """Though no score changes."""
        bands = [{"name": "Low", "from": 1}, {"name": "High", "from": 50}]
        given = {"weights": [{"event": "Login", "weight": 1}], "days": 7}
        trait = save_trait(None, name="Engagement", method="engagement", definition=given | {"bands": bands})
        high = factories.segment("High", {"field": trait.band_key, "op": "is", "value": "High"})
        bands = [{"name": "High", "from": 1}, {"name": "Low", "from": 50}]
        save_trait(trait, name="Engagement", method="engagement", definition=given | {"bands": bands})
        refresh_due()
        assert cause(high) == "definition"


def test_a_level_that_is_redefined(harbour: Account) -> None:
    level = AccountLevel.objects.get(key="target")
    segment = factories.segment("Targets", {"field": "account.level", "op": "is", "value": "target"})
    save_level_rule(level, rule=rule(large(100)))
    refresh_due()
    assert cause(segment) == "definition"


def test_a_health_config_that_is_redefined(harbour: Account) -> None:
    good = factories.segment("Good", {"field": "health.band", "op": "is", "value": "good"})
    config = save_config(None, name="", definition=only(by_number("mrr", "account.mrr", 1_000, 500)))
    score_requested()
    refresh_due()
    assert not good.account_memberships.exists()
    save_config(config, name="", definition=only(by_number("mrr", "account.mrr", 100, 10)))
    score_requested()
    refresh_due()
    assert cause(good) == "definition"
    pays(harbour, 1)
    refresh_everything()
    assert cause(good) == "data"


def test_a_health_config_that_the_daily_refresh_is_quicker_with(harbour: Account) -> None:
    good = factories.segment("Good", {"field": "health.band", "op": "is", "value": "good"})
    save_config(None, name="", definition=only(by_number("mrr", "account.mrr", 100, 10)))
    refresh_everything()
    assert cause(good) == "definition"
    pays(harbour, 1)
    refresh_everything()
    assert cause(good) == "data", "once, also while the scoring that was asked for is not done"


def test_a_segment_of_a_health_config_that_is_redefined(base: Segment) -> None:
    good = factories.segment("Good", {"field": "health.band", "op": "is", "value": "good"})
    config = save_config(None, name="", segment=base, definition=only(by_number("mrr", "account.mrr", 100, 10)))
    score_requested()
    refresh_due()
    save_config(config, name="Another name", segment=base, definition=config.definition)
    assert not redefining_requests(), "a name decides about no score"
    score_requested()
    refresh_due()
    widen(base)
    refresh_due()
    score_requested()
    refresh_due()
    assert cause(good) == "definition"


def test_a_playbook_takes_in_nobody_for_it(chain: list[Segment], harbour: Account, time_machine: Any) -> None:
    playbook({"kind": "delay", "days": 3}, segment=chain[2])
    widen(chain[0])
    refresh_due()
    run_playbooks()
    assert chain[2].account_memberships.filter(left_at=None).count() == 1 and not Enrolment.objects.exists()
    pays(harbour, 1)
    refresh_segments(DAILY)
    pays(harbour, 600)
    refresh_segments(DAILY)
    run_playbooks()
    assert Enrolment.objects.count() == 1


@pytest.mark.parametrize("part", ["target", "condition"])
def test_a_milestone_says_whose_doing_it_was(chain: list[Segment], harbour: Account, part: str) -> None:
    """Whether it aims at a segment that depends on the changed one, or asks about it."""
    more: dict[str, Any] = {"condition": rule(inside(chain[2]))}
    if part == "target":
        more = {"condition": rule(large(150)), "segments": [chain[2]]}
    pays(harbour, 100)
    save_milestone(None, name="Rolled out", **more)
    refresh_due()
    reach_for()
    pays(harbour, 200)  # what the condition asks is met by their own doing
    refresh_segments(DAILY)
    assert not MilestoneChange.objects.exists()
    widen(chain[0])
    refresh_due()
    reach_for()
    assert [(one.kind, one.origin) for one in MilestoneChange.objects.all()] == [("reached", "definition")]
