"""Working on comparisons: day by day in the background, each day in a transaction of its own.

On the evening before each entry accounts are matched; 30, 60 and 90 days after it their MRR and score are read. A
worker that dies leaves the days that are done; the tick finds the comparison after two minutes and the next worker goes
on with the day after them. One that cannot be finished says why.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from alerts.comparing.entering import entries_of
from alerts.comparing.known import knowing
from alerts.comparing.outcomes import knowledge_of
from alerts.comparing.pairing import Looking
from alerts.comparing.report import make_report
from alerts.comparing.starting import TASK, State, close_comparison
from alerts.models import ComparedAccount, Comparison
from core.clock import Moment, moment
from core.deadline import TooSlow
from core.jobs import enqueue
from core.spans import ONE_DAY
from core.working import Superseded, free, give_sign, let_go, still_mine, take_one
from health.backtest.churn import find_churn

log = logging.getLogger(__name__)
SLICE = 90.0  # seconds of work for one wake-up, well below the time that a task may take
GIVEN_UP = "The worker ended in the middle, five times. Try a later first day."
SLOW = "Reading what was known takes longer than a minute for one day."
GONE = "The segment among whose accounts it was to be compared was deleted meanwhile. Start it again."


def due() -> QuerySet[Comparison]:
    """Comparisons that wait for somebody to work on them, or whose worker was lost."""
    return Comparison.objects.filter(free(), state=State.RUNNING)


def wake_comparisons() -> None:
    """Once a minute: wake what is due."""
    for pk in due().order_by("next_attempt_at").values_list("pk", flat=True)[:20]:
        enqueue(TASK, pk)


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on a comparison for a while; does nothing if somebody else does or nothing is to be done."""
    comparison = _claim(pk)
    if comparison is None:
        return
    now = moment()
    try:
        if comparison.of_segment and comparison.among_id is None:
            _fail(comparison, GONE)
            return
        churn = find_churn(now, cancelled=True, silent_days=None)
        looking = Looking(comparison, entries_of(comparison, now), churn)
        if _walk(looking, time.monotonic() + seconds):
            _finish(comparison, _report(looking, now))
        else:
            let_go(comparison, TASK)
    except Superseded:
        return
    except TooSlow:
        _fail(comparison, SLOW)
    except Exception:
        log.exception("a comparison stopped", extra={"comparison": comparison.pk})
        text = "Something failed on the server; it is tried again. The log says more."
        let_go(comparison, TASK, text, comparison.attempts)


@transaction.atomic
def _claim(pk: int) -> Comparison | None:
    row: Comparison | None = take_one(due(), pk)
    if row is not None and not row.claim:
        close_comparison(row, State.FAILED, row.error or GIVEN_UP)
        return None
    return row


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


@transaction.atomic
def _finish(comparison: Comparison, report: dict[str, Any]) -> None:
    still_mine(comparison)
    comparison.report = report
    comparison.save(update_fields=["report"])
    close_comparison(comparison, State.DONE)


def _fail(comparison: Comparison, reason: str) -> None:
    with suppress(Superseded), transaction.atomic():
        still_mine(comparison)
        close_comparison(comparison, State.FAILED, reason)
