"""MRR of a Stripe subscription, as Stripe defines it, in decimals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

Json = Mapping[str, Any]
COUNTS = ("active", "past_due")
# Amounts in these are whole units. UGX has no cents either, but the API keeps it in hundredths.
WHOLE = {
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
}  # fmt: skip
THOUSANDTHS = {"BHD", "JOD", "KWD", "OMR", "TND"}
PER_YEAR = {"day": Decimal(365), "week": Decimal(52), "month": Decimal(12), "year": Decimal(1)}
CENT = Decimal("0.01")
ZERO = Decimal(0)


def mrr_of(subscription: Json) -> Decimal:
    """A month's worth of a subscription in units of its currency, rounded to cents.

    Stripe's definition (docs.stripe.com/billing/subscriptions/analytics/glossary and
    support.stripe.com/questions/billing-analytics, both read in November 2026): the sum of the monthly normalised
    amounts of all subscriptions that are `active` or `past_due`, without trials, taxes and metered prices; a
    subscription leaves when it is cancelled or marked unpaid, not when it is set to cancel. Discounts of duration
    `forever` are subtracted; those that end (`once`, `repeating`) leave it as it is, which is what Stripe does unless
    one changes that in its settings.

    In: a subscription as the API gives it, with `items.data[].price` (and its `tiers`), `items.data[].discounts`,
    `discounts` and `customer.discount` expanded. Item discounts come first, then the subscription's in their order; the
    customer's counts where the subscription has none. An amount off is taken once per billing period.

    Stripe does not say how it normalises weeks and days. Here a year has 12 months, 52 weeks and 365 days.
    """
    if subscription.get("status") not in COUNTS:
        return ZERO.quantize(CENT)
    items = [item for item in _data(subscription.get("items")) if _is_licensed(item)]
    amounts = [(item, _discounted_item(item)) for item in items]
    total = sum((amount for _, amount in amounts), ZERO)
    own = list(subscription.get("discounts") or [])
    customer = subscription.get("customer")
    if not own and isinstance(customer, Mapping) and customer.get("discount"):
        own = [customer["discount"]]
    months = _months(items[0]["price"]) if items else Decimal(1)
    for coupon in _forever(own):
        reach = sum((amount for item, amount in amounts if _applies(coupon, item)), ZERO)
        less = _off(coupon, min(reach, total), months, str(subscription.get("currency") or ""))
        amounts = [(item, amount * (1 - less / reach) if reach and _applies(coupon, item) else amount)
                   for item, amount in amounts]  # fmt: skip
        total = max(ZERO, total - less)
    return in_units(total, str(subscription.get("currency") or "")).quantize(CENT, ROUND_HALF_UP)


def in_units(minor: Decimal, currency: str) -> Decimal:
    """An amount of Stripe's, in its smallest unit, in units of the currency."""
    code = currency.upper()
    return minor if code in WHOLE else minor / (1_000 if code in THOUSANDTHS else 100)


def monthly(item: Json) -> Decimal:
    """A month's worth of one item before discounts, in the smallest unit of its currency; 0 for a metered one."""
    return _amount(item["price"], _quantity(item)) / _months(item["price"]) if _is_licensed(item) else ZERO


def _is_licensed(item: Json) -> bool:
    recurring = (item.get("price") or {}).get("recurring") or {}
    return bool(recurring) and recurring.get("usage_type") != "metered"


def _quantity(item: Json) -> Decimal:
    given = item.get("quantity")
    return Decimal(1 if given is None else given)


def _months(price: Json) -> Decimal:
    """How many months one billing period of a price has."""
    recurring = price["recurring"]
    return Decimal(recurring.get("interval_count") or 1) * 12 / PER_YEAR[recurring["interval"]]


def _amount(price: Json, quantity: Decimal) -> Decimal:
    """What a billing period costs at this quantity."""
    if rule := price.get("transform_quantity"):
        towards = ROUND_CEILING if rule.get("round") == "up" else ROUND_FLOOR
        quantity = (quantity / Decimal(rule["divide_by"])).to_integral_value(towards)
    if price.get("billing_scheme") != "tiered":
        return _decimal(price, "unit_amount") * quantity
    return _tiered(price, quantity)


def _tiered(price: Json, quantity: Decimal) -> Decimal:
    total, below = ZERO, ZERO
    for tier in price.get("tiers") or []:
        top = None if tier.get("up_to") is None else Decimal(tier["up_to"])
        last = top is None or quantity <= top
        if price.get("tiers_mode") == "volume":
            if last:
                return _decimal(tier, "flat_amount") + _decimal(tier, "unit_amount") * quantity
            continue
        if quantity > below or not below:
            within = (quantity if last else top) - below  # type: ignore[operator]
            total += _decimal(tier, "flat_amount") + _decimal(tier, "unit_amount") * within
        if last:
            break
        below = top  # type: ignore[assignment]
    return total


def _decimal(of: Json, name: str) -> Decimal:
    """`unit_amount_decimal` where it is, because `unit_amount` is null for fractions of a cent."""
    given = of.get(f"{name}_decimal")
    return Decimal(str(given if given is not None else of.get(name) or 0))


def _discounted_item(item: Json) -> Decimal:
    amount = monthly(item)
    for coupon in _forever(item.get("discounts") or []):
        currency = str(item["price"].get("currency") or "")
        amount -= _off(coupon, amount, _months(item["price"]), currency)
    return amount


def _forever(discounts: Iterable[Any]) -> list[Json]:
    """The coupons of the discounts that never end; before 2025-09-30 they stand in `coupon`, later in `source`."""
    found = []
    for discount in discounts:
        if isinstance(discount, Mapping):
            coupon = discount.get("coupon") or (discount.get("source") or {}).get("coupon")
            if isinstance(coupon, Mapping) and coupon.get("duration") == "forever":
                found.append(coupon)
    return found


def _applies(coupon: Json, item: Json) -> bool:
    products = (coupon.get("applies_to") or {}).get("products")
    product = item["price"].get("product")
    return products is None or (product.get("id") if isinstance(product, Mapping) else product) in products


def _off(coupon: Json, amount: Decimal, months: Decimal, currency: str) -> Decimal:
    """How much a coupon takes off a month's amount; never more than there is."""
    if coupon.get("percent_off") is not None:
        return amount * Decimal(str(coupon["percent_off"])) / 100
    given = coupon.get("amount_off") if str(coupon.get("currency") or "").lower() == currency.lower() else None
    if given is None:
        given = ((coupon.get("currency_options") or {}).get(currency.lower()) or {}).get("amount_off")
    return min(amount, Decimal(str(given or 0)) / months)


def _data(found: Any) -> list[Json]:
    return list(found.get("data") or []) if isinstance(found, Mapping) else []
