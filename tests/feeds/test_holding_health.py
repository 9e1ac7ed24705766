"""A feed stops: the scores that it feeds stand still, what reads health does too, and their authors are told."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, Subscription
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.models import Alert, MilestoneChange
from core.clock import Moment, moment
from csbox.pipeline import look_at_feeds, refresh_everything
from health.editing import override_health, save_config
from health.models import AccountHealth, BandChange, HealthConfig, ScoringRequest
from health.requesting import is_scoring_due
from segments.holding.models import HoldNotice
from segments.holding.telling import release
from segments.models import RefreshRun
from segments.refresh import refresh_due
from tests import factories
from tests.feeds.conftest import HOUR, MONDAY, store
from usage.feeds.models import FeedArrival, FeedSilence
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
STOP = MONDAY + dt.timedelta(days=60)
DEFINITION = {
    "dimensions": [
        {"key": "use", "name": "Use", "weight": 60, "measures": [
            {"key": "seen", "name": "Last seen", "field": "account.last_seen_at", "good": 3, "poor": 10},
            {"key": "came", "name": "Came", "good": factories.rule({"event": "Login", "op": "at_least", "value": 1,
             "window": {"last": 7, "unit": "day"}}), "poor": factories.rule({"event": "Login", "op": "never",
             "window": {"last": 7, "unit": "day"}})},
        ]},
        {"key": "contract", "name": "Contract", "weight": 40, "measures": [
            {"key": "renewal", "name": "Renewal", "field": "account.renews_on", "good": -60, "poor": -10},
        ]},
    ],
    "bands": {"good": 70, "poor": 40},
    "least_coverage": 30,
}  # fmt: skip


def at(days: float) -> Moment:
    """So long after the feed stopped."""
    return moment(STOP + dt.timedelta(days=days))


def daily(now: Moment) -> None:
    """What the worker does every night."""
    look_at_feeds(now)
    refresh_everything(RefreshRun.Trigger.DAILY, now)


def bands() -> set[str]:
    return set(AccountHealth.objects.values_list("band", flat=True))


@pytest.fixture
def company(db: None) -> Any:
    """Twenty accounts that log in every day until the feed stops, scored by what they do and when they renew; an alert
    rule on poor health, one on silence, and a milestone. Returns who wrote them."""
    author = factories.member("manager").user
    for number in range(20):
        account = factories.account(external_id=f"a{number}")
        factories.subscription(account, renews_on=(STOP + dt.timedelta(days=200)).date())
    facts = [
        EventFact(f"{number}-{day}", "Login", STOP - dt.timedelta(days=day, hours=1), f"a{number}")
        for number in range(20)
        for day in range(0, 12, 3)
    ]
    PostgresStore().append(facts, source="sdk")
    FeedArrival.objects.all().delete()  # they came over sixty days, and not at this moment
    store("sdk", [MONDAY + step * HOUR for step in range(60 * 24)], "Login")
    save_config(None, name="", definition=DEFINITION, author=author)
    poor = factories.rule({"field": "health.band", "op": "is", "value": "poor"})
    quiet = factories.rule({"event": "Login", "op": "never", "window": {"last": 7, "unit": "day"}})
    save_alert_rule(None, name="Poor health", condition=poor, author=author)
    save_alert_rule(None, name="Gone quiet", condition=quiet, author=author)
    save_milestone(None, name="Has gone", condition=quiet, author=author)
    refresh_due(now=at(0))
    daily(at(0))
    ScoringRequest.objects.all().delete()
    return author


def test_scores_stand_still_while_their_feed_is_silent_and_nothing_is_raised(company: Any) -> None:
    assert bands() == {"good"}
    before = dict(AccountHealth.objects.values_list("account", "measures"))
    for day in (2, 9, 20):
        daily(at(day))
    assert FeedSilence.objects.holding().count() == 1
    assert bands() == {"good"} and dict(AccountHealth.objects.values_list("account", "measures")) == before
    assert not BandChange.objects.exclude(cause="first").exists()
    assert not Alert.objects.exists() and not MilestoneChange.objects.exists()
    config = HealthConfig.objects.get()
    assert config.held.endswith("because sdk is silent. Scores stand still for: Last seen, Came.")
    assert config.problems == {}

    browser = Client()
    browser.force_login(company)
    assert "Scores stand still for: Last seen, Came." in browser.get("/health/").content.decode()
    page = browser.get("/feeds/").content.decode()
    for name in ("Health config: Default", "Alert rule: Gone quiet", "Milestone: Has gone"):
        assert name in page
    assert "Alert rule: Poor health" not in page


def test_the_authors_are_told_of_what_is_theirs_once(company: Any) -> None:
    for day in (2, 9, 20):
        daily(at(day))
    told = HoldNotice.objects.get()
    assert told.user == company
    assert sorted(told.segments) == ["Alert rule: Gone quiet", "Health config: Default", "Milestone: Has gone"]


def test_what_the_feed_does_not_bring_goes_on(company: Any) -> None:
    one, other = Account.objects.order_by("pk")[:2]
    daily(at(2))
    Subscription.objects.filter(account=one).update(renews_on=at(9).today + dt.timedelta(days=5))
    override_health(other, band="poor", reason="They told us that they leave.", until=moment().today)
    daily(at(9))
    moved, by_hand = AccountHealth.objects.get(account=one), AccountHealth.objects.get(account=other)
    assert moved.measures == [Decimal("100.0"), Decimal("100.0"), Decimal("0.0")] and moved.band == "average"
    assert (by_hand.band, by_hand.overridden, by_hand.computed_band) == ("poor", True, "good")
    assert bands() == {"good", "average", "poor"}


def test_a_person_who_calls_the_silence_real_has_everybody_scored(company: Any) -> None:
    for day in (2, 20):
        daily(at(day))
    assert not is_scoring_due()
    assert release(FeedSilence.objects.holding().get(), by="mona")
    assert is_scoring_due()
    daily(at(20))
    assert bands() == {"average"} and HealthConfig.objects.get().held == ""
    assert AccountHealth.objects.first().measures[:2] == [Decimal("0.0"), Decimal("0.0")]  # type: ignore[union-attr]
    assert MilestoneChange.objects.count() == 20
