"""How the MRR changed as a measure of health: today, and on past days as far as it is known."""

from __future__ import annotations

import datetime as dt

import pytest

from accounts.billing import roll_up_billing
from accounts.facts import Fact, record_accounts, record_subscriptions
from accounts.models import Account, AttributeChange, MrrDay
from accounts.mrr_history import keep_mrr
from core.clock import moment
from health.backtest.running import start_back_test, work
from health.editing import save_config
from health.models import AccountHealth
from health.refresh import refresh_health
from tests.health.test_back_test import bands_of
from tests.health.test_scores import by_number, only

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
CHANGE = only(by_number("worth", "account.mrr_change_30d", 0, -20))


def a_shrinking_contract() -> Account:
    """100 a month since 200 days ago, 60 since 50 days ago; told when it happened."""
    now = moment().now
    record_accounts([Fact("acme", {"name": "Acme"}, now - DAY * 200)], source="crm")
    start = {"account": "acme", "status": "active", "mrr": 100, "currency": "USD",
             "starts_on": (now - DAY * 200).date()}  # fmt: skip
    record_subscriptions([Fact("s1", start, now - DAY * 200)], source="crm")
    record_subscriptions([Fact("s1", {"mrr": 60}, now - DAY * 50)], source="crm")
    AttributeChange.objects.filter(source="crm").update(recorded_at=now - DAY * 200)
    return Account.objects.get()


def test_it_scores_the_present_and_leaves_what_is_not_known_out() -> None:
    account, today = a_shrinking_contract(), moment().today
    roll_up_billing(moment())
    save_config(None, name="", definition=CHANGE)
    refresh_health()
    assert AccountHealth.objects.get(account=account).band == "none", "nothing is kept of 30 days ago"
    MrrDay.objects.create(account=account, day=today - DAY * 31, mrr=75)
    refresh_health()
    found = AccountHealth.objects.get(account=account)
    assert (found.score, found.values) == (0, [-20])


def test_a_back_test_reads_it_as_it_was_on_each_day_and_says_what_was_made_afterwards() -> None:
    account, now = a_shrinking_contract(), moment()
    roll_up_billing(now)
    keep_mrr(now)
    test = start_back_test(
        save_config(None, name="", definition=CHANGE), first_day=now.today - DAY * 60, last_day=now.today - DAY
    )
    days = [now.today - DAY * back for back in (60, 51, 49, 40, 21, 19, 1)]
    assert [found[account.pk] for found in bands_of(test, days)] == [
        "good", "good", "poor", "poor", "poor", "good", "good",
    ]  # fmt: skip
    work(test.pk)
    test.refresh_from_db()
    gap = next(gap for gap in test.report["gaps"] if gap["what"] == "MRR of earlier days")
    assert gap["accounts"] == 1 and "not kept then" in gap["note"]
    assert gap["until"] == (now.today - DAY * 50).isoformat()
