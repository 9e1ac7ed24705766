"""Alerts beside what surrounds them: definitions, assignment, sleep, undo, ignorance, the refresh in order."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from accounts.facts import define_attribute
from accounts.models import Account, TeamMember
from alerts import handling
from alerts.editing import Assigning, delete_alert_rule, save_alert_rule, set_rule_active
from alerts.models import Alert, AlertEntry, AlertRule
from alerts.raising import explained_now, raise_alerts
from alerts.reasons import reason_of, say_the_same
from core.clock import moment
from core.intake import BadValue, NameTaken
from core.versions import Stale
from csbox.pipeline import refresh_everything
from health.models import AccountHealth
from segments.editing import SegmentInUse, delete_segment
from segments.impact import knock_on
from segments.models import Segment
from segments.questions import Reader, read_rule
from segments.refresh import refresh_due
from segments.rules.tree import RuleError
from segments.uses import uses_of
from tests import factories
from tests.alerts.making import FEW, has, made_rule
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db


def test_a_definition_alone_opens_nothing_unless_asked() -> None:
    small = factories.account("Small", stated_licences=3)
    refresh_everything()
    rule = made_rule()
    refresh_everything()
    assert not Alert.objects.exists()
    made_rule("Asked", include_existing=True)
    refresh_everything()
    assert [alert.rule.name for alert in Alert.objects.all()] == ["Asked"]
    # A changed condition that holds for it opens none either; what it no longer holds for ends as such.
    fewer = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 4}]}
    save_alert_rule(rule, name=rule.name, condition=fewer)
    refresh_due()
    refresh_everything()
    assert Alert.objects.filter(rule=rule).count() == 0
    asked = AlertRule.objects.get(name="Asked")
    never = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 900}]}
    save_alert_rule(asked, name="Asked", condition=never, include_existing=True)
    refresh_due()
    refresh_everything()
    (alert,) = Alert.objects.filter(rule=asked)
    assert (alert.account, alert.ending) == (small, Alert.Ending.DEFINITION)


def test_the_alert_tells_why_in_words_and_whose_it_is() -> None:
    account = factories.account("Harbour", stated_licences=30)
    csm, ann, bob = (factories.member() for _ in range(3))
    factories.assign(account, csm)
    other = factories.account("Quay", stated_licences=30)
    third = factories.account("Pier", stated_licences=30)
    rule = made_rule(
        message="{{ account.name }} has {{account.licences}} licences",
        assigning=Assigning(role=account.assignments.get().role, round_robin=(ann, bob)),
    )
    for one in (account, other, third):
        Account.objects.filter(pk=one.pk).update(stated_licences=4)
    refresh_everything()
    found = {alert.account.name: alert for alert in Alert.objects.filter(rule=rule)}
    assert found["Harbour"].message == "Harbour has 4 licences"
    assert found["Harbour"].assignee == csm
    assert {found["Quay"].assignee, found["Pier"].assignee} == {ann, bob}
    why = found["Quay"].why
    assert why["met"] and why["outcomes"][0]["outcomes"][0]["actual"] == "4"
    assert [entry.kind for entry in found["Quay"].entries.all()] == ["opened"]


def test_turns_go_on_from_run_to_run_and_nobody_who_left_gets_one() -> None:
    ann, bob, gone, last = (factories.member() for _ in range(4))
    type(gone.user).objects.filter(pk=gone.user_id).update(is_active=False)
    accounts = [factories.account(f"A {place}", stated_licences=30) for place in range(5)]
    made_rule(assigning=Assigning(round_robin=(ann, bob, gone), fallback=last))
    for one in accounts[:4]:
        has(one, 3)  # a run each
    given = [Alert.objects.get(account=one).assignee for one in accounts[:4]]
    assert given[:2] == given[2:] and {*given} == {ann, bob}
    type(ann.user).objects.update(is_active=False)
    has(accounts[4], 3)
    assert Alert.objects.get(account=accounts[4]).assignee == last, "nobody is left to take a turn"


def test_an_open_alert_tells_how_things_are_now_beside_how_they_were() -> None:
    account = factories.account("Harbour", stated_licences=30)
    made_rule(clear={"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 20}]})
    has(account, 3)
    alert = Alert.objects.get()
    assert say_the_same(alert.why, explained_now(alert, Reader.now()))
    has(account, 5)
    now = explained_now(alert, Reader.now())
    assert reason_of(now) == "Licences is at most 5 (5)" and not say_the_same(alert.why, now) and now["met"]
    has(account, 9)  # between the two thresholds: open, and the condition does not hold
    alert.refresh_from_db()
    now = explained_now(alert, Reader.now())
    assert alert.ended_at is None and not now["met"] and reason_of(alert.why) == "Licences is at most 5 (3)"
    has(account, 25)
    alert.refresh_from_db()
    assert explained_now(alert, Reader.now()) == {} and alert.proof["met"]


def opened(account: Account, days: int, times: int) -> None:
    """The account used the product so many times, so many days ago."""
    at = moment().now - dt.timedelta(days=days)
    facts = [EventFact(f"{account.pk}-{days}-{n}", "Opened", at, account.external_id, None, {}) for n in range(times)]
    assert not PostgresStore().append(facts, source="test").rejected


def test_every_kind_of_trigger_raises_for_whom_it_holds_and_for_nobody_else() -> None:
    one, other = factories.account("Harbour", stated_licences=3), factories.account("Quay", stated_licences=30)
    define_attribute("account", "review", kind="date")
    Account.objects.update(attributes={"review": (moment().today + dt.timedelta(days=60)).isoformat()})
    big = factories.segment("Big", {"field": "account.licences", "op": "at_least", "value": 20}, key="big")
    for account in (one, other):
        opened(account, 45, 4)
    within, week = {"last": 30, "unit": "day"}, {"n": 7, "unit": "day"}
    event = {"event": "Opened", "window": within}
    triggers: dict[str, dict[str, Any]] = {
        "events": event | {"op": "at_least", "value": 3},
        "more than before": event | {"op": "increased_by", "value": {"percent": 10}},
        "left": {"segment": big.key, "op": "left", "value": week},
        "entered": {"segment": big.key, "op": "entered", "value": week},
        "date ahead": {"field": "account.custom.review", "op": "within_next", "value": {"n": 30, "unit": "day"}},
    }
    triggers["all of them"] = {"match": "all", "rules": [triggers["events"], triggers["entered"]]}
    refresh_everything()
    for name, rule in triggers.items():
        save_alert_rule(None, name=name, condition={"match": "all", "rules": [rule]})
    refresh_due()
    refresh_everything()
    assert not Alert.objects.exists()
    opened(one, 1, 6)
    Account.objects.filter(pk=one.pk).update(
        stated_licences=40, attributes={"review": (moment().today + dt.timedelta(days=30)).isoformat()}
    )
    Account.objects.filter(pk=other.pk).update(stated_licences=2)
    refresh_everything()
    raised = {(alert.rule.name, alert.account) for alert in Alert.objects.open()}
    assert raised == {(name, one) for name in triggers if name != "left"} | {("left", other)}


def test_what_is_not_known_opens_and_ends_nothing() -> None:
    account = factories.account("Harbour", stated_licences=30)
    rule = made_rule()
    has(account, 3)
    Segment.everything.filter(pk=rule.watch_id).update(error="The rule took longer than 60 s.")
    account.memberships.update(left_at=dt.datetime.now(dt.UTC))
    assert raise_alerts().silent == 1
    assert Alert.objects.open().count() == 1
    Segment.everything.filter(pk=rule.watch_id).update(error="")
    assert raise_alerts().ended == 1


def test_the_database_holds_one_open_alert_of_a_rule_and_account() -> None:
    account = factories.account("Harbour", stated_licences=30)
    made_rule()
    has(account, 3)
    alert = Alert.objects.get()
    alert.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        alert.save()


def test_sleeping_until_a_day_and_until_it_gets_worse(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC))
    account = factories.account("Harbour", stated_licences=30)
    made_rule()
    has(account, 3)
    alert, today = Alert.objects.get(), moment().today
    health, _ = AccountHealth.objects.update_or_create(
        account=account, defaults={"score": 60, "band": "average", "band_since": moment().now}
    )
    handling.snooze([alert], until=today, reason="On holiday.")
    assert not Alert.objects.waiting(today).exists() and Alert.objects.snoozed(today).count() == 1
    time_machine.shift(dt.timedelta(days=1))
    assert raise_alerts().woken == 1 and Alert.objects.waiting(today).count() == 1
    handling.snooze([alert], till_worse=True)
    AccountHealth.objects.filter(pk=health.pk).update(score=56)
    assert raise_alerts().woken == 0
    AccountHealth.objects.filter(pk=health.pk).update(score=55)
    assert raise_alerts().woken == 1
    with pytest.raises(BadValue):
        handling.snooze([alert], until=today - dt.timedelta(days=1))
    assert [entry.kind for entry in alert.entries.all()] == ["opened", "snoozed", "woke", "snoozed", "woke"]


def test_what_was_done_can_be_undone_but_never_to_two_open_alerts() -> None:
    account, member = factories.account("Harbour", stated_licences=30), factories.member()
    rule = made_rule()
    has(account, 3)
    alert = Alert.objects.get()
    assigned = handling.assign([alert], member)
    assert Alert.objects.get().assignee == member
    handling.undo(assigned)
    assert Alert.objects.get().assignee is None
    closed = handling.close([alert], outcome="false", reason="A typing error.")
    assert handling.close([alert]).values == {}
    assert handling.undo(closed) == 1 and Alert.objects.open().count() == 1
    closed = handling.close([alert])
    has(account, 30)
    has(account, 2)
    assert Alert.objects.open().count() == 1
    assert handling.undo(closed) == 0 and Alert.objects.filter(rule=rule).count() == 2


def test_undoing_an_assignment_opens_nothing_that_was_closed_since() -> None:
    account, member = factories.account("Harbour", licences=30, stated_licences=30), factories.member()
    made_rule()
    has(account, 3)
    alert = Alert.objects.get()
    assigned = handling.assign([alert], member)
    handling.close([alert], outcome="success")
    assert handling.undo(assigned) == 1
    alert.refresh_from_db()
    assert (alert.assignee, alert.ending, alert.outcome) == (None, "closed", "success")
    assert [entry.kind for entry in alert.entries.all()] == ["opened", "assigned", "ended", "assigned"]


def test_a_rule_that_is_switched_off_ends_its_alerts_and_comes_back_quietly() -> None:
    account = factories.account("Harbour", stated_licences=30)
    rule = made_rule()
    has(account, 3)
    set_rule_active(rule, False)
    refresh_due()
    raise_alerts()
    assert Alert.objects.get().ending == Alert.Ending.DEFINITION
    set_rule_active(rule, True)
    refresh_due()
    raise_alerts()
    assert not Alert.objects.open().exists()


def test_bad_rules_are_refused_with_the_place() -> None:
    everybody = factories.segment("Users", {"field": "user.name", "op": "is_set"}, subject="user")
    with pytest.raises(RuleError) as refused:
        save_alert_rule(
            None, name="x", segments=[everybody],
            condition={"match": "all", "rules": [{"field": "account.nothing", "op": "is_set"}]},
            clear={"match": "all", "rules": [{"field": "alerts.open", "op": "at_least", "value": 1}]},
        )  # fmt: skip
    assert [(p.pointer, p.code) for p in refused.value.problems] == [
        ("/condition/rules/0/field", "unknown-field"), ("/clear/rules/0", "later-stage"),
        ("/segments/0", "wrong-subject"),
    ]  # fmt: skip
    for given in (
        {"name": ""}, {"message": "{{ account.nothing }}"}, {"message": "{{ user.name }}"}, {"message": "{{"},
        {"hold_days": -1}, {"cooldown_days": 366}, {"refire": "lasting"},
    ):  # fmt: skip
        with pytest.raises(BadValue):
            save_alert_rule(None, **{"name": "x", "condition": FEW} | given)
    rule = made_rule()
    with pytest.raises(NameTaken):
        made_rule("FEW LICENCES")
    with pytest.raises(Stale):
        save_alert_rule(rule, name="x", condition=FEW, expected_version=7)
    assert AlertRule.objects.count() == 1 and Segment.everything.filter(internal=True).count() == 1
    delete_alert_rule(rule)
    assert not Segment.everything.filter(internal=True).exists()


def test_a_segment_that_a_rule_aims_at_stays_and_its_editor_tells_what_a_change_would_do() -> None:
    small = factories.account("Small", stated_licences=3)
    refresh_everything()
    target = factories.segment("Everybody", {"field": "account.name", "op": "is_set"})
    rule = made_rule("Adoption drop", segments=[target])
    with pytest.raises(SegmentInUse, match="used by alert rule “Adoption drop”"):
        delete_segment(target)
    nobody = read_rule(factories.rule({"field": "account.name", "op": "is", "value": "Nobody"}))
    (knock,) = knock_on(target, nobody, Reader.now())
    assert (knock.segment, knock.joins, knock.leaves) == (rule.watch, 0, 1)
    assert uses_of(rule.watch) == [] and small.memberships.filter(left_at=None).count() == 2


def test_an_archived_account_has_no_open_alert_and_segments_read_alerts() -> None:
    account = factories.account("Harbour", stated_licences=30)
    worried = factories.segment("Worried", {"field": "alerts.open", "op": "at_least", "value": 1})
    made_rule()
    has(account, 3)
    worried.refresh_from_db()
    assert worried.member_count == 1
    Account.objects.filter(pk=account.pk).update(archived_at=moment().now)
    refresh_everything()
    assert Alert.objects.get().ending == Alert.Ending.GONE


def test_a_comment_is_kept_with_its_author() -> None:
    account, user = factories.account("Harbour", stated_licences=30), User.objects.create_user("ann")
    made_rule()
    has(account, 3)
    handling.comment(Alert.objects.get(), "Called them.", by=user)
    with pytest.raises(BadValue):
        handling.comment(Alert.objects.get(), " ")
    entry = AlertEntry.objects.get(kind="comment")
    assert (entry.text, entry.by) == ("Called them.", user)
    assert TeamMember.objects.count() == 0
