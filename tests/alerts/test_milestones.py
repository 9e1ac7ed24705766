"""Milestones beside what surrounds them: definitions, targets, the past, people, segments and alerts that read them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.fields.uses import uses_of_field
from accounts.models import Account
from alerts.editing import save_alert_rule
from alerts.milestones.backfilling import date_reached, is_search_due
from alerts.milestones.editing import (
    Expected,
    MilestoneInUse,
    delete_milestone,
    move_milestone,
    save_milestone,
    set_milestone_active,
)  # fmt: skip
from alerts.milestones.marking import mark_reached, reset, undo
from alerts.milestones.progress import progress_of
from alerts.milestones.reaching import reach_for
from alerts.milestones.tasks import look_at_milestones
from alerts.models import AccountMilestone, Alert, Milestone, MilestoneChange
from core.clock import moment
from core.intake import BadValue, NameTaken
from core.versions import Stale
from csbox.pipeline import refresh_accounts, refresh_everything
from segments.editing import SegmentInUse, delete_segment
from segments.models import AccountMembership, Segment
from segments.questions import Reader, read_rule
from segments.refresh import refresh_due, refresh_segments
from segments.rules.tree import RuleError
from tests import factories
from tests.alerts.making import MANY, has, made_milestone
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 5, 20)


@pytest.fixture(autouse=True)
def _a_day(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))


def state(account: Account, milestone: Milestone) -> str:
    """The state of an account with a milestone."""
    return AccountMilestone.objects.get(account=account, milestone=milestone).state


def told() -> list[tuple[str, str]]:
    """Kind and origin of every change, the oldest first."""
    return list(MilestoneChange.objects.order_by("pk").values_list("kind", "origin"))


def test_what_a_definition_finds_is_not_the_customers_doing() -> None:
    large, small = factories.account(stated_licences=20), factories.account(stated_licences=2)
    refresh_everything()
    milestone = made_milestone(sticky=False)
    assert told() == [("reached", "definition")]
    assert not AccountMilestone.objects.get(account=large).dated
    has(small, 12)
    assert told()[1:] == [("reached", "rule")] and AccountMilestone.objects.get(account=small).dated
    more = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 15}]}
    save_milestone(milestone, name=milestone.name, condition=more, sticky=False)
    look_at_milestones()
    assert told()[2:] == [("lost", "definition")] and state(small, milestone) == "lost"
    has(small, 16)
    assert told()[3:] == [("rewon", "rule")]
    # Days that are shortened make accounts late, which is the definition's doing as well; the clock's is the account's.
    Account.objects.filter(pk=small.pk).update(customer_since=TODAY - dt.timedelta(days=30))
    has(small, 1)
    waiting = factories.account(stated_licences=1, customer_since=TODAY - dt.timedelta(days=10))
    refresh_everything()
    save_milestone(milestone, name=milestone.name, condition=more, sticky=False, expected=Expected(5))
    look_at_milestones()
    assert told()[-1] == ("overdue", "definition") and state(waiting, milestone) == "overdue"


def test_the_clock_alone_makes_an_account_overdue(time_machine: Any) -> None:
    account = factories.account(stated_licences=1, customer_since=TODAY)
    refresh_everything()
    milestone = made_milestone(expected=Expected(2))
    time_machine.shift(dt.timedelta(days=2))
    refresh_everything()
    assert state(account, milestone) == "pending"
    time_machine.shift(dt.timedelta(days=1))
    refresh_everything()
    row = AccountMilestone.objects.get()
    assert (row.state, row.due_on, told()) == ("overdue", TODAY + dt.timedelta(days=2), [("overdue", "rule")])
    assert row.since == moment().start_of(TODAY + dt.timedelta(days=3))
    Account.objects.update(customer_since=TODAY + dt.timedelta(days=1))
    refresh_everything()
    assert told()[1:] == [("in_time", "rule")]


def test_days_are_counted_from_the_subscription_or_from_a_date_that_is_chosen() -> None:
    came, gone = (TODAY - dt.timedelta(days=days) for days in (40, 9))
    account = factories.account(stated_licences=1, customer_since=came, churned_on=gone)
    factories.subscription(account, starts_on=TODAY - dt.timedelta(days=5))
    factories.subscription(account, trial_starts_on=TODAY - dt.timedelta(days=8))
    none = factories.account()
    refresh_everything()
    first = made_milestone(expected=Expected(3, Milestone.Start.SUBSCRIPTION))
    dated = made_milestone("Dated", expected=Expected(3, Milestone.Start.FIELD, "account.churned_on"))
    starts = dict(AccountMilestone.objects.filter(account=account).values_list("milestone", "starts_on"))
    assert starts == {first.pk: TODAY - dt.timedelta(days=8), dated.pk: TODAY - dt.timedelta(days=9)}
    assert {state(account, first), state(account, dated), state(none, first)} == {"overdue", "pending"}
    assert [use.name for use in uses_of_field("account.churned_on")] == ["Dated"]


def test_who_leaves_the_target_keeps_what_it_reached_and_is_waited_for_no_longer() -> None:
    target = factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 100})
    reached, waiting = (factories.account(stated_mrr=500, stated_licences=n) for n in (1, 1))
    outside = factories.account(stated_mrr=1, stated_licences=50)
    refresh_everything()
    milestone = made_milestone(segments=[target], sticky=False, expected=Expected(0))
    has(reached, 30)
    assert not AccountMilestone.objects.filter(account=outside).exists()
    Account.objects.exclude(pk=outside.pk).update(stated_mrr=1)
    has(reached, 1)
    assert (state(reached, milestone), state(waiting, milestone)) == ("reached", "out")
    assert told()[-1] == ("out", "rule")
    Account.objects.filter(pk__in=[reached.pk, waiting.pk]).update(stated_mrr=500)
    refresh_everything()
    assert (state(reached, milestone), state(waiting, milestone)) == ("lost", "pending")
    with pytest.raises(SegmentInUse, match="used by milestone"):
        delete_segment(target)
    # Another target is the definition's doing.
    save_milestone(milestone, name="x", condition=MANY, sticky=False, segments=[])
    look_at_milestones()
    assert told()[-1] == ("reached", "definition") and state(outside, milestone) == "reached"


def test_a_stay_that_no_run_looked_at_while_it_lasted_is_found() -> None:
    account = factories.account(stated_licences=1)
    refresh_everything()
    good, lost = made_milestone("For good"), made_milestone("Can be lost", sticky=False)
    for licences in (12, 1, 12, 1):  # a worker is killed after the segments, four times
        Account.objects.filter(pk=account.pk).update(licences=licences)
        refresh_segments()
    moved = reach_for()
    assert moved.kinds == {"reached": 2, "lost": 2, "rewon": 1}
    assert (state(account, good), state(account, lost)) == ("reached", "lost")
    row = AccountMilestone.objects.get(milestone=lost)
    assert row.reached_at and row.won_at and row.lost_at and row.reached_at < row.won_at < row.lost_at
    assert not reach_for().accounts


def test_what_is_not_known_changes_nothing() -> None:
    account = factories.account(stated_licences=1)
    refresh_everything()
    milestone = made_milestone(sticky=False)
    has(account, 12)
    Segment.everything.filter(pk=milestone.watch_id).update(error="The rule took longer than 60 s.")
    AccountMembership.objects.update(left_at=moment().now)
    assert reach_for().silent == 1 and state(account, milestone) == "reached"
    set_milestone_active(milestone, False)
    has(account, 1)
    assert state(account, milestone) == "reached" and reach_for().silent == 0


def test_some_accounts_come_to_the_state_that_all_would() -> None:
    some, other = factories.account(stated_licences=1), factories.account(stated_licences=1)
    refresh_everything()
    milestone = made_milestone()
    seen = factories.segment("Has it", {"field": f"milestone.{milestone.key}", "op": "is", "value": "reached"})
    Account.objects.update(stated_licences=40)
    refresh_accounts([some.pk])
    assert (state(some, milestone), state(other, milestone)) == ("reached", "pending")
    assert set(seen.account_memberships.values_list("account", flat=True)) == {some.pk}
    refresh_everything()
    assert state(other, milestone) == "reached"


def test_segments_and_alert_rules_read_milestones() -> None:
    account = factories.account(stated_licences=1, customer_since=TODAY - dt.timedelta(days=9))
    refresh_everything()
    milestone = made_milestone(expected=Expected(30))
    key = f"milestone.{milestone.key}"
    rule = save_alert_rule(None, name="Late", condition=factories.rule({"field": key, "op": "is", "value": "overdue"}))
    late = factories.segment("Late", {"field": "milestones.overdue", "op": "at_least", "value": 1})
    refresh_due()
    reach_for()  # or what it finds at first would be the definition's doing
    Account.objects.update(customer_since=TODAY - dt.timedelta(days=90))
    refresh_everything()
    late.refresh_from_db()
    assert late.member_count == 1 and Alert.objects.get().rule == rule
    has(account, 12)
    known = Reader.now().vocabulary
    fields = {"taken": known[f"{key}.days"].value(""), "number": known["milestones.reached"].value("")}
    row: Any = Account.objects.annotate(**fields).get()
    assert (row.taken, row.number) == (90, 1)
    since = {"field": f"{key}.reached_at", "op": "within_last", "value": {"n": 1, "unit": "day"}}
    assert read_rule(factories.rule(since)).accounts().count() == 1
    with pytest.raises(MilestoneInUse, match="Late"):
        delete_milestone(milestone)


def event(name: str, at: dt.date, account: Account) -> EventFact:
    """Something that happened at noon of a day."""
    noon = dt.datetime.combine(at, dt.time(12), dt.UTC)
    return EventFact(f"{name}-{account.pk}-{at}", name, noon, account.external_id, None)


def test_the_day_is_found_in_the_events_of_the_past() -> None:
    early, late, before = (factories.account(customer_since=TODAY - dt.timedelta(days=60)) for _ in range(3))
    days = {early: (50, 40, 30), late: (20, 2, 1), before: (45,)}
    facts = [event("Signed In", TODAY - dt.timedelta(days=n), one) for one, ages in days.items() for n in ages]
    PostgresStore().append(facts, source="app")
    roll_up()
    refresh_everything()
    milestone = made_milestone(
        condition={"match": "all", "rules": [{"event": "Signed In", "op": "at_least", "value": 2}]}
    )
    rows = {row.account: row for row in AccountMilestone.objects.select_related("account")}
    found = {one: row.reached_at.date() for one, row in rows.items() if row.reached_at}
    assert found == {early: TODAY - dt.timedelta(days=40), late: TODAY - dt.timedelta(days=2)}
    assert all(row.dated for row in rows.values()) and rows[before].state == "pending"
    assert set(MilestoneChange.objects.values_list("at__date", "origin")) == {
        (TODAY - dt.timedelta(days=40), "definition"), (TODAY - dt.timedelta(days=2), "definition"),
    }  # fmt: skip
    times = progress_of([milestone], Account.objects.live())[0].times
    assert (times.number, times.median) == (2, 39.0)
    assert not is_search_due() and not date_reached()


def test_a_person_marks_resets_and_takes_it_back() -> None:
    account, other = factories.account("Harbour", stated_licences=1), factories.account(stated_licences=30)
    user = factories.member().user
    refresh_everything()
    milestone = made_milestone(sticky=False)
    with pytest.raises(BadValue, match="why"):
        mark_reached(milestone, [account], reason=" ")
    with pytest.raises(BadValue, match="ahead"):
        mark_reached(milestone, [account], reason="x", on=TODAY + dt.timedelta(days=1))
    marked = mark_reached(milestone, [account, other], reason="On the phone.", on=TODAY - dt.timedelta(days=3), by=user)
    assert list(marked.values) == [account.pk]  # the other one had it
    refresh_everything()
    row = AccountMilestone.objects.get(account=account)
    assert (row.state, row.by_hand, row.reached_at) == (
        "reached",
        True,
        moment().start_of(TODAY - dt.timedelta(days=3)),
    )
    change = MilestoneChange.objects.get(origin="hand")
    assert (change.kind, change.by, change.reason) == ("reached", user, "On the phone.")
    assert undo(marked) == 1 and state(account, milestone) == "pending" and undo(marked) == 0
    # What the rule found counts again only when it begins anew; taking the reset back restores it.
    again = reset(milestone, [other, account], reason="New contract.")
    refresh_everything()
    assert state(other, milestone) == "pending" and list(again.values) == [other.pk]
    assert undo(again) == 1 and state(other, milestone) == "reached"
    again = reset(milestone, [other], reason="New contract.")
    has(other, 1)
    has(other, 30)
    assert state(other, milestone) == "reached" and undo(again) == 0


def test_the_database_refuses_two_states_and_dates_out_of_order() -> None:
    account = factories.account(stated_licences=30)
    refresh_everything()
    made_milestone()
    row = AccountMilestone.objects.get(account=account)
    wrong: list[dict[str, Any]] = [
        {"pk": None}, {"won_at": row.since - dt.timedelta(days=1)}, {"state": "lost"}, {"state": "pending"},
        {"reached_at": None}, {"lost_at": moment().now + dt.timedelta(days=1)},
    ]  # fmt: skip
    for values in wrong:
        bad = AccountMilestone.objects.get(account=account)
        for name, value in values.items():
            setattr(bad, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            bad.save()


def test_bad_definitions_are_refused_with_the_place() -> None:
    users = factories.segment("Users", {"field": "user.name", "op": "is_set"}, subject="user")
    milestone = made_milestone()
    reading = factories.segment("Reads", {"field": f"milestone.{milestone.key}", "op": "is", "value": "reached"})
    condition = factories.rule({"field": "milestones.reached", "op": "at_least", "value": 1})
    condition["rules"].append({"segment": reading.key, "op": "in"})
    with pytest.raises(RuleError) as refused:
        save_milestone(None, name="x", condition=condition, segments=[users, reading])
    assert [(p.pointer, p.code) for p in refused.value.problems] == [
        ("/condition/rules/0", "later-stage"), ("/condition", "later-stage"),
        ("/segments/0", "wrong-subject"), ("/segments/1", "later-stage"),
    ]  # fmt: skip
    with pytest.raises(RuleError, match="empty"):
        save_milestone(None, name="x", condition={"match": "all", "rules": []})
    for given in (
        {"name": " "}, {"key": "new"}, {"key": milestone.key}, {"key": "Not a key"}, {"expected": Expected(-1)},
        {"expected": Expected(3, "field", "account.mrr")}, {"expected": Expected(3, "moon")},
    ):  # fmt: skip
        with pytest.raises(BadValue):
            save_milestone(None, **{"name": "x", "condition": MANY} | given)
    with pytest.raises(NameTaken):
        made_milestone("MANY LICENCES")
    with pytest.raises(Stale):
        save_milestone(milestone, name="x", condition=MANY, expected_version=7)
    assert save_milestone(None, name="New", condition=MANY).key == "new-2"
    assert [milestone.position, move_milestone(milestone, 5)] == [1, 2]
