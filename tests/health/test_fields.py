"""Health as fields of rules: since when, by whom, how well known, how far from before, and what it changed from."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.fields import vocabulary
from accounts.models import Account
from core.clock import Moment, moment
from core.shadow import shadows
from health.definition import DefinitionError
from health.editing import override_health, save_config
from health.models import AccountHealth, BandChange, HealthConfig
from health.past import show_scores
from health.refresh import refresh_health
from segments.history import movements
from segments.questions import Reader
from segments.refresh import refresh_segments
from segments.rules.tree import RuleError
from tests import factories
from tests.health.test_portfolio import at
from tests.health.test_scores import USED, an_account, by_number, only, share
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db


def names(*rules: dict[str, Any], now: Moment | None = None) -> set[str]:
    reader = Reader.now(now) if now else Reader.now()
    return set(reader.read({"match": "all", "rules": list(rules)}).accounts().values_list("name", flat=True))


def asked(key: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": f"health.{key}", "op": op} | ({} if value is None else {"value": value})


@pytest.fixture
def company() -> None:
    """Four accounts that were Good 100 days ago: one fell 20 days ago, one 5 days ago, one came back today."""
    accounts = {name: an_account(70, 100, name=name) for name in ("stays", "fell", "lately", "back")}
    an_account(0, None, name="unknown")
    save_config(None, name="", definition=only(USED))

    def use(users: int, *those: str) -> None:
        AccountUsage.objects.filter(account__in=[accounts[name] for name in those]).update(active_users_30d=users)

    refresh_health(now=at(100))
    use(5, "fell", "back")
    refresh_health(now=at(20))
    use(40, "lately")
    refresh_health(now=at(5))
    use(90, "back")
    refresh_health(now=at(0))


def test_days_in_a_band_are_counted_by_the_calendar_of_the_workspace(company: None) -> None:
    zone = moment().zone
    since = dict(AccountHealth.objects.values_list("account__name", "band_since"))
    expected = {name: (moment().today - one.astimezone(zone).date()).days for name, one in since.items()}
    assert sorted(expected.values()) == [0, 5, 20, 100, 100]
    field = vocabulary()["health.days_in_band"]
    shown = Account.objects.annotate(days=field.value("")).values_list("name", "days")
    assert dict(shown) == expected
    for days in (0, 1, 5, 6, 20, 100, 101):
        found = names(asked("days_in_band", "at_least", days))
        assert found == {name for name, number in expected.items() if number >= days}
    later = Moment(moment().now + dt.timedelta(days=10), zone)
    assert names(asked("days_in_band", "at_least", 15), asked("band", "is", "average"), now=later) == {"lately"}
    assert names(asked("days_in_band", "at_least", 15), asked("band", "is", "average")) == set()


def test_a_day_ends_at_the_midnight_of_the_workspace() -> None:
    one = an_account(70, 100, name="one")
    save_config(None, name="", definition=only(USED))
    zone = moment().zone
    midnight = moment().start_of(moment().today)
    refresh_health(now=Moment(midnight - dt.timedelta(minutes=1), zone))
    assert AccountHealth.objects.get(account=one).band_since < midnight
    after = Moment(midnight + dt.timedelta(minutes=1), zone)
    assert names(asked("days_in_band", "equals", 1), now=after) == {"one"}


def test_since_when_by_hand_how_well_known_and_how_far_are_asked(company: None) -> None:
    week = {"n": 7, "unit": "day"}
    assert names(asked("band_since", "within_last", week)) == {"lately", "back"}
    assert names(asked("band_since", "more_than_ago", {"n": 30, "unit": "day"})) == {"stays", "unknown"}
    assert names(asked("change_90d", "at_most", -30)) == {"fell", "lately"}
    assert names(asked("change_90d", "equals", 0)) == {"stays", "back"}
    assert names(asked("change_90d", "is_not_set")) == {"unknown"}
    assert names(asked("coverage", "less_than", 50)) == {"unknown"}
    assert names(asked("overridden", "is_true")) == set()
    override_health(Account.objects.get(name="stays"), band="poor", reason="Their sponsor left.")
    refresh_health(now=at(0))
    assert names(asked("overridden", "is_true")) == {"stays"} == names(asked("change_cause", "is", "override"))
    assert len(names(asked("overridden", "is_false"))) == 4


def test_who_fell_from_good_and_why_is_asked_of_the_newest_change(company: None) -> None:
    good = asked("band_before", "is", "good")
    assert names(good) == {"fell", "lately"}
    assert names(good, asked("band", "is", "poor")) == {"fell"}
    assert names(good, asked("days_in_band", "at_most", 7)) == {"lately"}
    assert names(asked("band_before", "is", "poor")) == {"back"}
    assert names(asked("band_before", "is", "none")) == {"stays"}
    assert names(asked("change_cause", "is", "first")) == {"stays"}
    assert names(asked("change_cause", "is", "time")) == {"fell", "lately", "back"}
    assert names(asked("change_cause", "is_not_set")) == {"unknown"}
    assert BandChange.objects.count() == 8


def test_a_change_by_a_new_version_or_config_is_told_from_one_by_data(company: None) -> None:
    easy = only(by_number("used", "account.active_users_30d", share(20), share(10)))
    config = HealthConfig.objects.get()
    save_config(config, name="", definition=easy)
    refresh_health(now=at(0))
    assert names(asked("change_cause", "is", "version")) == {"lately"}
    fell = factories.segment("Fell", {"field": "account.name", "op": "is", "value": "fell"})
    save_config(None, name="", segment=fell, definition=only(by_number("used", "account.active_users_30d", 1, 0)))
    refresh_health(now=at(0))
    assert names(asked("change_cause", "any_of", ["config", "version"])) == {"lately", "fell"}


def test_the_past_knows_no_later_change(company: None) -> None:
    """As a replay of an alert rule asks it: ten days ago two had fallen, and nobody had come back."""
    then = at(10)
    with shadows() as others:
        show_scores(others, then)
        assert names(asked("band_before", "is", "good"), now=then) == {"fell", "back"}
        assert names(asked("band_before", "is", "poor"), now=then) == set()
        assert names(asked("change_cause", "is", "time"), now=then) == {"fell", "back"}
        assert names(asked("days_in_band", "equals", 10), now=then) == {"fell", "back"}
    assert names(asked("band_before", "is", "good")) == {"fell", "lately"}


def test_a_segment_by_days_in_a_band_gains_members_by_time_alone(company: None) -> None:
    segment = factories.segment("Long", asked("days_in_band", "at_least", 10), asked("band", "is", "average"))
    zone = moment().zone
    refresh_segments(now=Moment(moment().now + dt.timedelta(days=4), zone))
    assert not movements(segment, Reader.now(), None)
    refresh_segments(now=Moment(moment().now + dt.timedelta(days=6), zone))
    told = movements(segment, Reader.now(), None)
    assert [(one.member.name, one.joined, one.cause) for one in told] == [("lately", True, "time")]


def test_what_is_known_after_health_is_no_measure_of_it() -> None:
    with pytest.raises(DefinitionError, match="after health is scored"):
        save_config(None, name="", definition=only(by_number("x", "health.days_in_band", 5, 1)))
    with pytest.raises(RuleError):
        names(asked("band_before", "is", "splendid"))
