"""Overrides compared with what happened, by hand-made histories whose outcome is plain."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, AttributeChange
from core.clock import moment
from health.editing import override_health
from health.models import HealthConfig, HealthConfigVersion, HealthDay, HealthOverride
from health.overrides import compared, last_day, records, told_overrides
from tests import factories
from usage.models import DailyUsage, EventName

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def days_ago(days: float) -> dt.datetime:
    return moment().now - DAY * days


def set_by_hand(of: Account, band: str, computed: str, days: float, **more: Any) -> HealthOverride:
    """An override that was set so many days ago; one that is there ended the day before."""
    HealthOverride.objects.filter(account=of, ended_at=None).update(ended_at=days_ago(days + 1))
    made = HealthOverride.objects.create(account=of, band=band, computed_band=computed, reason="Because.", **more)
    HealthOverride.objects.filter(pk=made.pk).update(created_at=days_ago(days))
    made.refresh_from_db()
    return made


def used(of: Account, *days: int) -> None:
    name, _ = EventName.objects.get_or_create(name="Login")
    for one in days:
        DailyUsage.objects.create(account=of, name=name, day=moment().today - DAY * one, count=1)


def changed(subject: str, pk: int, key: str, old: Any, new: Any, days: float) -> None:
    AttributeChange.objects.create(
        subject=subject, object_id=pk, key=key, old=old, new=new, at=days_ago(days), source="crm"
    )


def cancelled_by_stage(of: Account) -> None:
    changed("account", of.pk, "stage", "live", "cancelled", 60)


def cancelled_by_date(of: Account) -> None:
    Account.objects.filter(pk=of.pk).update(churned_on=moment().today - DAY * 30)


def cancelled_by_the_end_of_its_subscription(of: Account) -> None:
    factories.subscription(of, status_id="cancelled", ends_on=moment().today - DAY * 20)


def one_of_two_subscriptions_ended(of: Account) -> None:
    factories.subscription(of, status_id="cancelled", ends_on=moment().today - DAY * 20)
    factories.subscription(of)


def renewed(of: Account) -> None:
    sold = factories.subscription(of)
    changed("subscription", sold.pk, "renews_on", "2026-10-01", "2027-10-01", 50)


def renewal_brought_forward(of: Account) -> None:
    sold = factories.subscription(of)
    changed("subscription", sold.pk, "renews_on", "2027-10-01", "2026-10-01", 50)


def fell_silent(of: Account) -> None:
    used(of, 130, 110, 60)


def used_to_the_end(of: Account) -> None:
    used(of, 130, 110, 30)


def came_back_later(of: Account) -> None:
    used(of, 130, 110, 60, 5)


def left_before(of: Account) -> None:
    changed("account", of.pk, "stage", "live", "cancelled", 130)
    changed("account", of.pk, "stage", "cancelled", "live", 125)


def left_after(of: Account) -> None:
    changed("account", of.pk, "stage", "live", "cancelled", 10)


STORIES = [
    (cancelled_by_stage, "cancelled"), (cancelled_by_date, "cancelled"),
    (cancelled_by_the_end_of_its_subscription, "cancelled"), (one_of_two_subscriptions_ended, "stayed"),
    (renewed, "renewed"), (renewal_brought_forward, "stayed"), (fell_silent, "silent"), (used_to_the_end, "stayed"),
    (came_back_later, "silent"), (left_before, "stayed"), (left_after, "stayed"), (lambda _: None, "stayed"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "outcome"), STORIES)
def test_what_happened_within_90_days(story: Any, outcome: str) -> None:
    """Set 110 days ago, so that the 90 days ended 20 days ago."""
    of = factories.account()
    set_by_hand(of, "poor", "good", 110)
    story(of)
    assert compared(HealthOverride.objects.all(), moment()).get().outcome == outcome


def test_it_is_open_until_the_days_are_over_unless_it_is_known_before() -> None:
    waiting, left = factories.account(), factories.account()
    for of in (waiting, left):
        set_by_hand(of, "poor", "good", 89)
    cancelled_by_stage(left)
    found = {row.account_id: (row.outcome, row.verdict) for row in compared(HealthOverride.objects.all(), moment())}
    assert found == {waiting.pk: ("open", "open"), left.pk: ("cancelled", "person")}


RANKS = {"poor": 0, "average": 1, "good": 2}


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("by_hand", list(RANKS))
@pytest.mark.parametrize("computed", [*RANKS, "none"])
def test_who_was_nearer(gone: bool, by_hand: str, computed: str) -> None:
    of = factories.account()
    set_by_hand(of, by_hand, computed, 110)
    if gone:
        cancelled_by_stage(of)
    if computed == "none":
        expected = "unscored"
    elif computed == by_hand:
        expected = "same"
    else:
        darker = RANKS[by_hand] < RANKS[computed]
        expected = "person" if darker == gone else "score"
    assert compared(HealthOverride.objects.all(), moment()).get().verdict == expected


def test_each_colleague_has_a_record_over_what_may_be_seen() -> None:
    ann, bob = factories.member(), factories.member()
    hidden = factories.account()
    for number, (who, band) in enumerate([(ann, "poor"), (ann, "good"), (bob, "poor")]):
        of = factories.account()
        set_by_hand(of, band, "average", 110 + number, author=who.user)
        cancelled_by_stage(of)
    set_by_hand(factories.account(), "poor", "good", 5, author=bob.user)
    set_by_hand(hidden, "poor", "good", 5)
    seen = Account.objects.exclude(pk=hidden.pk)
    found = {one.name: (one.total, one.in_force, one.person, one.score, one.open) for one in records(seen, moment())}
    assert found == {ann.name: (2, 2, 1, 1, 0), bob.name: (2, 2, 1, 0, 1)}
    assert {one.name for one in records(Account.objects.all(), moment())} == {*found, "Somebody who left"}


def test_a_row_tells_the_score_then_and_at_the_end(django_assert_max_num_queries: Any) -> None:
    config = HealthConfig.objects.create(is_default=True, version=2, definition={})
    for number, good in ((1, 70), (2, 50)):
        definition = {"bands": {"good": good, "poor": 30}}
        HealthConfigVersion.objects.create(config=config, number=number, definition=definition)
    accounts = [factories.account() for _ in range(4)]
    for of in accounts:
        for days, score, version in ((120, 80, 1), (60, 55, 1), (15, 55, 2), (5, 10, 2)):
            HealthDay.objects.create(
                account=of, day=moment().today - DAY * days, score=score, band="poor", config=config, version=version
            )
        set_by_hand(of, "poor", "good", 110)
    ended, over, running, _ = HealthOverride.objects.order_by("pk")
    HealthOverride.objects.filter(pk=ended.pk).update(ended_at=days_ago(30))
    HealthOverride.objects.filter(pk=over.pk).update(until=moment().today - DAY * 10)
    with django_assert_max_num_queries(4):  # one of them asks for the workspace
        told = {one.override.pk: one for one in told_overrides(HealthOverride.objects.all(), moment(), 10)}
    assert (told[ended.pk].score_then, told[ended.pk].score_at_end, told[ended.pk].is_open) == (
        "Good",
        "Average",
        False,
    )
    assert (told[over.pk].score_at_end, told[over.pk].ended) == ("Good", moment().today - DAY * 10)
    assert (told[running.pk].score_at_end, told[running.pk].is_open) == ("Poor", True)
    assert last_day(HealthOverride.objects.get(pk=running.pk), moment()) is None


def test_an_override_without_a_last_day_gets_one() -> None:
    made = override_health(factories.account(), band="poor", reason="Their sponsor left.")
    assert made.until == moment().today + DAY * 30
    chosen = moment().today + DAY * 3
    assert override_health(made.account, band="good", reason="A new one came.", until=chosen).until == chosen


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/until", {"until": None}), ("/until", {}), ("/until", {"until": "soon"}), ("/until", {"until": "2001-01-01"}),
        ("/reason", {"reason": ""}), ("/reason", {"reason": "  "}), ("/band", {"band": "none"}),
    ],
)  # fmt: skip
def test_the_api_refuses_what_cannot_be_with_its_place(place: str, change: dict[str, Any]) -> None:
    of, client = factories.account(external_id="acme"), Client()
    client.force_login(factories.member().user)
    given = {"band": "poor", "reason": "Their sponsor left.", "until": (moment().today + DAY).isoformat()} | change
    if not change:
        del given["until"]
    refused = client.post("/api/v1/health/acme/override/", given, content_type="application/json")
    assert refused.status_code == 400, refused.content
    assert [one["pointer"] for one in refused.json()["errors"]] == [place], refused.json()
    assert not HealthOverride.objects.exists() and of.health_overrides.count() == 0


def test_the_api_takes_a_band_until_a_last_day() -> None:
    of, client, until = factories.account(external_id="acme"), Client(), moment().today + DAY * 9
    client.force_login(factories.member().user)
    given = {"band": "poor", "reason": "Their sponsor left.", "until": until.isoformat()}
    made = client.post("/api/v1/health/acme/override/", given, content_type="application/json")
    assert made.status_code == 200 and of.health_overrides.get().until == until
