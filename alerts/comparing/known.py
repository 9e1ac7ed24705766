"""What was known of accounts at the end of a day: the numbers by which they are matched, and those that are only shown.

They are read from the tables of that evening (`segments.past_days`), so that nothing which became known later decides
who is compared with whom.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from core.clock import moment
from health.models import HealthDay
from health.past import show_scores
from segments.past_days import PastDays, past_days
from segments.questions import Reader

FIELDS = ["account.stage", "account.level", "account.mrr", "account.renews_on", "account.active_days_30d",
          "health.score"]  # fmt: skip
AHEAD = 90  # days within which a renewal counts as near
_COLUMNS = ("pk", "stage_id", "level_id", "mrr", "renews_on", "usage__active_days_30d", "health__score",
            "health__score_30d")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """An account on an evening. `health` is a score of 0 to 100, `mrr` in the workspace's currency, `active` the days
    with activity of the last 30, `trend` the change of the score in the 30 days before; None where not known."""

    account: int
    stage: str | None
    level: str | None
    health: float | None
    mrr: float | None
    active: float
    trend: float | None
    renews: dt.date | None

    @property
    def stratum(self) -> tuple[Any, ...]:
        """What must be the same of two accounts: stage, level, and of which numbers there is nothing."""
        return self.stage, self.level, self.health is None, self.mrr is None

    @property
    def numbers(self) -> tuple[float, float, float]:
        """What must be near: the score, the MRR (its logarithm, so that it is near by proportion), the active days."""
        return self.health or 0.0, math.log1p(self.mrr or 0.0), self.active

    def data(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "health": self.health, "mrr": self.mrr, "active": self.active, "trend": self.trend,
            "renews": self.renews.isoformat() if self.renews else None,
        }  # fmt: skip


@contextmanager
def knowing() -> Iterator[PastDays]:
    """The past of these fields, to be gone through in the order of time."""
    with past_days(Reader.now(moment()), [FIELDS], [], [show_scores]) as past:
        yield past


def profiles(accounts: QuerySet[Account]) -> list[Profile]:
    """The profiles of accounts, by what the tables show; in the order of their keys."""
    return [
        Profile(
            pk, stage, level, _number(score), _number(mrr), float(active or 0),
            _number(score - before) if score is not None and before is not None else None, renews,
        )
        for pk, stage, level, mrr, renews, active, score, before in accounts.order_by("pk").values_list(*_COLUMNS)
    ]  # fmt: skip


def scores_on(day: dt.date, accounts: set[int]) -> dict[int, float]:
    """The score of each account at the end of a day; those without one are left out."""
    rows = HealthDay.objects.filter(account__in=accounts, day__lte=day).order_by("account_id", "-day")
    found = rows.distinct("account_id").values_list("account_id", "score")
    return {account: float(score) for account, score in found if score is not None}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
