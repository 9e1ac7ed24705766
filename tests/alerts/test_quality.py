"""What became of alerts, counted by hand, and what the figures propose; both over the API too."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import TeamMember
from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertReplay, AlertRule
from alerts.proposing import proposals_for
from alerts.quality import quality_of
from alerts.replaying.running import work
from core.clock import moment
from segments.refresh import refresh_due
from tests import factories

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}


@pytest.fixture
def rule() -> AlertRule:
    """A rule without alerts that is half a year old."""
    found = save_alert_rule(None, name="Few licences", condition=FEW)
    refresh_due()
    AlertRule.objects.filter(pk=found.pk).update(created_at=timezone.now() - dt.timedelta(days=180))
    found.refresh_from_db()
    return found


def alert(rule: AlertRule, began: int, nights: int | None, **given: Any) -> Alert:
    """An alert that was opened so many days ago, whose condition held for so many nights (None: it still does)."""
    at = timezone.now() - dt.timedelta(days=began)
    account = given.pop("account", None) or factories.account()
    left = None if nights is None else at + dt.timedelta(days=nights)
    assert rule.watch is not None
    stay = rule.watch.account_memberships.create(account=account, entered_at=at, left_at=left)
    return Alert.objects.create(
        rule=rule, account=account, membership=stay, version=1, severity="high", began_at=at, opened_at=at,
        **{"ended_at": left, "ending": "cleared" if left else ""} | given,
    )  # fmt: skip


def figures(rule: AlertRule, days: int = 90) -> Any:
    return quality_of([rule], moment(), days)[0]


def test_the_figures_are_those_counted_by_hand(rule: AlertRule) -> None:
    ann, bob = factories.member(), factories.member()
    now = timezone.now()
    alert(rule, 3, None, assignee=ann)
    alert(rule, 5, 2, assignee=ann)
    alert(rule, 10, 2, assignee=bob, outcome="false")
    alert(rule, 20, 1, ended_at=now, ending="closed", outcome="success")
    alert(rule, 60, 1, ended_at=now, ending="closed", outcome="failure", assignee=bob)
    alert(rule, 120, None)  # before the days that are looked at, and open still
    alert(rule, 130, 1, outcome="false")
    found = figures(rule)
    assert (found.fired, found.open, found.cleared) == (5, 2, 2)
    assert (found.success, found.failure, found.false, found.judged, found.precision) == (1, 1, 1, 3, 0.6667)
    assert found.noise == round(4 / 2 / (90 / 7), 1)
    assert figures(rule, 30).fired == 4
    assert proposals_for(found) == []
    empty = save_alert_rule(None, name="Another", condition=FEW)
    assert [one.fired for one in quality_of([empty, rule], moment())] == [0, 5]


def test_false_alarms_propose_the_shortest_hold_that_would_have_spared_them(rule: AlertRule) -> None:
    for nights in (0, 0, 1, 1, 1, 2, 20):
        alert(rule, 30, nights, outcome="false")
    for nights in (6, 9, 15, 2):
        alert(rule, 30, nights, outcome="success")
    (one,) = proposals_for(figures(rule))
    # 5 of the 7 lasted less than 2 nights, and none of the 4 others did.
    assert (one.change, one.days) == ("hold", 2)
    assert one.words == (
        "7 of 11 judged alerts were false alarms: to raise the hold from 0 to 2 days would have dropped 5 of them,"
        " and none of the others."
    )


def test_what_no_hold_spares_is_to_be_tightened_or_retired(rule: AlertRule) -> None:
    for place in range(10):
        alert(rule, 30, 20, outcome="false" if place < 6 else "success")
    assert [one.change for one in proposals_for(figures(rule))] == ["condition"]
    Alert.objects.update(outcome="false")
    assert [one.change for one in proposals_for(figures(rule))] == ["retire"]
    AlertRule.objects.update(active=False)
    rule.refresh_from_db()
    assert proposals_for(figures(rule)) == []


def test_short_ones_repeated_ones_noisy_and_silent_rules_are_named(rule: AlertRule) -> None:
    assert [one.words for one in proposals_for(figures(rule))] == [
        "It raised no alert in 90 days. Ask for less, or delete it."
    ]
    account = factories.account()
    for began in range(40, 20, -2):
        alert(rule, began, 1, account=account)
    hold, cool = proposals_for(figures(rule))
    assert (hold.change, hold.days, cool.change, cool.days) == ("hold", 2, "cooldown", 3)
    assert cool.words.startswith("9 of 10 alerts came within 3 days after the one before of the same account")
    ann = factories.member()
    for _ in range(30 * 13):
        alert(rule, 20, None, assignee=ann)
    assert [one.change for one in proposals_for(figures(rule))] == ["condition"]


def test_quality_and_replays_over_the_api(rule: AlertRule) -> None:
    client = APIClient()
    client.force_authenticate(factories.member(TeamMember.Access.MANAGER).user)
    alert(rule, 3, None)
    (row,) = client.get("/api/v1/alert-quality/?days=30").json()
    assert (row["name"], row["fired"], row["precision"], row["proposals"]) == ("Few licences", 1, None, [])
    assert client.get("/api/v1/alert-quality/?days=31").status_code == 400
    assert client.get("/api/v1/alert-quality/?day=30").status_code == 400
    made = client.post("/api/v1/alert-replays/", {"rule": rule.pk, "hold_days": 2, "days": 7}, format="json")
    assert made.status_code == 201, made.json()
    definition = made.json()["definition"]
    assert (definition["hold_days"], definition["condition"]) == (2, FEW)
    work(made.json()["id"])
    report = client.get(f"/api/v1/alert-replays/{made.json()['id']}/").json()["report"]
    assert report["fired"] == 0 and len(report["weeks"]) == 1 and report["holds"][0] == [0, 0]
    assert client.post(f"/api/v1/alert-replays/{made.json()['id']}/cancel/").status_code == 409
    empty = {"match": "all", "rules": []}
    refused: list[dict[str, Any]] = [{}, {"rule": 99}, {"condition": empty}, {"condition": FEW, "segments": ["x"]}]
    for sent in refused:
        assert client.post("/api/v1/alert-replays/", sent, format="json").status_code == 422, sent
    assert client.post("/api/v1/alert-replays/", {"condition": FEW, "days": 3}, format="json").status_code == 400
    assert AlertReplay.objects.count() == 1
    client.force_authenticate(factories.member(TeamMember.Access.CSM).user)
    assert client.post("/api/v1/alert-replays/", {"rule": rule.pk}, format="json").status_code == 403
