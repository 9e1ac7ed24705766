"""What became of accounts: the outcomes that are compared, each a part above and one below the line (see `figures`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from alerts.comparing.figures import Part
from alerts.models import AccountMilestone, ComparedAccount, Comparison
from core.clock import Moment
from health.backtest.churn import Churn

HORIZONS = (30, 60, 90)
SHARES = ("milestone", "stayed", "renewed")


@dataclass(frozen=True)
class Knowledge:
    """What is known today of how it went on: who left when, and the first day on which accounts reached the milestone
    (None: not reached; accounts that are not here were never aimed at, or nobody knows the day)."""

    churn: Churn
    reached: dict[int, dt.date | None] = field(default_factory=dict)


def knowledge_of(comparison: Comparison, churn: Churn, accounts: Iterable[int], now: Moment) -> Knowledge:
    """Read it for the accounts of a comparison."""
    if comparison.milestone_id is None:
        return Knowledge(churn)
    rows = AccountMilestone.objects.filter(milestone=comparison.milestone_id, account__in=set(accounts))
    reached = {
        account: at.astimezone(now.zone).date() if at else None
        for account, at, dated in rows.order_by().values_list("account_id", "reached_at", "dated")
        if dated or at is None
    }
    return Knowledge(churn, reached)


Outcome = Callable[[ComparedAccount, int, Knowledge], Part | None]


def _health(row: ComparedAccount, days: int, known: Knowledge) -> Part | None:
    before, after = row.before["health"], row.after.get(str(days), {}).get("health")
    return None if before is None or after is None else (after - before, 1.0)


def _milestone(row: ComparedAccount, days: int, known: Knowledge) -> Part | None:
    if row.account_id not in known.reached:
        return None
    on = known.reached[row.account_id]
    if on is not None and on <= row.day:
        return None
    return float(on is not None and on <= row.day + dt.timedelta(days=days)), 1.0


def _stayed(row: ComparedAccount, days: int, known: Knowledge) -> Part | None:
    return float(not known.churn.is_gone(row.account_id, row.day + dt.timedelta(days=days))), 1.0


def _renewed(row: ComparedAccount, days: int, known: Knowledge) -> Part | None:
    renews = row.before["renews"] and dt.date.fromisoformat(row.before["renews"])
    if not renews or not row.day < renews <= row.day + dt.timedelta(days=days):
        return None
    return _stayed(row, days, known)


def _retained(row: ComparedAccount, days: int, known: Knowledge) -> Part | None:
    before, after = row.before["mrr"], row.after.get(str(days), {}).get("mrr")
    if not before or str(days) not in row.after:
        return None
    stayed = _stayed(row, days, known)
    return (after or 0.0) if stayed and stayed[0] else 0.0, before


OUTCOMES: dict[str, Outcome] = {
    "health": _health, "milestone": _milestone, "stayed": _stayed, "renewed": _renewed, "mrr": _retained,
}  # fmt: skip
