"""Money of subscriptions in the workspace's currency."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import DecimalField, F
from django.db.models.functions import Round

from accounts.models import ExchangeRate, Subscription
from accounts.touching import touch
from core.intake import BadValue, clean_currency, clean_number
from core.models import Workspace

CENT = Decimal("0.01")
# Without a rate there is no value, which is missing, not zero.
_REPRICE = """
UPDATE accounts_subscription AS s SET mrr_base = p.priced
FROM (SELECT sold.id, round(sold.mrr * rate.rate, 2) AS priced
      FROM accounts_subscription AS sold LEFT JOIN accounts_exchangerate AS rate USING (currency)) AS p
WHERE p.id = s.id AND s.mrr_base IS DISTINCT FROM p.priced
"""
_MONEY = DecimalField(max_digits=20, decimal_places=2)


def ensure_base_rate() -> str:
    """The workspace's currency, which is worth exactly 1 of itself."""
    currency = Workspace.get().currency
    rate, made = ExchangeRate.objects.get_or_create(currency=currency, defaults={"rate": 1})
    if not made and rate.rate != 1:
        ExchangeRate.objects.filter(pk=currency).update(rate=1)
    return currency


def set_rate(currency: str, rate: Any) -> int:
    """Say what one unit of a currency is worth, and price its subscriptions anew; returns how many it changed."""
    code, worth = clean_currency(currency), clean_number(rate)
    if worth <= 0:
        raise BadValue("A rate is greater than 0.")
    with transaction.atomic():
        if code == ensure_base_rate() and worth != 1:
            raise BadValue(f"{code} is the workspace's own currency; its rate is 1.")
        ExchangeRate.objects.update_or_create(currency=code, defaults={"rate": worth})
        priced = Round(F("mrr") * worth, precision=2, output_field=_MONEY)
        unpriced = Subscription.objects.filter(currency=code).exclude(mrr_base__isnull=False, mrr_base=priced)
        touch(unpriced.values_list("account_id", flat=True))
        return unpriced.update(mrr_base=priced)


def lock_rates(*, writing: bool = False) -> dict[str, Decimal]:
    """The rates, which stay as they are until the transaction ends: whoever changes them waits for those who price.

    Take this lock before those of subscriptions, as whoever changes rates does.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT currency, rate FROM accounts_exchangerate ORDER BY currency FOR {'UPDATE' if writing else 'SHARE'}"  # noqa: S608
        )
        return dict(cursor.fetchall())


def reprice() -> int:
    """Price every subscription anew by the rates there are; returns how many it changed."""
    with connection.cursor() as cursor:
        cursor.execute(_REPRICE)
        return cursor.rowcount


def price(rows: Iterable[Subscription]) -> None:
    """Set `mrr_base` in memory; an unknown rate gives None, which is missing, not zero."""
    ensure_base_rate()
    rates = lock_rates()
    for row in rows:
        rate = rates.get(row.currency)
        row.mrr_base = None if rate is None else (row.mrr * rate).quantize(CENT, ROUND_HALF_UP)
