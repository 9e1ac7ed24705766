"""What the end of one day tells a comparison: who stands beside whom from the morrow on, and how it went on.

Whoever is matched is chosen by what was known that evening; the outcome is read in another pass, on a later day.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import Account
from alerts.comparing.entering import Entries
from alerts.comparing.known import Profile, profiles, scores_on
from alerts.comparing.matching import match
from alerts.comparing.outcomes import HORIZONS
from alerts.comparing.report import BALANCE, value_of
from alerts.models import ComparedAccount, Comparison
from core.clock import moment
from core.deadline import time_limit
from core.spans import ONE_DAY
from health.backtest.churn import Churn
from segments.models import AccountMembership
from segments.past_days import PastDays, end_of

LIMIT_MS = 60_000
Rows = list[ComparedAccount]


@dataclass(frozen=True)
class Looking:
    """A comparison with what is read of it once: who came in when, and who had left when."""

    comparison: Comparison
    entries: Entries
    churn: Churn

    def day(self, past: PastDays, day: dt.date) -> tuple[Rows, Rows]:
        """The rows to add, of those who come in on the morrow, and the rows whose outcome is new; nothing is stored.
        Raises TooSlow."""
        followed, tomorrow = self.followed(day), day + ONE_DAY
        accounts = {row.account_id for row, _ in followed}
        comes = self.entries.on(tomorrow)
        with past.day(day), time_limit(LIMIT_MS):
            known = profiles(Account.objects.live()) if comes else []
            rows = Account.objects.filter(pk__in=accounts).order_by().values_list("pk", "mrr") if accounts else ()
            money = {account: None if mrr is None else float(mrr) for account, mrr in rows}
        scores = scores_on(day, accounts) if accounts else {}
        for row, days in followed:
            after = {"mrr": money.get(row.account_id), "health": scores.get(row.account_id)}
            row.after = {**row.after, str(days): after}
        return self.matched(known, tomorrow) if comes else [], [row for row, _ in followed]

    def followed(self, day: dt.date) -> list[tuple[ComparedAccount, int]]:
        """The rows of which an outcome is to be read at the end of a day, with the days since the entry."""
        days = {day - ONE_DAY * number: number for number in HORIZONS}
        return [(row, days[row.day]) for row in self.comparison.compared.filter(day__in=days)]

    def matched(self, known: Sequence[Profile], day: dt.date) -> Rows:
        """Both sides of those who come in on a day; what could have been chosen is added to the pool."""
        before, comparison = day - ONE_DAY, self.comparison
        inside = _members(comparison.among_id, before) if comparison.among_id else None
        there = [
            one
            for one in known
            if not self.churn.is_gone(one.account, before) and (inside is None or one.account in inside)
        ]
        today, ever = set(self.entries.on(day)), self.entries.had_come(day)
        came = [one for one in there if one.account in today]
        others = {one.account: one for one in there if one.account not in ever}
        used = Counter(row.account_id for row in comparison.compared.all() if not row.came_in)
        caliper, uses = float(comparison.caliper), comparison.uses
        found = match(came, list(others.values()), caliper=caliper, uses=uses, used=used)
        _add_to_pool(comparison.pool, list(others.values()), len(came), day)
        sides = [(one, [one, *(others[other] for other in found.get(one.account, []))]) for one in came]
        return [
            ComparedAccount(
                comparison=comparison, account_id=row.account, beside=one.account, day=day, before=row.data()
            )
            for one, rows in sides
            for row in rows
        ]


def _add_to_pool(pool: dict[str, Any], others: Sequence[Profile], number: int, day: dt.date) -> None:
    """The means of all who could have been chosen, each day counting as often as accounts came in on it."""
    data = [one.data() for one in others]
    for key in BALANCE:
        values = [value for one in data if (value := value_of(key, one, day)) is not None]
        if values:
            weight, total = pool.get(key, (0, 0.0))
            pool[key] = [weight + number, total + number * sum(values) / len(values)]


def _members(segment: int, day: dt.date) -> set[int]:
    """Who was a member at the end of a day."""
    at = end_of(day, moment()).now
    stays = AccountMembership.objects.filter(Q(left_at__isnull=True) | Q(left_at__gt=at), segment=segment)
    return set(stays.filter(entered_at__lte=at).order_by().values_list("account_id", flat=True))
