"""Evaluating new data within a minute: one evaluation at a time, woken by writers, swept by the tick.

Nothing here is a fact. The marks and the pending usage say what is to be done; they were committed with the data and
are taken away after the work or with it. So a wake-up may come twice or never, two workers may start at once, and one
may be killed anywhere: the lock is free at that moment, the marks are still there, and the work can be repeated.
"""

from __future__ import annotations

import datetime as dt
import time

from django.conf import settings
from django.utils import timezone

from accounts.touching import waiting_since
from core.jobs import enqueue
from core.locks import held
from core.waking import hush, was_rung
from csbox.pipeline import is_to_bring_in, refresh_touched
from segments.models import RefreshRun

LONGEST_REST = 2.0  # seconds; what waits grows older by each, and messages and pages are answered while one works


def is_waiting() -> bool:
    """Whether something was stored that has not been evaluated."""
    return is_to_bring_in() or waiting_since() is not None


def evaluate_waiting() -> None:
    """One evaluation of what waits; if more has come meanwhile, another one is asked for.

    Under a steady stream of events evaluations would follow each other without a pause. Each rests first for as long
    as the one before it has taken, so that it takes at most half of one core's time and finds more to do at once; after
    a long one only for a moment, because enough waits by then.
    """
    with held("evaluation") as mine:
        if not mine:
            return  # whoever holds it looks again after letting go
        hush()
        if is_waiting():
            time.sleep(_rest(timezone.now()))
            hush()
            refresh_touched()
    if is_waiting() or was_rung():
        enqueue(settings.EVALUATION)


def _rest(now: dt.datetime) -> float:
    """The seconds until the last evaluation is as long past as it has taken."""
    last = RefreshRun.objects.filter(trigger=RefreshRun.Trigger.DATA, finished_at__isnull=False).first()
    if last is None or last.finished_at is None:
        return 0.0
    took = (last.finished_at - last.started_at).total_seconds()
    return max(0.0, min(took, LONGEST_REST) - (now - last.finished_at).total_seconds())


def forget_empty_runs(before: dt.datetime) -> int:
    """Delete the runs for new data that moved nobody, but for the newest; how many."""
    runs = RefreshRun.objects.filter(trigger=RefreshRun.Trigger.DATA)
    newest = runs.order_by("-pk").values("pk")[:1]
    empty = runs.filter(state=RefreshRun.State.DONE, joined=0, left=0, started_at__lt=before).exclude(pk__in=newest)
    return empty.filter(refreshes__isnull=True).delete()[0]
