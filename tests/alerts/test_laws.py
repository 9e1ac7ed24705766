"""What holds of alerts whatever happens: drawn histories in which people change the rules, too."""

from __future__ import annotations

import datetime as dt
import random
from itertools import pairwise
from typing import Any

import pytest

from accounts.models import Account
from alerts.editing import save_alert_rule, set_rule_active
from alerts.handling import close
from alerts.models import Alert, AlertEntry, AlertRule
from alerts.raising import raise_alerts
from core.clock import Moment, moment
from segments.editing import save_segment
from segments.models import AccountMembership, RefreshRun, Segment
from segments.refresh import refresh_due, refresh_segments
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DAYS, ACCOUNTS, CLEAR = 18, 6, 10
START = dt.datetime(2026, 10, 18, 23, 10, tzinfo=dt.UTC)  # the clocks change on the 25th
GIVEN: dict[str, dict[str, Any]] = {
    "held": {"hold_days": 2},
    "two thresholds": {"clear": CLEAR, "hold_days": 1, "cooldown_days": 2},
    "asked": {"include_existing": True},
    "aimed": {"segments": "aim"},
}


def at_most(number: int) -> dict[str, Any]:
    return {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": number}]}


def at_least(number: int) -> dict[str, Any]:
    return {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": number}]}


def saved(rule: AlertRule | None, name: str, limit: int) -> AlertRule:
    given = dict(GIVEN[name])
    clear = given.pop("clear", None)
    if "segments" in given:
        given["segments"] = [Segment.objects.get(key=given["segments"])]
    found = save_alert_rule(rule, name=name, condition=at_most(limit), clear=clear and at_least(clear), **given)
    refresh_due()
    raise_alerts()
    return found


def of_these(accounts: list[Account]) -> dict[str, Any]:
    return {"field": "account.name", "op": "any_of", "value": [one.name for one in accounts]}


def watched(rule: AlertRule) -> int:
    return AccountMembership.objects.filter(segment=rule.watch).count()


def state() -> list[Any]:
    """Everything that a run could change."""
    alerts = Alert.objects.order_by("pk").values_list("pk", "opened_at", "ended_at", "ending", "assignee", "why")
    return [*alerts, *AlertEntry.objects.order_by("pk").values_list("pk", "kind")]


def licences_move(accounts: list[Account], dice: random.Random) -> None:
    """Some accounts have other licences on another day."""
    for one in accounts:
        if dice.random() < 0.35:
            Account.objects.filter(pk=one.pk).update(licences=dice.choice((3, 7, 12)))


@pytest.mark.parametrize("seed", range(1))
def test_the_laws_of_alerts_hold_over_drawn_histories(seed: int, time_machine: Any) -> None:
    dice = random.Random(seed)
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    zone = moment().zone
    accounts = [factories.account(f"A {place}", licences=dice.choice((3, 7, 12))) for place in range(ACCOUNTS)]
    aim = factories.segment("Aim", of_these(accounts[:2]), key="aim")
    rules = {name: saved(None, name, 5) for name in GIVEN}
    joined_by_aim = 0
    changed: set[str] = set()
    for day in range(DAYS):
        now = Moment(START + dt.timedelta(days=day), zone)
        time_machine.move_to(now.now, tick=False)
        licences_move(accounts, dice)
        refresh_segments(RefreshRun.Trigger.DAILY, now)
        raise_alerts(now)
        before = state()
        raise_alerts(now)
        refresh_segments(RefreshRun.Trigger.DAILY, now)
        raise_alerts(now)
        assert state() == before, "a repeated run changes nothing"
        if dice.random() < 0.3:
            name = dice.choice(list(GIVEN))
            opened = Alert.objects.filter(rule=rules[name]).count()
            if name == "held" and dice.random() < 0.5:
                set_rule_active(rules[name], not AlertRule.objects.get(pk=rules[name].pk).active)
                refresh_due()
                raise_alerts()
            else:
                saved(rules[name], name, dice.choice((4, 7, 8)))
            changed.add(name)
            if name != "asked":
                assert Alert.objects.filter(rule=rules[name]).count() == opened, "a definition change alone opens none"
        if dice.random() < 0.5:
            alerts, stays = Alert.objects.count(), watched(rules["aimed"])
            save_segment(aim, name="Aim", rule=factories.rule(of_these(dice.sample(accounts, 3))))
            if dice.random() < 0.6:  # else the next daily refresh answers, in which accounts moved as well
                refresh_due()
                raise_alerts()
                assert Alert.objects.count() == alerts, "a change of what a rule aims at opens none"
                joined_by_aim += watched(rules["aimed"]) - stays
        if dice.random() < 0.2 and (some := list(Alert.objects.open())):
            close([dice.choice(some)], outcome="false")
    assert len(changed) > 1 and Alert.objects.count() > 8
    assert joined_by_aim > 1 and Alert.objects.filter(rule=rules["aimed"]).count() > 2
    for rule in rules.values():
        for account in accounts:
            check(rule, account)
    assert Alert.objects.filter(rule=rules["asked"], membership__opened_by__new_definition=True).exists()


def check(rule: AlertRule, account: Account) -> None:
    """Of one rule and account: never two at once, each after its hold, none by a definition or between thresholds."""
    mine = list(Alert.objects.filter(rule=rule, account=account).order_by("opened_at", "pk"))
    for one, other in pairwise(mine):
        assert one.ended_at is not None and one.ended_at <= other.opened_at
    for alert in mine:
        stay = AccountMembership.objects.select_related("opened_by").get(pk=alert.membership_id or 0)
        assert (alert.opened_at.date() - stay.entered_at.date()).days >= rule.hold_days
        assert stay.left_at is None or stay.left_at >= alert.opened_at
        by_definition = stay.opened_by is not None and stay.opened_by.new_definition
        assert not by_definition or rule.include_existing
        if rule.clear and alert.ending == Alert.Ending.CLEARED:
            assert alert.proof["met"], "between the two thresholds it neither ends nor opens again"
