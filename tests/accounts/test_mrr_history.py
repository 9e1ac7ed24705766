"""The MRR by day, and how it changed: against plain Python over drawn contracts."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from accounts.billing import roll_up_billing
from accounts.models import Account, AttributeChange, ExchangeRate, MrrDay, Subscription
from accounts.mrr_history import LONGEST, keep_mrr
from core.clock import Moment, moment
from segments.questions import Reader
from tests import factories

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def at(back: float) -> Moment:
    return Moment(moment().now - DAY * back, moment().zone)


@dataclass
class Contract:
    """What is sold to an account, and what was told of its MRR and its status on which day before today."""

    starts: int
    ends: int | None
    status: str
    mrr: list[tuple[int, int]]
    statuses: list[tuple[int, str]] = field(default_factory=list)
    rate: int = 1

    def worth(self, back: int) -> int:
        """A month's worth so many days before today."""
        if back > self.starts or (self.ends is not None and back < self.ends):
            return 0
        said = [status for day, status in self.statuses if day >= back]
        first = self.statuses[0][1] if self.statuses else self.status
        status = said[-1] if said else "active" if first in ("cancelled", "suspended") else first
        amounts = [amount for day, amount in self.mrr if day >= back]
        return self.rate * (amounts[-1] if amounts else self.mrr[0][1]) if status == "active" else 0

    def sell(self, to: Account) -> None:
        """Store it, with what was told of it."""
        today = moment().today
        made = factories.subscription(
            to, starts_on=today - DAY * self.starts, ends_on=None if self.ends is None else today - DAY * self.ends,
            status_id=self.status, mrr=self.mrr[-1][1], mrr_base=self.mrr[-1][1] * self.rate,
            currency="USD" if self.rate == 1 else "EUR",
        )  # fmt: skip
        for key, told in (("mrr", self.mrr), ("status", self.statuses)):
            before: Any = None
            for day, value in told:
                AttributeChange.objects.create(
                    subject="subscription", object_id=made.pk, key=key, old=before, new=value,
                    at=moment().now - DAY * day, source="crm",
                )  # fmt: skip
                before = value


def draw(dice: random.Random) -> Contract:
    starts = dice.choice([1, 40, 200, 500])
    ends = dice.choice([None, None, 0, 20, 100])
    ends = None if ends is None or ends >= starts else ends
    days = sorted({dice.randint(1, starts) for _ in range(dice.randint(1, 3))}, reverse=True)
    status = dice.choice(["active", "active", "active", "cancelled", "trial", "suspended"])
    statuses = dice.choice([[], [(starts, "active")], [(starts, "trial"), (max(1, starts // 2), "active")]])
    if statuses and status != statuses[-1][1]:
        statuses = [*statuses, (1, status)] if statuses[-1][0] > 1 else []
    return Contract(starts, ends, status, [(day, dice.randint(1, 900)) for day in days], statuses, dice.choice([1, 2]))


def known(account: Account, back: int) -> Decimal | None:
    """What is kept of a day."""
    day = moment().today - DAY * back
    return MrrDay.objects.filter(account=account, day__lte=day).values_list("mrr", flat=True).first()


def test_an_account_that_is_met_gets_the_past_that_its_contracts_tell(django_assert_num_queries: Any) -> None:
    ExchangeRate.objects.get_or_create(currency="USD", defaults={"rate": 1})
    ExchangeRate.objects.update_or_create(currency="EUR", defaults={"rate": 2})
    dice, world = random.Random(3), {}
    for _ in range(40):
        account, contracts = factories.account(), [draw(dice) for _ in range(dice.randint(1, 3))]
        for contract in contracts:
            contract.sell(account)
        world[account] = contracts
    now = moment()
    roll_up_billing(now)
    with django_assert_num_queries(4):  # two, and the savepoint around them
        assert keep_mrr(now) > 0
    compared = set()
    for account, contracts in world.items():
        for back in (1, 2, 19, 20, 21, 30, 39, 41, 90, 99, 100, 101, 150, 199, 201, LONGEST.days):
            began = max(contract.starts for contract in contracts) >= back
            expected = sum(contract.worth(back) for contract in contracts) if began else None
            assert known(account, back) == expected, (account.pk, back, contracts)
            compared.add(expected is None or expected > 0)
    assert compared == {True, False}
    assert keep_mrr(moment()) == 0, "what did not change is not written"
    assert {row.recalled for row in MrrDay.objects.filter(day__lt=moment().today)} == {True}
    for account in Account.objects.all():
        assert known(account, 0) == account.mrr


def test_from_then_on_every_day_with_a_change_is_kept_as_it_was() -> None:
    one, other = factories.account(stated_mrr=100), factories.account()
    steady = factories.account(stated_mrr=5)
    for back, amount in ((50, 100), (49, 100), (20, 150), (20, 160), (10, None)):
        Account.objects.filter(pk=one.pk).update(stated_mrr=amount)
        roll_up_billing(at(back))
        keep_mrr(at(back), [one.pk, other.pk])
    rows = list(MrrDay.objects.filter(account=one).order_by("day").values_list("mrr", "recalled"))
    assert rows == [(100, False), (160, False), (None, False)], "the last of a day counts"
    assert not MrrDay.objects.filter(account__in=[other, steady]).exists()
    keep_mrr(at(9))
    assert MrrDay.objects.filter(account=steady).count() == 1 and not MrrDay.objects.filter(account=other).exists()


def test_the_change_is_a_field_of_rules_at_any_moment() -> None:
    today = moment().today
    stories = {
        "grew": [(100, 100), (45, 250)], "shrank": [(200, 100), (10, 80)], "steady": [(120, 70)],
        "left": [(200, 100), (30, 0)], "new": [(20, 50)], "from nothing": [(100, 0), (5, 10)], "untold": [],
    }  # fmt: skip
    for name, told in stories.items():
        account = factories.account(name, mrr=told[-1][1] if told else 10)
        for back, amount in told:
            MrrDay.objects.create(account=account, day=today - DAY * back, mrr=amount)

    def change(told: list[tuple[int, int]], days: int) -> Decimal | None:
        then = [amount for back, amount in told if back >= days]
        if not then or not then[-1]:
            return None
        share = Decimal(100 * told[-1][1]) / then[-1]
        return share.quantize(Decimal("0.1"), ROUND_HALF_UP) - 100

    reader = Reader.now()
    for days in (30, 90):
        found = reader.vocabulary[f"account.mrr_change_{days}d"]
        shown = dict(Account.objects.annotate(change=found.value("")).values_list("name", "change"))
        assert shown == {name: change(told, days) for name, told in stories.items()}
    assert [change(stories[name], 90) for name in ("grew", "shrank", "steady", "left", "new")] == [
        150,
        -20,
        0,
        -100,
        None,
    ]
    rule = {"match": "all", "rules": [{"field": "account.mrr_change_90d", "op": "less_than", "value": -10}]}
    asked = {account.name for account in reader.read(rule).accounts()}
    assert asked == {"shrank", "left"}
    then = reader.vocabulary["account.mrr_change_30d"]
    assert then.at is not None
    earlier = dict(Account.objects.annotate(change=then.at("", at(150))).values_list("name", "change"))
    assert earlier["shrank"] == -20 and earlier["grew"] is None, "compared with what was known 180 days ago"


def test_an_account_that_is_deleted_takes_its_history_along() -> None:
    account = factories.account(stated_mrr=3)
    roll_up_billing(moment())
    keep_mrr(moment())
    assert MrrDay.objects.count() == 1 and not Subscription.objects.exists()
    account.delete()
    assert not MrrDay.objects.exists()
