"""RavenStack: what the database and segments say is what the CSV files say.

The answers are computed from the files with the csv module alone; nothing of the application takes part in them.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account, MrrDay, Subscription
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.editing import save_config
from health.stock import DEFAULT, ONBOARDING, STRATEGIC
from tests import factories
from tests.integrations.explained import explanations_end_as_membership_does, take_every_segment
from tests.integrations.judged import agree
from tests.integrations.loaded import ask, condition, fingerprint, loaded, refigure
from tests.integrations.reading import data_set, run
from usage.models import AccountUsage, DailyUsage, Event

FOLDER = data_set("ravenstack")
TODAY = dt.date(2024, 12, 31)
NOW = dt.datetime(2024, 12, 31, 18, tzinfo=dt.UTC)

pytestmark = pytest.mark.django_db  # by which pytest-django knows that a test database is needed


@pytest.fixture(scope="module", autouse=True)
def ravenstack(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), loaded("ravenstack", NOW):
        yield


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"ravenstack_{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def day(text: str) -> dt.date:
    return dt.datetime.strptime(text[:10], "%d-%m-%Y").date()


def is_running(row: dict[str, str]) -> bool:
    """A paid subscription on the last day of the data."""
    paid = row["is_trial"] == row["churn_flag"] == "FALSE"
    return paid and day(row["start_date"]) <= TODAY and (not row["end_date"] or day(row["end_date"]) >= TODAY)


def home_of_subscriptions() -> dict[str, str]:
    return {row["subscription_id"]: row["account_id"] for row in rows("subscriptions")}


def usage_by_account() -> dict[str, list[dict[str, str]]]:
    homes, found = home_of_subscriptions(), defaultdict(list)
    for row in rows("feature_usage"):
        found[homes[row["subscription_id"]]].append(row)
    return found


def test_every_row_is_there() -> None:
    assert Account.objects.count() == len(rows("accounts")) == 500
    assert Subscription.objects.count() == len(rows("subscriptions")) == 5_000
    counts = Counter(Event.objects.values_list("name__name", flat=True))
    expected = Counter(row["feature_name"] for row in rows("feature_usage"))
    assert sum(expected.values()) == 25_000
    expected += Counter({"Ticket Opened": len(rows("supports_ticket")), "Ticket Closed": len(rows("supports_ticket"))})
    expected += Counter({"Subscription Churned": len(rows("churn_events"))})
    assert counts == expected


def test_a_second_load_changes_nothing_at_all() -> None:
    before = fingerprint()
    said = run("load_dataset", "ravenstack", FOLDER)
    assert " 0 created, 0 updated, 500 unchanged" in said and " 0 stored, 25,000 known already" in said
    changed = {table for table, text in fingerprint().items() if before[table] != text}
    # The command rolls billing and usage up to today; nothing else may differ.
    assert changed <= {"accounts_account", "usage_accountusage"}
    refigure(NOW)
    after = fingerprint()
    # Billing writes an account's `updated_at` when it moves its figures to another day and back.
    assert {table for table in before if before[table] != after[table]} <= {"accounts_account"}


def test_industry_and_country() -> None:
    expected = {r["account_id"] for r in rows("accounts") if r["industry"] == "FinTech" and r["country"] == "US"}
    assert len(expected) > 10
    found = ask(NOW, condition("account.industry", "is", "fintech"), condition("account.country", "any_of", ["us"]))
    assert found == expected


def test_accounts_with_a_running_enterprise_subscription() -> None:
    expected = {r["account_id"] for r in rows("subscriptions") if r["plan_tier"] == "Enterprise" and is_running(r)}
    where = {
        "match": "all",
        "rules": [
            condition("subscription.plan", "is", "Enterprise"),
            condition("subscription.status_type", "is", "active"),
            condition("subscription.starts_on", "on_or_before", TODAY.isoformat()),
            {"match": "none", "rules": [condition("subscription.ends_on", "before", TODAY.isoformat())]},
        ],
    }
    assert ask(NOW, {"subscriptions": "any", "where": where}) == expected
    everybody = {r["account_id"] for r in rows("accounts")}
    assert ask(NOW, {"subscriptions": "none", "where": where}) == everybody - expected


def test_accounts_all_of_whose_subscriptions_renew_by_themselves() -> None:
    of_account = defaultdict(list)
    for row in rows("subscriptions"):
        of_account[row["account_id"]].append(row["auto_renew_flag"] == "TRUE")
    expected = {account for account, flags in of_account.items() if all(flags)}
    where = {"match": "all", "rules": [condition("subscription.auto_renew", "is_true")]}
    assert ask(NOW, {"subscriptions": "all", "where": where}) == expected


def test_mrr_and_licences_of_every_account() -> None:
    mrr: Counter[str] = Counter()
    seats: Counter[str] = Counter()
    for row in rows("subscriptions"):
        if is_running(row):
            mrr[row["account_id"]] += int(row["mrr_amount"])
            seats[row["account_id"]] += int(row["seats"])
    having = {row["account_id"] for row in rows("subscriptions")}
    found = {
        name: (amount, count) for name, amount, count in Account.objects.values_list("external_id", "mrr", "licences")
    }
    stated = {r["account_id"]: int(r["seats"]) for r in rows("accounts")}
    assert found == {
        name: (Decimal(mrr[name]), seats[name]) if name in having else (None, stated[name]) for name in stated
    }
    assert sum(amount or 0 for amount, _ in found.values()) == sum(mrr.values()) > 1_000_000
    assert ask(NOW, condition("account.mrr", "at_least", 20_000)) == {name for name in mrr if mrr[name] >= 20_000}
    assert ask(NOW, condition("account.mrr", "between", [5_000, 9_999.99])) == {
        name for name in mrr if 5_000 <= mrr[name] <= Decimal("9999.99")
    }


def test_trials_begun_in_the_last_thirty_days() -> None:
    first = TODAY - dt.timedelta(days=30)
    expected = {
        row["account_id"]
        for row in rows("subscriptions")
        if row["is_trial"] == "TRUE" and first <= day(row["start_date"]) <= TODAY
    }
    where = {
        "match": "all",
        "rules": [condition("subscription.trial_starts_on", "within_last", {"n": 30, "unit": "day"})],
    }
    assert ask(NOW, {"subscriptions": "any", "where": where}) == expected != set()


def test_stages_follow_the_flags_and_churn_dates_the_newest_event() -> None:
    churned = {r["account_id"] for r in rows("accounts") if r["churn_flag"] == "TRUE"}
    trying = {r["account_id"] for r in rows("accounts") if r["is_trial"] == "TRUE"} - churned
    assert len(churned) == 110
    assert ask(NOW, condition("account.stage_type", "is", "cancelled")) == churned
    assert ask(NOW, condition("account.stage", "is", "trial")) == trying
    dates: dict[str, dt.date] = {}
    for row in rows("churn_events"):
        if row["account_id"] in churned:
            dates[row["account_id"]] = max(day(row["churn_date"]), dates.get(row["account_id"], dt.date.min))
    assert dict(Account.objects.exclude(churned_on=None).values_list("external_id", "churned_on")) == dates
    quarter = {name for name, date in dates.items() if date >= dt.date(2024, 10, 1)}
    assert ask(NOW, condition("account.churned_on", "this_quarter")) == quarter


def test_custom_attributes() -> None:
    partners = {r["account_id"] for r in rows("accounts") if r["referral_source"] == "partner"}
    assert ask(NOW, condition("account.custom.referral_source", "is", "partner")) == partners
    upgraded = {r["account_id"] for r in rows("subscriptions") if r["upgrade_flag"] == "TRUE"}
    where = {"match": "all", "rules": [condition("subscription.custom.upgraded", "is_true")]}
    assert ask(NOW, {"subscriptions": "any", "where": where}) == upgraded


def test_daily_usage_of_a_feature() -> None:
    expected: Counter[tuple[str, dt.date]] = Counter()
    for account, used in usage_by_account().items():
        for row in used:
            if row["feature_name"] == "feature_7":
                expected[account, day(row["usage_date"])] += 1
    found = DailyUsage.objects.filter(name__name="feature_7").values_list("account__external_id", "day", "count")
    assert {row[:2]: row[2] for row in found} == expected


def test_counts_and_seconds_are_kept_with_each_event() -> None:
    used = rows("feature_usage")
    kept = [
        (row["count"], row["duration_secs"], row["errors"], row["beta"], row["subscription_id"])
        for row in Event.objects.filter(name__name__startswith="feature_").values_list("properties", flat=True)
    ]
    expected = [
        (int(r["usage_count"]), int(r["usage_duration_secs"]), int(r["error_count"]), r["is_beta_feature"] == "TRUE",
         r["subscription_id"])
        for r in used
    ]  # fmt: skip
    assert sorted(kept) == sorted(expected)


def days_of_events() -> dict[str, list[dt.date]]:
    """The days of everything that happened, by account."""
    found = defaultdict(list)
    for account, used in usage_by_account().items():
        found[account] += [day(row["usage_date"]) for row in used]
    for row in rows("supports_ticket"):
        found[row["account_id"]] += [day(row["submitted_at"]), day(row["closed_at"])]
    for row in rows("churn_events"):
        found[row["account_id"]].append(day(row["churn_date"]))
    return found


def test_events_and_active_days_of_thirty_days_and_last_seen() -> None:
    first = TODAY - dt.timedelta(days=29)
    expected, days_of = {}, days_of_events()
    for row in rows("accounts"):
        days = days_of[row["account_id"]]
        recent = [d for d in days if first <= d <= TODAY]
        expected[row["account_id"]] = (len(recent), len(set(recent)), max(days) if days else None)
    found = AccountUsage.objects.values_list("account__external_id", "events_30d", "active_days_30d", "last_seen_at")
    assert {name: (n, active, seen.date() if seen else None) for name, n, active, seen in found} == expected
    silent = {name for name, (*_, seen) in expected.items() if seen and seen < TODAY - dt.timedelta(days=14)}
    assert ask(NOW, condition("account.last_seen_at", "more_than_ago", {"n": 14, "unit": "day"})) == silent
    busy = {name for name, (n, *_) in expected.items() if n >= 8}
    assert ask(NOW, condition("account.events_30d", "at_least", 8)) == busy != set()


def test_every_explanation_ends_as_membership_does() -> None:
    take_every_segment()
    explanations_end_as_membership_does(NOW)


@pytest.mark.once
def test_every_stored_score_is_that_of_plain_python() -> None:
    at = dt.datetime(2024, 12, 20, 18, tzinfo=dt.UTC)
    refigure(at)
    starter = factories.segment("Basic", {"field": "account.plan", "op": "is", "value": "Basic"})
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 3_000})
    save_config(None, name="Large", segment=large, definition=STRATEGIC)
    save_config(None, name="Basic", segment=starter, definition=ONBOARDING)
    save_config(None, name="", definition=DEFAULT)
    MrrDay.objects.all().delete()  # the refresh after loading, which was years later, has met everybody
    refresh_everything(now=moment(at))
    assert len(agree(at)) >= 2
