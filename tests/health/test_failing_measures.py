"""A measure that PostgreSQL cannot compute is Not scored and flagged; the rest is scored as if it were not there."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Account
from core.clock import moment
from core.deadline import TooSlow
from health import effect as looking
from health import refresh as refreshing
from health.definition import read_definition
from health.editing import save_config
from health.effect import effect_of
from health.explaining import explain_health
from health.models import AccountHealth
from health.refresh import refresh_health
from segments.questions import Reader
from tests import factories
from tests.health import calculator, failing
from tests.health.failing import FAILING
from tests.health.test_scores import SEEN, USED, Rule, an_account, by_number, by_rules, definition, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("failing_fields")]
failing_fields = failing.failing_fields
BY_RULES = by_rules(
    "bad",
    {"field": "account.divided", "op": "at_least", "value": 50},
    {"field": "account.divided", "op": "less_than", "value": 5},
)
UNKNOWN = by_number("bad", "account.nothing", 1, 0)
BAD = [(by_number("bad", field, 10, 0), said) for field, said in FAILING.items()] + [(BY_RULES, "division by zero")]


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "LIMIT_MS", 400)
    monkeypatch.setattr(looking, "LIMIT_MS", 400)


def the_accounts() -> list[Account]:
    """One account alone makes a division fail."""
    return [an_account(35, 100, seen=2), an_account(70, 50, seen=20), an_account(7, 0, seen=9)]


@pytest.mark.parametrize(("bad", "said"), BAD)
def test_the_rest_is_scored_and_the_measure_is_flagged(bad: Rule, said: str) -> None:
    accounts = the_accounts()
    data = definition(("a", 60, [USED, bad]), ("b", 40, [SEEN]))
    config = save_config(None, name="", definition=data)
    run = refresh_health()
    config.refresh_from_db()
    assert list(config.problems) == ["bad"] and config.problems["bad"].startswith(said)
    assert run.problems == {"Default": config.problems} and run.scored == 3
    today = moment().today
    for account in accounts:
        found, seen = of(account), account.usage.last_seen_at
        values: dict[str, Any] = {
            "account.active_users_30d": account.usage.active_users_30d,
            "account.licences": account.licences,
            "account.last_seen_at": seen,
        }
        score, band, _, coverage = calculator.score(
            definition(("a", 60, [USED, UNKNOWN]), ("b", 40, [SEEN])), values, today
        )
        assert (found.score, found.band, found.coverage) == (score, band, coverage)
        assert found.measures[1] is None and found.values[1] is None
        told = explain_health(account).dimensions[0].measures[1]
        assert told.band == "none" and told.label == "Not scored"
    assert {found.band for found in AccountHealth.objects.all()} > {"none"}


def test_it_is_scored_again_when_nothing_makes_it_fail() -> None:
    accounts = the_accounts()
    config = save_config(None, name="", definition=definition(("a", 100, [SEEN])))
    data = definition(("a", 100, [SEEN, by_number("bad", "account.divided", 5, 0)]))
    save_config(config, name="", definition=data)
    refresh_health()
    assert {tuple(one is None for one in found.measures) for found in AccountHealth.objects.all()} == {(False, True)}
    Account.objects.filter(pk=accounts[2].pk).update(licences=20)
    refresh_health()
    config.refresh_from_db()
    assert config.problems == {} and of(accounts[2]).measures[1] == 100


@pytest.mark.parametrize(("bad", "said"), [one for one in BAD if one[0].get("field") != "account.slow"])
def test_the_effect_of_a_draft_leaves_it_out_and_says_so(bad: Rule, said: str) -> None:
    the_accounts()
    reader = Reader.now()
    found = effect_of(read_definition(definition(("a", 100, [SEEN, bad])), reader), reader, seen=Account.objects.live())
    assert list(found.problems) == ["bad"] and found.problems["bad"].startswith(said)
    assert found.scored == 3 and found.spreads[0].bands["none"] == 0
    assert dict(found.spreads[1].bands) == {"good": 0, "average": 0, "poor": 0, "none": 3}


def test_the_effect_of_a_draft_that_takes_too_long_is_given_up() -> None:
    the_accounts()
    reader = Reader.now()
    slow = read_definition(definition(("a", 100, [SEEN, by_number("bad", "account.slow", 5, 0)])), reader)
    with pytest.raises(TooSlow):
        effect_of(slow, reader, seen=Account.objects.live())


def test_a_config_that_fails_holds_up_no_other() -> None:
    the_accounts()
    large = factories.segment("Large", {"field": "account.licences", "op": "at_least", "value": 60})
    save_config(None, name="", segment=large, definition=definition(("a", 100, [SEEN, BAD[1][0]])))
    save_config(None, name="", definition=definition(("a", 100, [SEEN])))
    run = refresh_health()
    assert list(run.problems) == ["Large"] and run.scored == 3
    assert not AccountHealth.objects.filter(score=None).exists()
