"""What the roll-up makes of an account's subscriptions, by the policy written in `accounts.billing`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.billing import roll_up_billing
from accounts.models import Account
from core.clock import Moment, moment
from core.models import Workspace
from tests import factories

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 6, 15)


@pytest.fixture
def present() -> Moment:
    return moment(dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC))


def on(days: int) -> dt.date:
    return TODAY + dt.timedelta(days=days)


def sell(account: Account, mrr: int, **values: Any) -> None:
    factories.subscription(account, mrr=mrr, mrr_base=mrr, **values)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({}, True),
        ({"starts_on": on(0)}, True),
        ({"starts_on": on(1)}, False),
        ({"ends_on": on(0)}, True),
        ({"ends_on": on(-1)}, False),
        ({"status_id": "trial"}, False),
        ({"status_id": "future"}, False),
        ({"status_id": "suspended"}, False),
        ({"status_id": "cancelled"}, False),
    ],
)
def test_a_subscription_counts_while_it_is_active_started_and_not_over(
    values: dict[str, Any], counts: bool, present: Moment
) -> None:
    account = factories.account()
    sell(account, 100, quantity=7, plan="Pro", renews_on=on(30), **values)
    roll_up_billing(present)
    account.refresh_from_db()
    if counts:
        assert (account.mrr, account.licences, account.plan, account.renews_on) == (100, 7, "Pro", on(30))
    else:
        assert (account.mrr, account.licences, account.plan, account.renews_on) == (0, 0, "", None)


def test_an_account_without_subscriptions_shows_what_was_stated(present: Moment) -> None:
    stated = factories.account(stated_mrr=Decimal("55.50"), stated_licences=9)
    ended = factories.account(stated_mrr=99)
    unknown = factories.account()
    sell(ended, 10, ends_on=on(-100))
    roll_up_billing(present)
    found = {row.pk: (row.mrr, row.licences) for row in Account.objects.all()}
    assert found == {stated.pk: (Decimal("55.50"), 9), ended.pk: (0, 0), unknown.pk: (None, None)}


def test_sums_largest_plan_and_soonest_renewal(present: Moment) -> None:
    account = factories.account()
    sell(account, 100, plan="Basic", quantity=3, renews_on=on(5))
    sell(account, 300, plan="Größe XL", quantity=4, renews_on=on(90))
    sell(account, 10, plan="", renews_on=on(-3))
    factories.subscription(account, mrr=10_000, mrr_base=None, plan="In a currency without a rate", currency="XAU")
    roll_up_billing(present)
    account.refresh_from_db()
    assert (account.mrr, account.licences, account.plan, account.renews_on) == (410, 7, "Größe XL", on(5))
    assert account.folded["plan"] == "grösse xl"


def test_the_newest_trial_is_kept(present: Moment) -> None:
    account = factories.account()
    sell(account, 0, status_id="cancelled", trial_starts_on=on(-400), trial_ends_on=on(-386))
    sell(account, 0, status_id="trial", trial_starts_on=on(-3), trial_ends_on=on(11))
    roll_up_billing(present)
    account.refresh_from_db()
    assert (account.trial_starts_on, account.trial_ends_on) == (on(-3), on(11))


def test_only_accounts_that_change_are_written_and_only_those_asked_for(present: Moment) -> None:
    first, second = factories.account(), factories.account()
    sell(first, 1)
    sell(second, 2)
    assert roll_up_billing(present, [first.pk]) == {first.pk}
    assert roll_up_billing(present) == {second.pk}
    assert roll_up_billing(present) == set()
    assert roll_up_billing(present, []) == set()


def test_the_number_of_statements_does_not_grow_with_the_accounts(present: Moment) -> None:
    for number in range(30):
        sell(factories.account(), number, plan=f"Plan {number}")
    with CaptureQueriesContext(connection) as queries:
        roll_up_billing(present)
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 3


def test_the_day_is_the_workspaces(present: Moment) -> None:
    workspace = Workspace.get()
    workspace.time_zone = "Pacific/Auckland"
    workspace.save()
    account = factories.account()
    sell(account, 5, starts_on=on(1))
    roll_up_billing(moment(present.now))  # in Auckland it is the 16th already
    account.refresh_from_db()
    assert account.mrr == 5
