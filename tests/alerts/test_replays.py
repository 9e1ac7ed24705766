"""Replays: what would have fired is what fires when the same days are gone through for real.

CSBOX_REPLAYED_DAYS says of how many days (18 without it, for the time it takes; 90 are what a replay looks at).
"""

from __future__ import annotations

import datetime as dt
import os
import random
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, define_attribute, record_accounts, record_subscriptions
from accounts.models import Account, Subject
from alerts.definition import read_definition
from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertReplay, AlertReplayDay, AlertRule
from alerts.replaying.running import start_replay, work
from core.clock import Moment, moment
from core.models import Workspace
from core.reports import cancel_report, due_reports, take_report, wake_reports
from core.working import NotNow
from csbox.pipeline import refresh_everything
from health.editing import save_config
from segments.models import Segment
from segments.past_days import end_of
from segments.refresh import refresh_due
from tests import factories
from usage.store import EventFact, PostgresStore

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DAYS, ACCOUNTS = int(os.environ.get("CSBOX_REPLAYED_DAYS", "18")), 12
TODAY = dt.date(2026, 4, 4)  # the clocks changed within the days before
HEALTH: dict[str, Any] = {
    "dimensions": [{"key": "use", "name": "Use", "weight": 100, "measures": [
        {"key": "seen", "name": "Seen", "weight": 1, "field": "account.last_seen_at", "good": 2, "poor": 9},
        {"key": "nps", "name": "NPS", "weight": 1, "field": "account.custom.nps", "good": 9, "poor": 2},
    ]}],
    "bands": {"good": 70, "poor": 40}, "least_coverage": 20,
}  # fmt: skip


def every(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": "all", "rules": list(rules)}


def nps(op: str, value: int) -> dict[str, Any]:
    return {"field": "account.custom.nps", "op": op, "value": value}


LOW, HIGH = every(nps("at_most", 4)), every(nps("at_least", 7))
SILENT = every({"field": "account.last_seen_at", "op": "more_than_ago", "value": {"n": 2, "unit": "day"}})
SEEN = every({"field": "account.last_seen_at", "op": "within_last", "value": {"n": 1, "unit": "day"}})
POOR = every({"field": "health.band", "op": "is", "value": "poor"})
RENEWS = every({"field": "account.renews_on", "op": "within_next", "value": {"n": 10, "unit": "day"}}, *LOW["rules"])
FALLING = every({"field": "health.change_7d", "op": "at_most", "value": -15})
RULES: dict[str, dict[str, Any]] = {
    "low, existing too": {"condition": LOW, "include_existing": True, "hold_days": 1, "cooldown_days": 2},
    "held, two thresholds": {"condition": LOW, "clear": HIGH, "hold_days": 2, "cooldown_days": 4},
    "while it lasts": {"condition": SILENT, "clear": SEEN, "refire": AlertRule.Refire.LASTING, "cooldown_days": 2},
    "poor": {"condition": POOR, "clear": every({"field": "health.score", "op": "at_least", "value": 55})},
    "renews, once": {"condition": RENEWS, "refire": AlertRule.Refire.NEVER},
    "mining and falling": {"condition": FALLING, "aimed": True},
}


def at_hour(day: dt.date, hour: int) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), tzinfo=dt.UTC)


def live(day: dt.date, dice: random.Random, keen: dict[str, float]) -> None:
    """What happens on a day, written as it happens."""
    facts, used = [], []
    ids = dict(Account.objects.values_list("external_id", "pk"))
    for place, ident in enumerate(sorted(ids)):
        if dice.random() < 0.25:
            facts.append(Fact(ident, {"custom.nps": dice.randrange(11)}, timezone.now()))
        if dice.random() < 0.05:
            facts.append(Fact(ident, {"industry": dice.choice(("Mining", "Retail"))}, timezone.now()))
        if dice.random() < 0.1:
            keen[ident] = dice.choice((0.1, 0.8))
        if dice.random() < keen[ident]:
            used.append(EventFact(f"{ident} {day}", "Opened", timezone.now(), ident, None, {}))
        if place % 5 == 0 and dice.random() < 0.1:
            Account.objects.filter(pk=ids[ident], archived_at=None).update(archived_at=timezone.now())
    assert not record_accounts(facts, source="drawn").rejected
    assert not PostgresStore().append(used, source="drawn").rejected


def a_company(first: dt.date) -> None:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    facts = [
        Fact(f"a{n:02}", {"name": f"A {n}", "stage": "live", "industry": "Retail", "custom.nps": 3 + n % 7,
                          "customer_since": (first - dt.timedelta(60)).isoformat()}, timezone.now())
        for n in range(ACCOUNTS)
    ]  # fmt: skip
    sold = [
        Fact(f"s{n:02}", {"account": f"a{n:02}", "starts_on": (first - dt.timedelta(60)).isoformat(), "mrr": 100,
                          "renews_on": (first + dt.timedelta(5 + 3 * n)).isoformat()}, timezone.now())
        for n in range(ACCOUNTS)
    ]  # fmt: skip
    assert not record_accounts(facts, source="drawn").rejected
    assert not record_subscriptions(sold, source="drawn").rejected


@pytest.mark.parametrize("seed", range(1))
def test_what_would_have_fired_is_what_fires_when_the_days_are_gone_through(seed: int, time_machine: Any) -> None:
    dice = random.Random(seed)
    first = TODAY - dt.timedelta(days=DAYS)
    Workspace.objects.update(time_zone="Europe/Berlin")
    zone = moment().zone
    time_machine.move_to(at_hour(first - dt.timedelta(days=3), 9), tick=False)
    a_company(first)
    save_config(None, name="", definition=HEALTH)
    miners = factories.segment("Miners", {"field": "account.industry", "op": "is", "value": "Mining"})
    keen = dict.fromkeys(Account.objects.values_list("external_id", flat=True), 0.6)
    rules = {}
    for back in range(DAYS + 3, 0, -1):
        day = TODAY - dt.timedelta(days=back)
        time_machine.move_to(at_hour(day, 11), tick=False)
        live(day, dice, keen)
        evening = end_of(day, Moment(at_hour(day, 11), zone))
        time_machine.move_to(evening.now, tick=False)
        refresh_everything(now=evening)
        if day == first - dt.timedelta(days=1):  # the rules are saved on the evening before the first day
            for name, given in RULES.items():
                aimed = [miners] if given.get("aimed") else []
                rules[name] = save_alert_rule(
                    None, name=name, segments=aimed, **{k: v for k, v in given.items() if k != "aimed"}
                )
            refresh_due(now=evening)
            refresh_everything(now=evening)
    time_machine.move_to(at_hour(TODAY, 9), tick=False)
    total = 0
    for name, rule in rules.items():
        real = sorted(
            (one.account_id, local(one.opened_at), one.ended_at and local(one.ended_at), local(one.began_at))
            for one in Alert.objects.filter(rule=rule)
        )
        report = replayed(rule).report
        told = sorted((pk, date(opened), ended and date(ended)) for pk, opened, ended in report["raised"])
        fired = [one[:3] for one in real if one[3] >= first]
        assert told == fired, name
        assert (report["fired"], report["existing"]) == (len(fired), len(real) - len(fired)), name
        assert report["open"] == sum(one[2] is None for one in fired)
        assert dict(report["holds"])[rule.hold_days if rule.hold_days in (0, 1, 2) else 0] == len(fired)
        total += len(fired)
        assert fired, f"the drawn history raises no alert of “{name}”"
    assert total > 40


def local(at: dt.datetime) -> dt.date:
    return at.astimezone(moment().zone).date()


def date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def replayed(rule: AlertRule, days: int = DAYS) -> AlertReplay:
    """A replay of a rule as it is saved."""
    definition = read_definition(
        rule.condition, rule.clear, rule.segments.all(), hold_days=rule.hold_days, cooldown_days=rule.cooldown_days,
        refire=rule.refire,
    )  # fmt: skip
    replay = start_replay(definition, rule=rule, include_existing=rule.include_existing, days=days)
    work(replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.error) == ("done", ""), replay.error
    return replay


@pytest.fixture
def rule() -> AlertRule:
    """A rule of a small company."""
    factories.account("Harbour", stated_licences=3)
    condition = every({"field": "account.licences", "op": "at_most", "value": 5})
    return save_alert_rule(None, name="Few licences", condition=condition)


def started(rule: AlertRule, **given: Any) -> AlertReplay:
    definition = read_definition(rule.condition)
    return start_replay(definition, rule=rule, **{"days": 10} | given)


def test_a_replay_that_is_cut_off_goes_on_and_ends_the_same(rule: AlertRule) -> None:
    whole, cut = started(rule), started(rule, include_existing=True)
    work(whole.pk)
    work(cut.pk, seconds=0)  # its time is over after one day
    cut.refresh_from_db()
    assert (cut.done, cut.state, cut.claim) == (1, "running", "")
    dead = take_report(AlertReplay, cut.pk)
    assert dead is not None and not due_reports(AlertReplay).exists()
    AlertReplay.objects.filter(pk=cut.pk).update(beat_at=timezone.now() - dt.timedelta(minutes=3))
    wake_reports(AlertReplay)
    while cut.state == "running":
        work(cut.pk, seconds=0)
        cut.refresh_from_db()
    assert (cut.state, cut.done, cut.percent) == ("done", 11, 100) and not AlertReplayDay.objects.exists()
    whole.refresh_from_db()
    assert whole.report["gaps"] == cut.report["gaps"] and whole.report["weeks"] == cut.report["weeks"]


def test_a_replay_is_cancelled_and_nobody_has_too_many(rule: AlertRule) -> None:
    me = factories.member().user
    first = started(rule, author=me)
    same = started(rule, author=me)
    first.refresh_from_db()
    assert (first.state, same.state) == ("cancelled", "running")
    work(same.pk, seconds=0)
    cancel_report(same)
    work(same.pk)
    same.refresh_from_db()
    assert (same.state, same.report) == ("cancelled", {}) and not AlertReplayDay.objects.exists()
    with pytest.raises(NotNow):
        cancel_report(same)
    for days in (7, 8, 9):
        AlertReplay.objects.filter(author=me).update(definition={})
        started(rule, author=me, days=days)
    AlertReplay.objects.filter(author=me).update(definition={})
    with pytest.raises(NotNow, match="3 of your replays"):
        started(rule, author=me)


def test_what_cannot_be_told_of_the_past_ends_with_the_reason(rule: AlertRule) -> None:
    target = factories.segment("Everybody", {"field": "account.name", "op": "is_set"})
    replay = start_replay(read_definition(rule.condition, segments=[target]), days=10)
    Segment.everything.filter(pk=target.pk).delete()
    work(replay.pk)
    replay.refresh_from_db()
    assert replay.state == "failed" and "no segment “everybody”" in replay.error
