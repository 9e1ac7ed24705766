"""Another currency for the workspace: every rate and every amount in it goes over, or nothing does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.facts.base import Fact
from accounts.facts.money import CENT, ensure_base_rate, lock_rates, reprice
from accounts.facts.rows import record_accounts
from accounts.models import Account, ExchangeRate, Subscription
from accounts.touching import touch
from core.intake import BadValue, clean_currency, clean_number
from core.models import Workspace

RATE = Decimal("0.00000001")  # as many places as a rate keeps
LARGEST_RATE = Decimal(10) ** 10
BATCH = 1_000
A_MOMENT = dt.timedelta(microseconds=1)


def has_money() -> bool:
    """Whether amounts are stored: subscriptions, or accounts with an MRR that was stated for them."""
    return Subscription.objects.exists() or Account.objects.filter(stated_mrr__isnull=False).exists()


def rate_between(currency: str, rate: Any = None) -> Decimal | None:
    """What one unit of the workspace's currency is worth in another: as said, or by the rate that is known of it.

    None if nothing says so and nothing needs it. Raises BadValue if there are amounts that must be converted.
    """
    code, own = clean_currency(currency), Workspace.get().currency
    if rate not in (None, ""):
        worth = clean_number(rate)
        if not RATE <= worth < LARGEST_RATE:
            raise BadValue(f"A rate is at least {RATE:f} and less than {LARGEST_RATE:,}.")
        return worth
    known = ExchangeRate.objects.filter(currency=code).first()
    if known is not None:
        return 1 / known.rate
    if has_money():
        raise BadValue(
            f"There are amounts in {own}. Say what 1 {own} is worth in {code}, so that they can be converted."
        )
    return None


@transaction.atomic
def change_currency(currency: str, rate: Any = None) -> int:
    """Give the workspace another currency; `rate` is what one unit of the present one is worth in it.

    Exchange rates, the value of every subscription and every stated MRR go over, the latter with their history; all
    accounts are marked for the evaluation. Returns how many subscriptions have another value. Raises BadValue, and
    changes nothing, for what is no currency, or if there are amounts and no rate.
    """
    code = clean_currency(currency)
    Workspace.get()
    workspace = Workspace.objects.select_for_update().get()
    own = workspace.currency
    if code == own:
        return 0
    ensure_base_rate()
    lock_rates(writing=True)
    worth = rate_between(code, rate)
    _convert_rates(own, code, worth)
    workspace.currency = code
    workspace.save(update_fields=["currency"])
    if worth is not None:
        _convert_stated(worth, source=f"{own} to {code}")
    changed = reprice()
    touch(Account.objects.values_list("pk", flat=True))
    return changed


def _convert_rates(own: str, code: str, worth: Decimal | None) -> None:
    """Rates of before say nothing about the new currency if nothing is known of it."""
    if worth is None:
        ExchangeRate.objects.all().delete()
    else:
        for one in ExchangeRate.objects.exclude(currency=code):
            one.rate = worth.quantize(RATE) if one.currency == own else (one.rate * worth).quantize(RATE)
            if not 0 < one.rate < LARGEST_RATE:
                raise BadValue(f"With this rate 1 {one.currency} would be worth {one.rate:f} {code}.")
            one.save()
    ExchangeRate.objects.update_or_create(currency=code, defaults={"rate": 1})


def _convert_stated(worth: Decimal, source: str) -> None:
    """As facts of this moment, so that a message of before that comes late does not bring its old amount back."""
    stated = Account.objects.filter(stated_mrr__isnull=False).order_by("external_id")
    pks = list(stated.values_list("pk", flat=True))
    for place in range(0, len(pks), BATCH):
        rows = (
            Account.objects.filter(pk__in=pks[place : place + BATCH])
            .only("external_id", "stated_mrr", "stamps")
            .order_by("external_id")
        )
        outcome = record_accounts([_converted(row, worth) for row in rows], source=source)
        if outcome.rejected:
            raise BadValue(f"An amount cannot be converted: {outcome.rejected[0].reason}")


def _converted(row: Account, worth: Decimal) -> Fact:
    assert row.stated_mrr is not None
    amount = (row.stated_mrr * worth).quantize(CENT, ROUND_HALF_UP)
    stamp: Sequence[str] = row.stamps.get("stated_mrr") or ()
    # A sender's clock may be ahead of ours.
    newest = [timezone.now(), *(dt.datetime.fromisoformat(text) + A_MOMENT for text in stamp[:1])]
    return Fact(row.external_id, {"stated_mrr": amount}, max(newest))
