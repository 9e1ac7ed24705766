"""MRR of subscriptions, each against an amount that was worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.connections.mrr import mrr_of
from tests.connections.stripe_side import customer, discount, item, price, subscription

GRADUATED = [
    {"up_to": 10, "unit_amount": 1_000, "flat_amount": None},
    {"up_to": 50, "unit_amount": 800, "flat_amount": 500},
    {"up_to": None, "unit_amount": 500, "flat_amount": None},
]


def tiered(mode: str) -> dict[str, Any]:
    """10 at 10 dollars, to 50 at 8 and 5 once, beyond at 5."""
    return price(amount=None, billing_scheme="tiered", tiers_mode=mode, tiers=GRADUATED)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "50 a month": ("50.00", subscription("s", "c")),
    "7 seats at 12": ("84.00", subscription("s", "c", item(price(amount=1_200), 7))),
    "1,200 a year": ("100.00", subscription("s", "c", item(price(amount=120_000, interval="year")))),
    "90 a quarter": ("30.00", subscription("s", "c", item(price(amount=9_000, count=3)))),
    "2,400 for two years": ("100.00", subscription("s", "c", item(price(amount=240_000, interval="year", count=2)))),
    "12 a week is 52 times 12 a year": ("52.00", subscription("s", "c", item(price(amount=1_200, interval="week")))),
    "1 a day is 365 a year": ("30.42", subscription("s", "c", item(price(amount=100, interval="day")))),
    "two items": ("150.00", subscription("s", "c", item(price()), item(price("p2", 120_000, "year")))),
    "a tenth of a cent": ("0.30", subscription("s", "c", item(price(amount=None, unit_amount_decimal="0.1"), 300))),
    "no seats": ("0.00", subscription("s", "c", item(price(), 0))),
    "metered beside licensed": (
        "50.00",
        subscription("s", "c", item(price()), item(price("m", 99_999, usage="metered"), None)),
    ),
    "only metered": ("0.00", subscription("s", "c", item(price("m", 99_999, usage="metered"), None))),
    "past due": ("50.00", subscription("s", "c", status="past_due")),
    "set to cancel": ("50.00", subscription("s", "c", cancel_at_period_end=True)),
    "collection paused": ("50.00", subscription("s", "c", pause_collection={"behavior": "void"})),
    "10 percent off for ever": ("45.00", subscription("s", "c", discounts=[discount(percent_off=10)])),
    "once": ("50.00", subscription("s", "c", discounts=[discount("once", percent_off=50)])),
    "repeating": ("50.00", subscription("s", "c", discounts=[discount("repeating", percent_off=50)])),
    "12.5 percent": ("43.75", subscription("s", "c", discounts=[discount(percent_off=12.5)])),
    "two, one after the other": (
        "36.00",
        subscription("s", "c", discounts=[discount(percent_off=20), discount(percent_off=10)]),
    ),
    "20 off": ("30.00", subscription("s", "c", discounts=[discount(amount_off=2_000, currency="usd")])),
    "more off than there is": ("0.00", subscription("s", "c", discounts=[discount(amount_off=9_000, currency="usd")])),
    "another currency's": ("50.00", subscription("s", "c", discounts=[discount(amount_off=2_000, currency="eur")])),
    "120 off a year of 1,200": (
        "90.00",
        subscription(
            "s", "c", item(price(amount=120_000, interval="year")),
            discounts=[discount(amount_off=12_000, currency="usd")],
        ),
    ),
    "an item's own": ("75.00", subscription("s", "c", item(price(), 1, [discount(percent_off=50)]), item(price("p2")))),
    "an item's, then all of it": (
        "67.50",
        subscription(
            "s", "c", item(price(), 1, [discount(percent_off=50)]), item(price("p2")),
            discounts=[discount(percent_off=10)],
        ),
    ),
    "one product only": (
        "95.00",
        subscription(
            "s", "c", item(price()), item(price("p2", product="prod_2")),
            discounts=[discount(percent_off=10, applies_to={"products": ["prod_2"]})],
        ),
    ),
    "the customer's": (
        "25.00", subscription("s", "c") | {"customer": customer("c", discount=discount(percent_off=50))},
    ),
    "its own before the customer's": (
        "45.00",
        subscription("s", "c", discounts=[discount(percent_off=10)])
        | {"customer": customer("c", discount=discount(percent_off=50))},
    ),
    "the later form of a discount": (
        "45.00",
        subscription(
            "s", "c",
            discounts=[{"source": {"type": "coupon", "coupon": {"duration": "forever", "percent_off": 10}}}],
        ),
    ),
    # 10 × 10 + 5 + 15 × 8
    "25 graduated": ("225.00", subscription("s", "c", item(tiered("graduated"), 25))),
    # 10 × 10 + 5 + 40 × 8 + 10 × 5
    "60 graduated": ("475.00", subscription("s", "c", item(tiered("graduated"), 60))),
    "10 graduated": ("100.00", subscription("s", "c", item(tiered("graduated"), 10))),
    # 5 + 25 × 8
    "25 by volume": ("205.00", subscription("s", "c", item(tiered("volume"), 25))),
    "60 by volume": ("300.00", subscription("s", "c", item(tiered("volume"), 60))),
    "23 in packs of 10, up": (
        "150.00",
        subscription("s", "c", item(price(transform_quantity={"divide_by": 10, "round": "up"}), 23)),
    ),
    "23 in packs of 10, down": (
        "100.00",
        subscription("s", "c", item(price(transform_quantity={"divide_by": 10, "round": "down"}), 23)),
    ),
    "5,000 yen": ("5000.00", subscription("s", "c", item(price(currency="jpy")), currency="jpy")),
    "5 dinars": ("5.00", subscription("s", "c", item(price(currency="bhd")), currency="bhd")),
    "50 shillings": ("50.00", subscription("s", "c", item(price(currency="ugx")), currency="ugx")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_one_works_out_by_hand(name: str) -> None:
    wanted, given = CASES[name]
    assert mrr_of(given) == Decimal(wanted)


def test_stripes_own_example() -> None:
    """100 subscribers of 100 dollars a month and 50 of 600 a year are 12,500 a month (glossary of billing metrics)."""
    monthly = subscription("s", "c", item(price(amount=10_000)))
    yearly = subscription("s", "c", item(price(amount=60_000, interval="year")))
    others = [
        subscription("s", "c", item(price(amount=0))),
        subscription("s", "c", status="trialing"),
        subscription("s", "c", item(price("m", usage="metered"), None)),
    ]
    assert sum(map(mrr_of, [monthly] * 100 + [yearly] * 50 + others)) == Decimal(12_500)


@pytest.mark.parametrize("status", ["trialing", "canceled", "unpaid", "incomplete", "incomplete_expired", "paused"])
def test_only_active_and_past_due_ones_count(status: str) -> None:
    assert mrr_of(subscription("s", "c", status=status)) == 0
