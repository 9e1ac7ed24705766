"""What moved a score when its config was changed too: the version if it moved most of it, else the customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from health.definition import read_definition
from health.editing import save_config
from health.models import HealthConfig, HealthDay
from health.moves import reasons_of_moves
from health.portfolio import movers_of
from health.recalling import wholes_of
from health.refresh import refresh_health
from health.rescoring import mostly_the_version, rescored, whole_score
from segments.questions import Reader
from tests import factories
from tests.health.test_portfolio import at
from tests.health.test_scores import PLAN, SEEN, USED, an_account, by_number, definition, only, share
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db
EASY = by_number("used", "account.active_users_30d", share(40), share(5), weight=3)
MRR = by_number("mrr", "account.mrr", 1000, 0)


def scored_before(data: Any, days: int = 40) -> HealthConfig:
    config = save_config(None, name="", definition=data)
    refresh_health(now=at(days))
    return config


def changed(config: HealthConfig, data: Any, reason: str = "Fewer are enough.") -> None:
    save_config(config, name="", definition=data, reason=reason)
    refresh_health()


def reason(account: Account, days: int = 30) -> str:
    return reasons_of_moves([account], days, Reader.now())[account.pk]


def use(account: Account, users: int) -> None:
    AccountUsage.objects.filter(account=account).update(active_users_30d=users)


def test_other_limits_are_the_version_and_not_the_customer(django_assert_max_num_queries: Any) -> None:
    one = an_account(45, 100)
    config = scored_before(only(USED))
    changed(config, only(EASY))
    assert reason(one) == "new version 2: Fewer are enough."
    reader = Reader.now()
    with django_assert_max_num_queries(6):
        found = movers_of(Account.objects.live(), 30, reader)
    assert [(line.account, line.why) for line in found.rises] == [(one, "new version 2: Fewer are enough.")]


def test_other_weights_alone_are_the_version_and_a_reason_may_be_missing() -> None:
    one = an_account(10, 100, mrr=Decimal(1000))
    config = scored_before(definition(("a", 80, [USED]), ("b", 20, [MRR])))
    changed(config, definition(("a", 20, [USED]), ("b", 80, [MRR])), reason="")
    assert reason(one) == "new version 2"


def test_a_measure_that_is_new_or_gone_is_the_version() -> None:
    one = an_account(70, 100, mrr=Decimal(300))
    config = scored_before(only(USED))
    changed(config, only(USED, MRR), reason="Money counts.")
    assert reason(one) == "new version 2: Money counts."
    changed(config, only(MRR), reason="Only money.")
    assert reason(one) == "new version 3: Only money."


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (10, "Used 10, was 45"),  # the version raised it, the customer let it fall further
        (20, "Used 20, was 45"),
        (46, "new version 2: Fewer are enough."),
    ],
)
def test_whoever_moved_most_of_it_is_named(users: int, said: str) -> None:
    one = an_account(45, 100)
    config = scored_before(only(USED))
    use(one, users)
    changed(config, only(EASY))
    assert reason(one) == said


def test_a_customer_who_moved_under_a_version_that_left_it_alone_is_named() -> None:
    one = an_account(60, 100, seen=2)
    config = scored_before(only(USED, SEEN))
    use(one, 15)
    changed(config, only(USED | {"name": "Seats in use"}, SEEN), reason="A better name.")
    assert reason(one) == "Seats in use 15, was 60"


def test_rules_that_changed_are_the_version() -> None:
    one = an_account(60, 100, plan="Growth")
    config = scored_before(only(PLAN))
    good = factories.rule({"field": "account.plan", "op": "is", "value": "Growth"})
    changed(config, only(PLAN | {"good": good}), reason="Growth is good.")
    assert reason(one) == "new version 2: Growth is good."


def test_becoming_scored_by_a_lower_coverage_is_the_version() -> None:
    one = an_account(60, None, mrr=Decimal(500))
    config = scored_before(only(USED, MRR))
    changed(config, only(USED, MRR) | {"least_coverage": 10}, reason="Little is enough.")
    days = HealthDay.objects.filter(account=one).order_by("day").values_list("score", flat=True)
    assert list(days) == [None, 50] and reason(one) == "new version 2: Little is enough."


def test_a_past_day_scored_anew_is_what_the_scoring_says() -> None:
    for users in (0, 10, 33, 45, 80):
        for seats in (None, 0, 50, 100):
            an_account(users, seats, seen=users, mrr=Decimal(10 * users))
    mixed = by_number("mixed", "account.active_users_30d", share(50), 10)
    old = definition(("a", 70, [USED, SEEN, mixed]), ("b", 30, [MRR, PLAN]))
    new = definition(
        ("b", 45, [MRR | {"good": 300, "weight": 2}, PLAN]),
        ("a", 55, [mixed | {"better": "lower"}, EASY, SEEN | {"good": 5}]),
        least_coverage=60,
    )
    config = scored_before(old, days=0)
    before = list(HealthDay.objects.order_by("account"))
    changed(config, new)
    after = {row.account_id: row for row in HealthDay.objects.all()}
    reader = Reader.now()
    was, now = (read_definition(data, reader) for data in (old, new))
    wholes = wholes_of(list(after), [now], reader)
    scores = set()
    for row in before:
        found, stored = rescored(row, after[row.account_id], was, now, wholes), after[row.account_id]
        assert [one is None for one in found] == [one is None for one in stored.measures]
        assert all(abs(one - two) <= Decimal("0.05") for one, two in zip(found, stored.measures, strict=True) if one)
        whole = whole_score(now, found)
        assert (whole is None) == (stored.score is None)
        assert whole is None or abs(whole - stored.score) <= Decimal("0.2")
        scores.add(stored.score)
    assert None in scores and len(scores) > 6


@pytest.mark.parametrize(
    ("before", "between", "after", "version"),
    [
        (50, 60, 70, True), (50, 59, 70, False), (50, 90, 70, True), (50, 40, 70, False), (50, 40, 20, False),
        (50, 30, 20, True), (50, 50, 50, False), (None, 40, 60, True), (None, None, 60, False), (60, None, None, True),
        (60, 50, None, False), (None, None, None, False), (50, None, 60, False),
    ],
)  # fmt: skip
def test_half_of_a_move_is_most_of_it(before: Any, between: Any, after: Any, *, version: bool) -> None:
    given = (None if one is None else Decimal(one) for one in (before, between, after))
    assert mostly_the_version(*given) is version
