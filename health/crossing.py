"""Which accounts of a book became Poor lately, and which ceased to be, each with why."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, QuerySet

from accounts.models import Account
from health.models import BandChange
from health.moves import ChangeTold, told_changes
from health.portfolio import JOINED_POOR, LEFT_POOR, SHOWN, Rule, meant
from segments.questions import Reader


@dataclass(frozen=True)
class Crossings:
    """The newest change of each account that joined Poor or left it, the most valuable account first."""

    joined: list[ChangeTold]
    left: list[ChangeTold]


def poor_crossings(accounts: QuerySet[Account], reader: Reader, limit: int = SHOWN) -> Crossings:
    """Those of the last 7 days, up to a limit on either side; the same number of statements however many."""
    sides = [_ranked(accounts, rule, reader, limit) for rule in (JOINED_POOR, LEFT_POOR)]
    every = [account for side in sides for account in side]
    rows = BandChange.objects.filter(account__in=every).order_by("account_id", "-at", "-pk").distinct("account_id")
    told = {one.change.account_id: one for one in told_changes(list(rows.select_related("account")), reader)}
    return Crossings(*([told[one.pk] for one in side if one.pk in told] for side in sides))


def _ranked(accounts: QuerySet[Account], rule: list[Rule], reader: Reader, limit: int) -> list[Account]:
    return list(accounts.filter(meant(rule, reader)).order_by(F("mrr").desc(nulls_last=True), "pk")[:limit])
