"""Good and Poor keep apart: rules that can both hold are refused, and limits that cross score nobody the wrong way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from core.clock import moment
from health.definition import DefinitionError
from health.editing import save_config
from health.explaining import explain_health
from health.models import AccountHealth, HealthConfig
from health.refresh import refresh_health
from health.versions import differences
from segments.models import RefreshRun
from segments.questions import Reader
from segments.rules.nodes import Condition
from segments.rules.ranges import can_hold, holding
from tests.health import calculator
from tests.health.test_scores import M, Rule, an_account, by_number, by_rules, of, only, share

pytestmark = pytest.mark.django_db


def asked(field: str, op: str, value: Any = None) -> Rule:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def users(op: str, value: Any) -> Rule:
    return asked("account.active_users_30d", op, value)


def plan(op: str, value: Any = None) -> Rule:
    return asked("account.plan", op, value)


ENDS = {"n": 7, "unit": "day"}
MONTH = {"n": 30, "unit": "day"}
OVERLAPPING = [
    (plan("is", "Enterprise"), plan("is", "Enterprise")),
    (plan("is", "Enterprise"), plan("any_of", ["enterprise", "Starter"])),
    (users("at_least", 10), users("at_most", 10)),
    (users("at_least", 10), users("between", [5, 20])),
    (users("at_least", share(70)), users("at_least", share(10))),
    (users("at_least", share(70)), users("less_than", share(80))),
    (asked("account.last_seen_at", "within_last", MONTH), asked("account.last_seen_at", "more_than_ago", ENDS)),
    (
        {"match": "any", "rules": [users("at_least", 50), users("equals", 3)]},
        {"match": "all", "rules": [users("more_than", 1), users("less_than", 5)]},
    ),
]
APART = [
    (plan("is", "Enterprise"), plan("is", "Starter")),
    (plan("is", "Enterprise"), plan("is_not", "Enterprise")),
    (users("more_than", 5), users("less_than", 6)),
    (users("at_least", share(70)), users("less_than", share(10))),
    (users("at_least", share(70)), users("at_most", 1)),
    (users("at_least", share(70)), users("less_than", {"percent": 200, "of": "account.active_users_90d"})),
    (plan("starts_with", "Ent"), plan("starts_with", "Sta")),
    (plan("contains", "nt"), plan("matches", "^S")),
    (asked("account.last_seen_at", "within_last", ENDS), asked("account.last_seen_at", "more_than_ago", MONTH)),
    (users("at_least", 10), asked("account.mrr", "at_most", 5)),
]


@pytest.mark.parametrize(("good", "poor"), OVERLAPPING)
def test_rules_that_one_value_can_meet_are_refused_though_no_account_meets_them(good: Rule, poor: Rule) -> None:
    assert not Account.objects.exists()
    with pytest.raises(DefinitionError) as told:
        save_config(None, name="", definition=only(by_rules("x", good, poor)))
    assert [(problem.pointer, problem.code) for problem in told.value.problems] == [(M + "/good", "bands-overlap")]
    assert not HealthConfig.objects.exists()


@pytest.mark.parametrize(("good", "poor"), APART)
def test_rules_that_may_keep_apart_are_saved(good: Rule, poor: Rule) -> None:
    save_config(None, name="", definition=only(by_rules("x", good, poor)))
    assert HealthConfig.objects.get().version == 1


def test_a_percentage_is_compared_with_one_of_the_same_field_and_never_said_to_be_impossible() -> None:
    reader, today = Reader.now(), moment().today

    def held(*rules: Rule) -> bool | None:
        found = reader.read({"match": "all", "rules": list(rules)}).rule.rules
        conditions = [one for one in found if isinstance(one, Condition)]
        assert can_hold(conditions, today) is (holding(conditions, today) is not False)
        return holding(conditions, today)

    assert held(users("at_least", share(70)), users("at_least", share(10))) is True
    assert held(users("at_least", share(70)), users("at_most", share(10))) is None  # both hold of 0 licences
    assert held(users("at_least", share(70)), users("at_most", 10)) is None
    assert held(users("at_least", 70), users("at_most", 10)) is False
    assert held(plan("is", "A"), plan("matches", "^B")) is None


def test_accounts_that_come_to_meet_both_rules_are_poor_counted_and_flagged_until_it_is_mended() -> None:
    ours, theirs = users("at_least", 10), asked("account.mrr", "at_most", 5)
    one, two = (an_account(20, None, mrr=Decimal(100)) for _ in range(2))
    calm = an_account(0, None, mrr=Decimal(100))
    config = save_config(None, name="", definition=only(by_rules("x", ours, theirs)))
    assert refresh_health().problems == {} and of(one).score == 100 and of(calm).score == 50

    Account.objects.filter(pk__in=[one.pk, two.pk]).update(mrr=Decimal(1))
    run = refresh_health(RefreshRun.Trigger.DATA, accounts=[one.pk])
    said = {"x": "Good and Poor both hold for 1 account, which counts as Poor. Narrow one of them."}
    assert run.problems == {"Default": said} and (of(one).score, of(two).score) == (0, 100)
    refresh_health()
    config.refresh_from_db()
    both = {"x": "Good and Poor both hold for 2 accounts, which count as Poor. Narrow one of them."}
    assert config.problems == both and of(two).score == 0
    refresh_health(RefreshRun.Trigger.DATA, accounts=[calm.pk])  # knows nothing of the two
    config.refresh_from_db()
    assert config.problems == both

    Account.objects.update(mrr=Decimal(100))
    refresh_health()
    config.refresh_from_db()
    assert config.problems == {} and of(one).score == 100


MIXED = by_number("mixed", "account.active_users_30d", share(50), 1)
TWO_WHOLES = by_number("two", "account.active_users_30d", {"percent": 60, "of": "account.mrr"}, share(20))


@pytest.mark.parametrize(
    "measure",
    [
        MIXED,
        MIXED | {"better": "lower"},
        by_number("mixed", "account.active_users_30d", 3, share(50)),
        by_number("mixed", "account.active_users_30d", 10, share(10)) | {"better": "higher"},
        TWO_WHOLES,
        TWO_WHOLES | {"better": "lower"},
        by_number("silence", "account.last_seen_at", share(50), 30),
        by_number("silence", "account.last_seen_at", share(50), 30) | {"better": "higher"},
    ],
)
def test_which_way_is_better_is_the_same_for_every_account(measure: Rule) -> None:
    rows = [
        (active, licences, seen, mrr)
        for active in (0, 1, 4, 40)
        for licences in (None, 0, 1, 2, 10, 80)
        for seen in (3, 40)
        for mrr in (0, 20)
    ]
    accounts = {an_account(active, seats, seen, mrr=Decimal(mrr)).pk: (active, seats, seen, mrr)
                for active, seats, seen, mrr in rows}  # fmt: skip
    save_config(None, name="", definition=only(measure))
    refresh_health()
    last = dict(Account.objects.values_list("pk", "usage__last_seen_at"))
    scores = set()
    for found in AccountHealth.objects.all():
        active, licences, _, mrr = accounts[found.account_id]
        values = {
            "account.active_users_30d": active, "account.licences": licences, "account.mrr": mrr,
            "account.last_seen_at": last[found.account_id],
        }  # fmt: skip
        expected = calculator.score(only(measure), values, moment().today)
        assert (found.score, found.band) == expected[:2], accounts[found.account_id]
        scores.add(found.score)
    assert None in scores and len(scores) > 2


def test_nobody_without_licences_and_users_is_good() -> None:
    """0 users of 0 licences lie below the poor limit of 1, and at the good one of 50 % of them."""
    empty, small, large = an_account(0, 0), an_account(2, 2), an_account(5, 8)
    save_config(None, name="", definition=only(MIXED))
    refresh_health()
    assert (of(empty).band, of(small).band, of(large).score) == ("none", "none", 100)
    told = explain_health(empty).dimensions[0].measures[0]
    assert (told.good, told.poor, told.value) == ("50 % of Licences or more", "1", "0")
    assert told.line == "Mixed: For this account its limits are missing or cross."


@pytest.mark.parametrize(
    ("measure", "code"),
    [
        (by_number("x", "account.mrr", 5, 1) | {"better": "lower"}, "wrong-direction"),
        (MIXED | {"better": "sideways"}, "invalid-choice"),
        (by_rules("x", users("at_least", 3), users("at_most", 1)) | {"better": "lower"}, "unknown-key"),
    ],
)
def test_a_direction_that_cannot_be_is_refused(measure: Rule, code: str) -> None:
    with pytest.raises(DefinitionError) as told:
        save_config(None, name="", definition=only(measure))
    assert [(problem.pointer, problem.code) for problem in told.value.problems] == [(M + "/better", code)]


def test_a_direction_is_told_in_versions() -> None:

    changes = differences(only(MIXED), only(MIXED | {"better": "lower"}), Reader.now())
    assert [change.words for change in changes] == [
        "Mixed: Active users, 30 days, Good 50 % of Licences or more, Poor 1 → "
        "Active users, 30 days, Good 50 % of Licences or less, Poor 1"
    ]
