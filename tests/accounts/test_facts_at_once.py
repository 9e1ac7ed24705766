"""Writers at the same time: nothing is lost, nothing deadlocks, nothing is doubled. Real threads, real connections."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.billing import roll_up_billing
from accounts.facts import (
    Fact,
    RelationshipFact,
    change_currency,
    define_attribute,
    ensure_base_rate,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.models import Account, AttributeChange, Relationship, Subject, Subscription
from core.clock import moment

pytestmark = pytest.mark.usefixtures("committed")
AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
NAMES = [f"acct-{number}" for number in range(40)]


def test_keys_written_at_once_are_all_kept_and_nobody_deadlocks(at_once: Callable[..., list[Any]]) -> None:
    keys = [f"k{number}" for number in range(4)]
    for key in keys:
        define_attribute(Subject.ACCOUNT, key, kind="number")

    def write(key: str) -> int:
        names = NAMES.copy()
        random.Random(key).shuffle(names)
        for start in range(0, len(names), 10):
            batch = [Fact(name, {f"custom.{key}": 1}, AT) for name in names[start : start + 10]]
            assert not record_accounts(batch, source=key).rejected
        return len(names)

    assert at_once(*(partial(write, key) for key in keys)) == [40] * 4
    assert Account.objects.count() == 40
    for account in Account.objects.all():
        assert account.attributes == dict.fromkeys(keys, 1)
    assert AttributeChange.objects.count() == 160


def test_the_same_new_accounts_written_at_once_are_made_once(at_once: Callable[..., list[Any]]) -> None:
    batch = [Fact(name, {"country": "NO"}, AT) for name in NAMES]
    results = at_once(*[partial(record_accounts, batch, source="crm")] * 4)
    assert sum(len(result.created) for result in results) == 40
    assert sum(len(result.unchanged) for result in results) == 120
    assert AttributeChange.objects.count() == 40


def test_a_relationship_opened_at_once_is_opened_once(at_once: Callable[..., list[Any]]) -> None:
    record_accounts([Fact("a", {}, AT)], source="t")
    record_users([Fact("u", {}, AT)], source="t")
    batch = [RelationshipFact("u", "a", AT, {"role": "admin"})]
    results = at_once(*[partial(record_relationships, batch, source="t")] * 5)
    assert sum(len(result.created) for result in results) == 1
    assert Relationship.objects.get().role == "admin"


def test_billing_and_facts_at_once_do_not_deadlock(at_once: Callable[..., list[Any]]) -> None:
    record_accounts([Fact(name, {}, AT) for name in NAMES], source="t")

    def sell(number: int) -> int:
        for price in range(5):
            at = AT + dt.timedelta(days=price)
            batch = [Fact(f"s-{name}", {"account": name, "mrr": price}, at) for name in reversed(NAMES)]
            record_subscriptions(batch, source=f"t{number}")
            record_accounts([Fact(name, {"country": str(price)}, at) for name in NAMES[::-1]], source=f"t{number}")
        return number

    def bill() -> int:
        for _ in range(5):
            roll_up_billing(moment())
        return -1

    assert at_once(partial(sell, 1), bill, partial(sell, 2), bill) == [1, -1, 2, -1]
    roll_up_billing(moment())
    assert Subscription.objects.count() == 40
    assert set(Account.objects.values_list("mrr", "country")) == {(4, "4")}


def test_what_is_priced_while_the_currency_changes_is_priced_in_the_new_one() -> None:
    """The change waits for whoever has read the old rates; it would miss a row that is not committed yet."""
    record_accounts([Fact("a", {}, AT)], source="t")
    ensure_base_rate()
    done = threading.Event()

    def change() -> None:
        change_currency("EUR", "0.5")
        done.set()
        connection.close()

    other = threading.Thread(target=change)
    with transaction.atomic():
        facts = [Fact("s", {"account": "a", "mrr": 100, "currency": "USD"}, AT)]
        assert record_subscriptions(facts, source="t").created
        other.start()
        assert not done.wait(0.5)
    other.join(20)
    sold = Subscription.objects.get()
    assert done.is_set() and (sold.currency, sold.mrr_base) == ("USD", 50)
