"""Alerts over drawn histories, beside a plain account of what should happen that shares no code with csbox."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from accounts.models import Account
from alerts.editing import save_alert_rule
from alerts.handling import close
from alerts.models import Alert, AlertRule
from alerts.raising import raise_alerts
from core.clock import Moment
from segments.models import RefreshRun
from segments.refresh import refresh_due, refresh_segments
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DAYS, ACCOUNTS = 30, 8
START = dt.datetime(2026, 3, 1, 0, 10, tzinfo=dt.UTC)
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
PLENTY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}
RULES: dict[str, dict[str, Any]] = {
    "at once": {},
    "held": {"hold_days": 2},
    "cooled": {"cooldown_days": 5},
    "two thresholds": {"clear": PLENTY},
    "held, cooled, two thresholds": {"clear": PLENTY, "hold_days": 3, "cooldown_days": 7},
    "while it lasts": {"refire": AlertRule.Refire.LASTING, "cooldown_days": 4},
    "once": {"refire": AlertRule.Refire.NEVER, "hold_days": 1},
}


@dataclass
class Told:
    """One account under one rule, as the manual tells it."""

    hold: int
    cool: int
    two: bool
    refire: str
    since: int | None = None
    episodes: list[list[int | None]] = field(default_factory=list)

    def day(self, today: int, licences: int) -> None:
        low = licences <= 5
        clear = licences >= 10 if self.two else not low
        if low:
            self.since = today if self.since is None else self.since
        else:
            self.since = None
        if self.episodes and self.episodes[-1][1] is None:
            if clear and not low:
                self.episodes[-1][1] = today
            return
        if self.since is None or today - self.since < self.hold:
            return
        if self.episodes:
            ended = self.episodes[-1][1]
            assert ended is not None
            if self.refire == "never" or today - ended < self.cool or (self.refire == "entry" and ended >= self.since):
                return
        self.episodes.append([today, None])


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Any:
    from core.models import Workspace

    return Workspace.get().zone


def refresh(now: Moment) -> None:
    """The segments and the alerts of one moment."""
    refresh_segments(RefreshRun.Trigger.DAILY, now)
    raise_alerts(now)


@pytest.mark.parametrize("seed", range(1))
def test_every_episode_is_the_one_that_the_manual_tells(zone: Any, seed: int, time_machine: Any) -> None:
    dice = random.Random(seed)
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    accounts = [factories.account(f"A {place}", licences=20) for place in range(ACCOUNTS)]
    rules = {name: save_alert_rule(None, name=name, condition=FEW, **given) for name, given in RULES.items()}
    refresh_due()
    told = {
        (name, one.pk): Told(rule.hold_days, rule.cooldown_days, rule.clear is not None, rule.refire)
        for name, rule in rules.items()
        for one in accounts
    }
    licences = dict.fromkeys((one.pk for one in accounts), 20)
    for day in range(DAYS):
        now = Moment(START + dt.timedelta(days=day), zone)
        time_machine.move_to(now.now, tick=False)
        for one in accounts:
            if dice.random() < 0.4:
                licences[one.pk] = dice.choice((3, 7, 12))
        for pk, has in licences.items():
            Account.objects.filter(pk=pk).update(licences=has)
        for _ in range(dice.choice((1, 1, 2))):  # a run that is repeated changes nothing
            refresh(now)
        for (_, pk), plain in told.items():
            plain.day(day, licences[pk])
        assert stored() == {key: plain.episodes for key, plain in told.items() if plain.episodes}, day
        if dice.random() < 0.3 and (some := list(Alert.objects.open().order_by("pk"))):
            alert = dice.choice(some)
            close([alert], outcome="success")
            told[(alert.rule.name, alert.account_id)].episodes[-1][1] = day
    assert Alert.objects.count() > 50 and Alert.objects.filter(ending="cleared").exists()
    for alert in Alert.objects.filter(ending="cleared"):
        assert alert.why["met"] and alert.proof["met"] is (alert.rule.clear is not None)


def stored() -> dict[tuple[str, int], list[list[int | None]]]:
    """The days on which the alerts of each rule and account began and ended."""
    found: dict[tuple[str, int], list[list[int | None]]] = {}
    for alert in Alert.objects.select_related("rule").order_by("opened_at", "id"):
        found.setdefault((alert.rule.name, alert.account_id), []).append(
            [number(alert.opened_at), number(alert.ended_at)]
        )
    return found


def number(at: dt.datetime | None) -> int | None:
    """The day of a moment, counted from the first."""
    return None if at is None else (at - START).days
