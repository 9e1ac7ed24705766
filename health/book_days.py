"""What a book was worth on past days by health: for a drawing, and account by account for the lists behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.models import Account, MrrDay
from core.clock import Moment
from health.models import AccountHealth, HealthDay
from health.portfolio import Whose
from health.trends import TrendDay, trend_of

SPAN = 182  # days: 26 weeks, a point at the end of each and one at their beginning


def course_of(whose: Whose, seen: QuerySet[Account], restricted: bool, now: Moment) -> list[TrendDay]:
    """The accounts and the MRR of each band at the end of each of 26 weeks, today last, in a statement or two.

    Of a colleague's or a team's book those are the accounts of today with what they were then; of everybody the
    accounts of then, or those that `seen` holds for whoever is restricted to some. An account counts from its first
    score on. Raises core.deadline.TooSlow.
    """
    if whose.member is None and whose.team is None and not restricted:
        return trend_of(SPAN, now, AccountHealth.objects.count(), worth=True)
    ids = list(whose.accounts(seen).order_by().values_list("pk", flat=True))
    return trend_of(SPAN, now, len(ids), seen=ids, worth=True)


def accounts_on(accounts: QuerySet[Account], day: dt.date, bands: Sequence[str]) -> QuerySet[Account]:
    """Those that had one of these bands at the end of a day, with `band_then` and `mrr_then`, most valuable first."""
    scores = HealthDay.objects.filter(account=OuterRef("pk"), day__lte=day).order_by("-day")
    worth = MrrDay.objects.filter(account=OuterRef("pk"), day__lte=day).order_by("-day")
    then = accounts.annotate(band_then=Subquery(scores.values("band")[:1]), mrr_then=Subquery(worth.values("mrr")[:1]))
    return then.filter(band_then__in=bands).order_by(F("mrr_then").desc(nulls_last=True), "pk")
