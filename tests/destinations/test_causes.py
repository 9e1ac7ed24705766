"""Why a field's value changed, as a destination is told: the customer, the clock, a definition, or a person here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, record_accounts, record_subscriptions, record_users
from accounts.facts.attributes import define_attribute
from accounts.models import Account, Subject
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.marking import mark_reached
from alerts.milestones.tasks import look_at_milestones
from core.clock import moment
from csbox.pipeline import refresh_everything, refresh_touched
from health.editing import end_override, override_health, save_config, take_pulse
from health.requesting import score_requested
from integrations.destinations.editing import add_item, go_on, pause
from tests import factories
from tests.destinations.conftest import Make, run
from tests.destinations.endpoint import Endpoint
from tests.health.test_scores import by_number, definition
from usage.traits.editing import save_trait

pytestmark = pytest.mark.django_db
# The plain names are the customers' own.
KEYS = {"account.mrr": "worth", "account.level": "tier_of_ours", "account.custom.tier": "their_tier",
        "account.licences": "paid_for", "user.title": "job"}  # fmt: skip
Told = Callable[[], list[tuple[str, Any, str]]]


@pytest.fixture
def told(endpoint: Endpoint) -> Told:
    """What came since it was last asked: the key, the value and the cause of each."""

    def said() -> list[tuple[str, Any, str]]:
        run()
        found = [
            (*next(iter(message["traits"].items())), message["context"]["csbox"]["cause"])
            for message in endpoint.messages
        ]
        endpoint.got.clear()
        return sorted(found)

    return said


def changed(external_id: str, source: str, **values: Any) -> None:
    """A value of an account that came from somewhere, evaluated as the worker does."""
    outcome = record_accounts([Fact(external_id, values, timezone.now())], source=source)
    assert outcome.touched and not outcome.rejected
    refresh_touched()


def test_what_a_colleague_wrote_in_a_form_is_by_hand(make: Make, told: Told) -> None:
    define_attribute(Subject.ACCOUNT, "tier", kind="text")
    account = factories.account(external_id="a")
    factories.relationship(account, factories.end_user(external_id="u", title="Chief"))
    to = make(events=False)
    for field in ("account.level", "account.custom.tier", "account.licences", "user.title", "account.stage_type"):
        add_item(to, field=field, key=KEYS.get(field, field.rpartition(".")[2]))
    told()
    changed("a", "admin:ann", level="target", stated_licences=5, **{"custom.tier": "Gold"})
    assert told() == [("paid_for", 5, "hand"), ("their_tier", "Gold", "hand"), ("tier_of_ours", "target", "hand")]
    # Said again by a system it stays what it is, and then it is told by one.
    changed("a", "crm", level="target", name="Renamed")
    changed("a", "crm", stage="trial", **{"custom.tier": "Silver"})
    assert told() == [("stage_type", "trial", "data"), ("their_tier", "Silver", "data")]
    for source in ("api:ann", "admin:ann"):
        record_users([Fact("u", {"title": f"By {source}"}, timezone.now())], source=source)
        refresh_touched()
        assert told() == [("job", f"By {source}", "hand" if source.startswith("admin") else "data")]
    # What is stated counts only where there is no subscription; then the sum of these is nobody's doing here.
    rows = {"account": "a", "status": "active", "mrr": 1, "currency": "USD", "quantity": 9}
    assert not record_subscriptions([Fact("s", rows, timezone.now())], source="crm").rejected
    refresh_touched()
    assert told() == [("paid_for", 9, "data")]


def test_health_is_told_apart_by_what_moved_it(make: Make, told: Told, time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))
    account = factories.account(external_id="a", stated_licences=100, customer_since=moment().today)
    size, age = (by_number("size", "account.licences", 100, 10), by_number("age", "account.customer_since", 30, 60))
    config = save_config(None, name="", definition=definition(("use", 50, [size]), ("since", 50, [age])))
    score_requested()
    to = make(events=False)
    for field in ("health.band", "health.score", "account.pulse", "health.overridden"):
        add_item(to, field=field, key=KEYS.get(field, field.rpartition(".")[2]))
    assert told() == [("band", "good", "first"), ("overridden", False, "first"), ("score", 100, "first")]
    changed("a", "crm", stated_licences=10)
    assert told() == [("band", "average", "data"), ("score", 50, "data")]
    time_machine.shift(dt.timedelta(days=90))
    refresh_everything()
    assert told() == [("band", "poor", "time"), ("score", 0, "time")]
    save_config(config, name="", definition=definition(("use", 100, [size | {"good": 10, "poor": 1}])))
    score_requested()
    assert told() == [("band", "good", "definition"), ("score", 100, "definition")]
    override_health(account, band="poor", reason="They told us that they leave.")
    refresh_touched()
    assert told() == [("band", "poor", "hand"), ("overridden", True, "hand")]
    end_override(account)
    take_pulse(account, 2)
    refresh_everything()  # whoever looks at it first
    assert told() == [("band", "good", "hand"), ("overridden", False, "hand"), ("pulse", 2, "hand")]


def test_a_figure_of_the_last_days_moves_with_time_and_a_fact_does_not(
    make: Make, told: Told, time_machine: Any
) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))
    factories.account(external_id="a", stated_mrr=5, customer_since=dt.date(2026, 5, 1))
    tenure = save_trait(None, name="Tenure", method="tenure", definition={"since": "account.customer_since"})
    to = make(events=False)
    for field in (tenure.field_key, "account.mrr"):
        add_item(to, field=field, key=KEYS.get(field, field.rpartition(".")[2]))
    told()
    Account.objects.update(stated_mrr=7)  # nothing says who did it
    time_machine.shift(dt.timedelta(days=3))
    refresh_everything()
    assert told() == [("tenure", 22, "time"), ("worth", 7, "data")]


def test_what_came_during_a_pause_or_for_very_many_is_data(make: Make, told: Told, time_machine: Any) -> None:
    """Everybody is looked at then, as every day; only of those of whom nothing came it was the clock."""
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))
    since = dt.date(2026, 5, 1)
    for key in ("a", "b"):
        factories.account(external_id=key, customer_since=since)
    tenure = save_trait(None, name="Tenure", method="tenure", definition={"since": "account.customer_since"})
    to = make(events=False)
    add_item(to, field=tenure.field_key)
    told()
    pause(to)
    time_machine.shift(dt.timedelta(days=1))
    changed("a", "crm", customer_since=since - dt.timedelta(days=9))
    time_machine.shift(dt.timedelta(days=1))
    refresh_everything()
    go_on(to)
    assert told() == [("tenure", 21, "time"), ("tenure", 30, "data")]
    time_machine.shift(dt.timedelta(days=1))
    facts = [Fact("b", {"customer_since": since - dt.timedelta(days=30)}, timezone.now())]
    assert record_accounts(facts, source="crm").updated
    refresh_everything()  # quicker than the evaluation of the one
    assert told() == [("tenure", 31, "time"), ("tenure", 52, "data")]


def test_a_milestone_says_whose_doing_it_was(make: Make, told: Told, time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))
    account = factories.account(external_id="a", stated_licences=1, customer_since=moment().today)
    large = factories.rule({"field": "account.licences", "op": "at_least", "value": 10})
    milestone = save_milestone(None, name="Large", condition=large, expected=Expected(2), sticky=False)
    look_at_milestones()
    add_item(make(events=False), field="milestone.large", key="large")
    assert told() == [("large", "pending", "first")]
    time_machine.shift(dt.timedelta(days=3))
    refresh_everything()
    assert told() == [("large", "overdue", "time")]
    changed("a", "crm", stated_licences=10)
    assert told() == [("large", "reached", "data")]
    more = factories.rule({"field": "account.licences", "op": "at_least", "value": 20})
    save_milestone(milestone, name="Large", condition=more, expected=Expected(2), sticky=False)
    look_at_milestones()
    refresh_everything()
    assert told() == [("large", "lost", "definition")]
    mark_reached(milestone, [account], reason="They signed for it.")
    refresh_touched()
    assert told() == [("large", "reached", "hand")]
