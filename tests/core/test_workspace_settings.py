"""A new currency converts every amount, or is refused; a new time zone counts every day anew."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.facts import Fact, record_accounts, record_subscriptions, set_rate
from accounts.models import Account, AttributeChange, ExchangeRate, Subscription
from core.clock import moment
from core.models import Workspace
from csbox.evaluating import evaluate_waiting
from csbox.pipeline import refresh_everything
from segments.models import Segment
from tests import factories
from usage.models import ActiveMonth, DailyUsage, DirtyDay, FirstUse
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

FORM = "/admin/core/workspace/1/change/"
NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def amounts() -> dict[str, tuple[str, str]]:
    """Of each account: its MRR, and what was stated for it."""
    rows = Account.objects.values_list("external_id", "mrr", "stated_mrr")
    return {name: (str(mrr), str(stated)) for name, mrr, stated in rows}


def form(**values: Any) -> dict[str, Any]:
    """The settings as they are, with what is changed."""
    row = Workspace.get()
    names = ("name", "currency", "time_zone", "work_days", "csm_reach")
    return {name: getattr(row, name) for name in names} | {"refresh_at": "00:10:00", "rate": ""} | values


@pytest.fixture
def back_office(db: None) -> Client:
    """An administrator's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=None))
    return client


@pytest.fixture
def sold(db: None) -> Segment:
    """An account that pays in three currencies, one of them without a rate, and one whose MRR was stated."""
    facts = [Fact("a", {}, NOW), Fact("b", {"stated_mrr": 200}, NOW)]
    record_accounts(facts, source="crm")
    set_rate("GBP", "1.25")
    sales = {"USD": 100, "GBP": 80, "XAU": 7}
    subscriptions = [
        Fact(f"s-{code}", {"account": "a", "mrr": mrr, "currency": code}, NOW) for code, mrr in sales.items()
    ]
    assert not record_subscriptions(subscriptions, source="crm").rejected
    refresh_everything()
    assert amounts() == {"a": ("200.00", "None"), "b": ("200.00", "200.00")}
    return factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 190})


def converted() -> None:
    """1 USD became 0.92 EUR: 100 USD are 92 EUR, 80 GBP were 100 USD, what had no rate has none."""
    assert Workspace.get().currency == "EUR"
    rates = {"EUR": Decimal(1), "USD": Decimal("0.92"), "GBP": Decimal("1.15")}
    assert dict(ExchangeRate.objects.values_list("currency", "rate")) == rates
    priced = {"s-USD": Decimal(92), "s-GBP": Decimal(92), "s-XAU": None}
    assert dict(Subscription.objects.values_list("external_id", "mrr_base")) == priced
    assert dict(Subscription.objects.values_list("external_id", "mrr"))["s-USD"] == 100
    assert amounts() == {"a": ("184.00", "None"), "b": ("184.00", "184.00")}


def test_the_command_converts_everything_in_one_go(sold: Segment, capsys: pytest.CaptureFixture[str]) -> None:
    assert sold.member_count == 2
    for wrong, words in ((("€",), "not a currency code"), (("EUR",), "what 1 USD is worth in EUR")):
        with pytest.raises(CommandError, match=words):
            call_command("change_currency", *wrong)
    with pytest.raises(CommandError, match="A rate is at least"):
        call_command("change_currency", "EUR", "--rate", "0")
    assert Workspace.get().currency == "USD" and amounts()["a"] == ("200.00", "None")
    call_command("change_currency", "eur", "--rate", "0.92")
    converted()
    sold.refresh_from_db()
    assert (sold.member_count, sold.contract_value) == (0, 0)  # 184 is less than 190
    said = capsys.readouterr().out
    assert "The currency is EUR; 2 subscriptions have a new value" in said and "segment “Large”" in said
    record_subscriptions([Fact("s-new", {"account": "a", "mrr": 10, "currency": "USD"}, NOW)], source="crm")
    assert Subscription.objects.get(external_id="s-new").mrr_base == Decimal("9.20")


def test_the_back_office_asks_for_the_rate_and_converts(sold: Segment, back_office: Client) -> None:
    for values, words in (
        ({"currency": "€"}, "not a currency code"), ({"currency": "EUR"}, "what 1 USD is worth in EUR"),
        ({"currency": "EUR", "rate": "-1"}, "A rate is at least"), ({"time_zone": "Mars/Base"}, "not a time zone"),
    ):  # fmt: skip
        assert words in back_office.post(FORM, form(**values)).content.decode()
    assert Workspace.get().currency == "USD"
    done = back_office.post(FORM, form(currency="eur", rate="0.92", name="Acme"), follow=True)
    assert "2 subscriptions have a new value in EUR" in done.content.decode() and Workspace.get().name == "Acme"
    converted()
    evaluate_waiting()
    sold.refresh_from_db()
    assert sold.member_count == 0


def test_a_known_rate_is_enough_and_the_way_back_restores_every_amount(sold: Segment) -> None:
    call_command("change_currency", "GBP")
    assert amounts() == {"a": ("160.00", "None"), "b": ("160.00", "160.00")}
    call_command("change_currency", "USD")
    assert amounts() == {"a": ("200.00", "None"), "b": ("200.00", "200.00")}
    told = AttributeChange.objects.filter(key="stated_mrr").order_by("id").values_list("new", "source")
    assert list(told) == [("200.00", "crm"), ("160.00", "USD to GBP"), ("200.00", "GBP to USD")]
    late = NOW + dt.timedelta(hours=1)  # sent before the change, in the currency of then
    record_accounts([Fact("b", {"stated_mrr": 999}, late)], source="crm")
    assert Account.objects.get(external_id="b").stated_mrr == 200


def test_without_amounts_any_currency_is_taken_and_old_rates_are_forgotten(back_office: Client) -> None:
    set_rate("GBP", "1.25")
    assert back_office.post(FORM, form(currency="NOK")).status_code == 302
    assert Workspace.get().currency == "NOK"
    assert dict(ExchangeRate.objects.values_list("currency", "rate")) == {"NOK": Decimal(1)}


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_a_new_time_zone_counts_every_day_anew_in_the_background(back_office: Client, zone: str) -> None:
    factories.account(external_id="a")
    times = [moment().now - dt.timedelta(hours=hours) for hours in range(0, 24 * 40, 7)]
    events = [EventFact(str(n), "Login", at, account="a") for n, at in enumerate(times)]
    PostgresStore().append(events[:100], source="t")
    roll_up()
    PostgresStore().append(events[100:], source="t")  # these are not counted yet
    assert len(counted()) > 10 and counted() != by_day(times, zone)
    page = back_office.post(FORM, form(time_zone=zone), follow=True).content.decode()
    assert "days of usage are counted anew in the background" in page and DirtyDay.objects.exists()
    evaluate_waiting()
    assert counted() == by_day(times, zone) and not DirtyDay.objects.exists()
    assert FirstUse.objects.get().day == min(by_day(times, zone))
    months = Counter(day.replace(day=1) for day in by_day(times, zone))
    assert {row.month: row.days.bit_count() for row in ActiveMonth.objects.all()} == months


def counted() -> dict[dt.date, int]:
    """The daily usage that is stored."""
    return dict(DailyUsage.objects.values_list("day", "count"))


def by_day(times: list[dt.datetime], zone: str) -> dict[dt.date, int]:
    """What it has to be."""
    return dict(Counter(at.astimezone(ZoneInfo(zone)).date() for at in times))
