"""What the worker does by the clock: the tick looks for what is due and wakes it; it does no work of its own."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from core.api.idempotency import KEPT, forget_answers_before
from core.clock import moment
from core.daily import claimed, is_open, newest_slot
from core.jobs import enqueue, forget_results_before
from core.models import Workspace
from csbox.pipeline import refresh_everything
from integrations.connections.running import wake_due
from integrations.imports.waking import wake_imports
from integrations.tracking import spool
from integrations.tracking.tallies import tidy_is_due
from segments.models import RefreshRun, Segment
from segments.refresh import give_up_lost_runs
from usage import partitions
from usage.models import DirtyDay

DAILY = "refresh"
LOST_AFTER = dt.timedelta(minutes=30)
RESULTS_KEPT = dt.timedelta(days=14)


def tick() -> None:
    """Once a minute: wake the daily refresh if its slot is open, and whatever a lost wake-up left behind."""
    workspace = Workspace.get()
    slot = newest_slot(timezone.now().astimezone(workspace.zone), workspace.refresh_at)
    give_up_lost_runs(timezone.now() - LOST_AFTER)
    if is_open(DAILY, slot):
        enqueue("csbox.tasks.refresh_daily", slot.isoformat())
    elif DirtyDay.objects.exists():
        enqueue("csbox.tasks.refresh_new_data")
    if spool.waiting():
        enqueue("integrations.tracking.tasks.drain_spool")
    if tidy_is_due(timezone.now()):
        enqueue("integrations.tracking.tasks.tidy_messages")
    if any(segment.due for segment in Segment.everything.only("requested_rev", "live_rev")):
        enqueue("segments.tasks.refresh_due")
    wake_due()
    wake_imports()


def refresh_daily(local_date: str) -> None:
    """The daily refresh of a local date; a second wake-up of the same date finds nothing to do."""
    with claimed(DAILY, dt.date.fromisoformat(local_date)) as mine:
        if mine:
            partitions.prepare_ahead(dt.date.fromisoformat(local_date))
            forget_results_before(timezone.now() - RESULTS_KEPT)
            forget_answers_before(timezone.now() - KEPT)
            refresh_everything(RefreshRun.Trigger.DAILY, moment())


def refresh_new_data() -> None:
    """Events came since the last count: every number and every segment that they can change."""
    refresh_everything(RefreshRun.Trigger.DATA, moment())
