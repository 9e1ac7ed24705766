"""The ready-made configs can be saved as they are in a new installation, and usage alone is enough for a score."""

from __future__ import annotations

import datetime as dt

import pytest

from accounts.facts import define_attribute
from accounts.models import Account, Subject
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.definition import read_definition
from health.editing import save_config
from health.models import AccountHealth, HealthConfig
from health.proposing import usable
from health.stock import DEFAULT, ReadyMade, ready_made
from segments.questions import Reader
from tests import factories
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
ALL = ready_made()


SURVEYED = ("nps", "csat", "open_tickets")


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.key)
def test_each_is_saved_as_it_is(one: ReadyMade) -> None:
    for key in SURVEYED:
        define_attribute(Subject.ACCOUNT, key, kind="number")
    segment = factories.segment(one.name, *one.rule["rules"]) if one.rule else None
    config = save_config(None, name=one.name, definition=one.definition, segment=segment)
    assert config.definition == one.definition and HealthConfig.objects.get().problems == {}
    assert one.description and len(one.name) <= 40
    assert 3 <= len(read_definition(one.definition, Reader.now()).measures) <= 20


def test_each_asks_who_speaks_with_them_and_all_that_pay_ask_for_the_renewal() -> None:
    sides = {one.key: {row["key"] for row in one.bare["dimensions"]} for one in ALL}
    assert all(found >= {"adoption", "momentum", "relationship"} for found in sides.values())
    assert {key for key, found in sides.items() if "financial" not in found} == {"trial", "onboarding"}


def test_there_is_one_for_everybody_for_each_stage_and_each_tier() -> None:
    assert [one.key for one in ALL if one.rule is None] == ["default"]
    rules = {condition["value"] for one in ALL if one.rule for condition in one.rule["rules"]}
    assert rules == {"trial", "onboarding", "live", "strategic", "qualified", "target", "at-risk"}
    assert len({one.key for one in ALL}) == len(ALL)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.key)
def test_service_is_there_where_it_can_be_known_and_changes_nothing_where_it_is_not(one: ReadyMade) -> None:
    assert usable(one, Reader.now()) == one.bare, "nobody has defined what a help desk says"
    names = [row["name"] for row in one.definition["dimensions"]]
    assert "Service" in names and sum(row["weight"] for row in one.definition["dimensions"]) == 100
    bare = {row["key"]: row["weight"] for row in one.bare["dimensions"]}
    for row in one.definition["dimensions"]:
        assert row["key"] == "service" or row["weight"] * 100 == bare[row["key"]] * 80
    define_attribute(Subject.ACCOUNT, "csat", kind="number")
    found = next(row for row in usable(one, Reader.now())["dimensions"] if row["key"] == "service")
    assert (found["weight"], [measure["key"] for measure in found["measures"]]) == (20, ["csat"])


def test_an_account_of_which_service_says_nothing_has_the_score_that_it_would_have_without() -> None:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    silent, told = factories.account(stated_licences=6), factories.account(stated_licences=6)
    for account in (silent, told):
        happened(account, 4, range(0, 170, 5))
    Account.objects.filter(pk=told.pk).update(attributes={"nps": 2})
    config = save_config(None, name="", definition=DEFAULT)
    refresh_everything()
    before = {row.account_id: row for row in AccountHealth.objects.all()}
    save_config(config, name="", definition=usable(ALL[0], Reader.now()))
    refresh_everything()
    after = {row.account_id: row for row in AccountHealth.objects.all()}
    assert after[silent.pk].score == before[silent.pk].score and after[silent.pk].dimensions["service"] is None
    assert after[told.pk].dimensions["service"] == 0 and after[told.pk].score < before[told.pk].score


def happened(account: Account, users: int, days: range) -> None:
    """Every user on each of the days ago."""
    people = [factories.end_user().external_id for _ in range(users)]
    now = moment().now
    PostgresStore().append(
        [
            EventFact(f"{account.pk}-{user}-{ago}", "Login", now - dt.timedelta(days=ago), account.external_id, user)
            for user in people
            for ago in days
        ],
        source="app",
    )


def test_usage_tells_the_steady_from_the_fading_and_the_silent() -> None:
    steady, fading, silent, never = (factories.account(stated_licences=6) for _ in range(4))
    happened(steady, 6, range(0, 170, 2))
    happened(fading, 4, range(20, 170, 10))
    happened(fading, 3, range(100, 170, 2))
    happened(silent, 4, range(80, 175, 3))
    save_config(None, name="", definition=DEFAULT)
    refresh_everything()
    found = {row.account_id: row for row in AccountHealth.objects.all()}
    scores = [found[account.pk].score for account in (steady, fading, silent)]
    assert all(score is not None for score in scores) and scores == sorted(scores, reverse=True)
    assert [found[account.pk].band for account in (steady, fading, silent)] == ["good", "average", "poor"]
    assert found[never.pk].band == "poor"


def test_usage_alone_is_enough_for_a_score() -> None:
    account = factories.account()
    happened(account, 2, range(0, 170, 10))
    save_config(None, name="", definition=DEFAULT)
    refresh_everything()
    found = AccountHealth.objects.get()
    assert found.band == "average" and found.score is not None and 50 < found.coverage < 70
