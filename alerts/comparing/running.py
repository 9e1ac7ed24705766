"""Working on comparisons, day by day.

On the evening before each entry accounts are matched; 30, 60 and 90 days after it their MRR and score are read.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from alerts.comparing.entering import entries_of
from alerts.comparing.known import knowing
from alerts.comparing.outcomes import knowledge_of
from alerts.comparing.pairing import Looking
from alerts.comparing.report import make_report
from alerts.models import ComparedAccount, Comparison
from core.clock import Moment, moment
from core.deadline import TooSlow
from core.reports import SLICE, fail_report, finish_report, take_report, working_on
from core.spans import ONE_DAY
from core.working import give_sign, let_go, still_mine
from health.backtest.churn import find_churn

SLOW = "Reading what was known takes longer than a minute for one day."
GONE = "The segment among whose accounts it was to be compared was deleted meanwhile. Start it again."


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on a comparison for a while; does nothing if somebody else does or nothing is to be done."""
    comparison: Comparison | None = take_report(Comparison, pk)
    if comparison is None:
        return
    now = moment()
    if comparison.of_segment and comparison.among_id is None:
        fail_report(comparison, GONE)
        return
    with working_on(comparison, _reason):
        churn = find_churn(now, cancelled=True, silent_days=None)
        looking = Looking(comparison, entries_of(comparison, now), churn)
        if _walk(looking, time.monotonic() + seconds):
            finish_report(comparison, _report(looking, now))
        else:
            let_go(comparison, comparison.task)


def _reason(error: Exception) -> str | None:
    return SLOW if isinstance(error, TooSlow) else None


def _walk(looking: Looking, until: float) -> bool:
    """Day after day, at least one; False if the time was over before the last one."""
    comparison = looking.comparison
    first = comparison.done
    if first == comparison.steps:  # nobody came in
        return True
    with knowing() as past:
        for number, day in enumerate(comparison.days[first:], start=first):
            if number > first and time.monotonic() >= until:
                return False
            new, followed = looking.day(past, day)
            with transaction.atomic():
                still_mine(comparison)
                ComparedAccount.objects.bulk_create(new, batch_size=1_000)
                ComparedAccount.objects.bulk_update(followed, ["after"], batch_size=1_000)
                give_sign(comparison, number + 1, "pool")
    return True


def _report(looking: Looking, now: Moment) -> dict[str, Any]:
    rows = list(looking.comparison.compared.order_by("pk"))
    known = knowledge_of(looking.comparison, looking.churn, (row.account_id for row in rows), now)
    return make_report(looking.comparison, rows, looking.entries, known, now.today - ONE_DAY)
