"""The write side for accounts, users and subscriptions: what a fact does to a row."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.facts import (
    Fact,
    Outcome,
    define_attribute,
    guess_kind,
    record_accounts,
    record_subscriptions,
    record_users,
    set_rate,
)
from accounts.models import Account, AttributeChange, EndUser, ExchangeRate, Subject, Subscription
from core.intake import BadValue

pytestmark = pytest.mark.django_db


def day(number: int) -> dt.datetime:
    return dt.datetime(2026, 3, number, tzinfo=dt.UTC)


def accounts(*facts: tuple[str, dict[str, Any], int], source: str = "crm") -> Outcome:
    return record_accounts([Fact(name, values, day(at)) for name, values, at in facts], source=source)


def reasons(outcome: Outcome) -> str:
    return " ".join(reject.reason for reject in outcome.rejected)


def test_the_same_batch_a_second_time_changes_nothing_and_writes_no_history() -> None:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    batch = ("a", {"name": "Ärger GmbH", "stage": "LIVE", "custom.nps": "7.5", "stated_mrr": "10"}, 1)
    first, before = accounts(batch), AttributeChange.objects.count()
    row = Account.objects.values().get()
    second = accounts(batch)
    assert (len(first.created), len(second.unchanged), second.touched) == (1, 1, set())
    assert AttributeChange.objects.count() == before == 4
    assert Account.objects.values().get() == row


def test_an_older_fact_never_overwrites_a_newer_one() -> None:
    accounts(("a", {"name": "New", "country": "NO"}, 5))
    late = accounts(("a", {"name": "Old", "industry": "Retail"}, 2))
    row = Account.objects.get()
    assert (row.name, row.country, row.industry) == ("New", "NO", "Retail")
    assert len(late.updated) == 1


def test_a_confirmation_of_the_same_value_moves_its_time() -> None:
    accounts(("a", {"country": "NO"}, 1))
    assert accounts(("a", {"country": "NO"}, 9)).unchanged
    accounts(("a", {"country": "SE"}, 5))
    assert Account.objects.get().country == "NO"


def test_folds_follow_what_was_written() -> None:
    accounts(("a", {"name": "Straße"}, 1))
    accounts(("a", {"name": "ÉCOLE "}, 2))
    row = Account.objects.get()
    assert (row.name, row.name_folded, row.folded["name"]) == ("ÉCOLE", "ecole\x1fécole", "école")


def test_none_clears_a_value_and_an_account_falls_back_to_its_id_for_a_name() -> None:
    accounts(("a", {"name": "Acorn", "stage": "live", "country": "NO"}, 1))
    cleared = {"name": None, "stage": None, "country": ""}
    accounts(("a", cleared, 2))
    row = Account.objects.get()
    assert (row.name, row.stage, row.country) == ("a", None, "")
    assert accounts(("a", cleared, 2)).touched == set()


def test_history_tells_every_step_with_its_time_and_source() -> None:
    accounts(("a", {"stage": "live"}, 9), ("a", {"stage": "trial"}, 1), source="crm")
    found = AttributeChange.objects.filter(key="stage").order_by("at").values_list("old", "new", "at", "source")
    assert list(found) == [(None, "trial", day(1), "crm"), ("trial", "live", day(9), "crm")]


def test_an_unknown_key_is_refused_with_the_allowed_ones_and_good_facts_go_in() -> None:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    outcome = accounts(("a", {"colour": "red"}, 1), ("b", {"custom.size": 3}, 1), ("c", {"name": "C"}, 1))
    assert [(reject.index, reject.key) for reject in outcome.rejected] == [(0, "colour"), (1, "custom.size")]
    assert "industry" in reasons(outcome) and "custom.nps" in reasons(outcome)
    assert list(Account.objects.values_list("external_id", flat=True)) == ["c"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stage": "gone"}, "Allowed: cancelled, live, onboarding, trial"),
        ({"name": "a\x00b"}, "NUL"),
        ({"name": "\ud83d"}, "lone surrogate"),
        ({"name": "x" * 10_000_000}, "10,000,000 characters long"),
        ({"stated_mrr": "NaN"}, "finite"),
        ({"stated_mrr": -1}, "between 0"),
        ({"stated_licences": 1.5}, "whole number"),
        ({"customer_since": "31.12.2026"}, "is not a date"),
        ({"parent": "nobody"}, "no account “nobody”"),
        ({"custom.nps": 0.1234567890123456}, "NUMBER_OK"),
        ({"custom.nps": "1234567890.123456"}, "more than 15 digits"),
        ({"custom.site": "javascript:alert(1)"}, "not a link"),
        ({"custom.size": "huge"}, "small, large"),
        ({"custom.deal": {"amount": 1, "colour": 2}}, "Money is"),
    ],
)
def test_a_bad_value_is_refused_with_its_reason(values: dict[str, Any], words: str) -> None:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    define_attribute(Subject.ACCOUNT, "site", kind="link")
    define_attribute(Subject.ACCOUNT, "deal", kind="money")
    define_attribute(Subject.ACCOUNT, "size", kind="choice", choices=["small", "large"])
    outcome = accounts(("a", values, 1))
    if words == "NUMBER_OK":  # six digits after the point are kept
        assert Account.objects.get().attributes == {"nps": 0.123457}
        return
    assert words in reasons(outcome)
    assert not Account.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "a\x00b", "a\u200bb", "x" * 256, True, None, 1.5])
def test_what_cannot_be_an_id_is_refused(name: Any) -> None:
    outcome = record_accounts([Fact(name, {}, day(1))], source="t")
    assert [reject.key for reject in outcome.rejected] == ["external_id"]
    assert not Account.objects.exists()


def test_every_kind_of_attribute_is_kept_in_its_json_form() -> None:
    given = {
        "text": (" Müller ", "Müller"),
        "number": ("12.50", 12.5),
        "money": ("120.5 eur", {"amount": 120.5, "currency": "EUR"}),
        "percent": (99999999999999999999, 99999999999999999999),
        "boolean": ("yes", True),
        "date": ("2026-02-28", "2026-02-28"),
        "datetime": ("2026-02-28T10:00:00+02:00", "2026-02-28T08:00:00Z"),
        "choice": ("LARGE", "Large"),
        "list": ("a; b;a;", ["a", "b"]),
        "link": ("https://example.com/x", "https://example.com/x"),
    }
    for kind in given:
        define_attribute(Subject.ACCOUNT, f"my_{kind}", kind=kind, choices=["Large"] if kind == "choice" else [])
    outcome = accounts(("a", {f"custom.my_{kind}": value for kind, (value, _) in given.items()}, 1))
    assert not outcome.rejected
    row = Account.objects.get()
    assert row.attributes == {f"my_{kind}": kept for kind, (_, kept) in given.items()}
    assert row.folded["custom.my_choice"] == "large" and row.folded["custom.my_list"] == ["a", "b"]


def test_a_parent_may_come_in_the_same_batch_and_a_circle_is_refused() -> None:
    outcome = accounts(("child", {"parent": "top"}, 1), ("top", {"name": "Top"}, 1))
    assert not outcome.rejected
    assert Account.objects.get(external_id="child").parent.name == "Top"
    circle = accounts(("top", {"parent": "child"}, 2))
    assert "circle" in reasons(circle)
    assert Account.objects.get(external_id="top").parent is None
    pair = accounts(("x", {"parent": "y"}, 1), ("y", {"parent": "x"}, 1))
    assert len(pair.rejected) == 1 and "circle" in reasons(pair)


def test_users_have_attributes_of_their_own() -> None:
    define_attribute(Subject.USER, "vip", kind="boolean")
    record_users([Fact("u", {"email": "A@B.example", "custom.vip": "no"}, day(1))], source="app")
    row = EndUser.objects.get()
    assert (row.email, row.folded["email"], row.attributes) == ("A@B.example", "a@b.example", {"vip": False})


def subscriptions(*facts: tuple[str, dict[str, Any], int], **options: Any) -> Outcome:
    made = [Fact(name, values, day(at)) for name, values, at in facts]
    return record_subscriptions(made, source="billing", **options)


def test_a_subscription_is_priced_in_the_workspaces_currency() -> None:
    accounts(("a", {}, 1))
    subscriptions(("s", {"account": "a", "mrr": "100", "currency": "eur"}, 1))
    assert Subscription.objects.get().mrr_base is None  # no rate yet: missing, not zero
    assert set_rate("EUR", "1.10") == 1
    assert Subscription.objects.get().mrr_base == Decimal("110.00")
    subscriptions(("s", {"mrr": "200"}, 2))
    assert Subscription.objects.get().mrr_base == Decimal("220.00")
    assert ExchangeRate.objects.get(pk="USD").rate == 1
    with pytest.raises(BadValue, match="own currency"):
        set_rate("USD", 2)


def test_a_subscription_of_an_unknown_account_is_refused_unless_it_may_be_made() -> None:
    assert "Load accounts first" in reasons(subscriptions(("s", {"account": "new"}, 1)))
    assert "must name its account" in reasons(subscriptions(("s", {"plan": "Pro"}, 1)))
    assert not subscriptions(("s", {"account": "new"}, 1), create_missing=True).rejected
    assert Subscription.objects.get().account.external_id == "new"


def test_an_end_before_the_start_is_refused_also_when_it_comes_in_two_facts() -> None:
    accounts(("a", {}, 1))
    bad = subscriptions(("s", {"account": "a", "starts_on": "2026-05-01", "ends_on": "2026-04-01"}, 1))
    assert "lies before" in reasons(bad) and not Subscription.objects.exists()
    subscriptions(("s", {"account": "a", "starts_on": "2026-05-01", "plan": "Pro"}, 1))
    outcome = subscriptions(("s", {"ends_on": "2026-04-01", "plan": "Basic"}, 2), ("s", {"quantity": 4}, 3))
    row = Subscription.objects.get()
    assert len(outcome.rejected) == 1
    assert (row.ends_on, row.plan, row.quantity) == (None, "Pro", 4)


def test_a_churn_before_the_start_is_refused_until_who_came_back_has_none() -> None:
    bad = accounts(("a", {"customer_since": "2026-05-01", "churned_on": "2026-04-01"}, 1))
    assert [reject.key for reject in bad.rejected] == ["churned_on"] and "before customer_since" in reasons(bad)
    accounts(("a", {"customer_since": "2020-05-01", "churned_on": "2024-04-01"}, 1))
    assert "before customer_since" in reasons(accounts(("a", {"customer_since": "2026-05-01"}, 2)))
    assert str(Account.objects.get().customer_since) == "2020-05-01"
    back = accounts(("a", {"customer_since": "2026-05-01", "churned_on": None}, 3))
    row = Account.objects.get()
    assert not back.rejected and (str(row.customer_since), row.churned_on) == ("2026-05-01", None)


def test_what_a_subscription_must_have_cannot_be_cleared() -> None:
    accounts(("a", {}, 1))
    subscriptions(("s", {"account": "a", "mrr": 5}, 1))
    outcome = subscriptions(("s", {"account": None, "mrr": "", "status": None}, 2))
    assert {reject.key for reject in outcome.rejected} == {"account", "mrr", "status"}


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (["1", "2.5", "-3"], "number"),
        (["007", "008"], "text"),
        (["yes", "No", ""], "boolean"),
        (["2026-01-01", "2026-02-03"], "date"),
        (["2026-01-01T10:00:00Z"], "datetime"),
        (["2026-13-45"], "text"),
        (["https://a.example"], "link"),
        (["red", "blue"] * 4, "choice"),
        ([str(n) + "x" for n in range(40)], "text"),
        (["", ""], "text"),
        (["1.23E+15"], "text"),
    ],
)
def test_the_kind_of_a_column_is_guessed_from_its_texts(samples: list[str], kind: str) -> None:
    assert guess_kind(samples)[0] == kind


def test_defining_an_attribute_again_adds_choices_but_never_changes_its_kind() -> None:
    define_attribute(Subject.ACCOUNT, "size", kind="choice", choices=["S"])
    assert define_attribute(Subject.ACCOUNT, "size", kind="choice", choices=["s", "M"]).choices == ["S", "M"]
    with pytest.raises(BadValue, match="exists already as choice"):
        define_attribute(Subject.ACCOUNT, "size", kind="number")
    with pytest.raises(BadValue, match="cannot be a key"):
        define_attribute(Subject.ACCOUNT, "1st", kind="number")
