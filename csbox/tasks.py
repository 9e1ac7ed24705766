"""What the worker does by the clock: the tick looks for what is due and wakes it; it does no work of its own."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone

from accounts.privacy import erasing, exporting
from alerts.milestones.backfilling import is_search_due
from alerts.milestones.editing import TASK as LOOK_AT_MILESTONES
from alerts.models import AlertReplay, Comparison
from alerts.notifying import inbox
from alerts.playbooks.running import wake_playbooks
from core.api.idempotency import KEPT, forget_answers_before
from core.clock import moment
from core.daily import claimed, is_open, newest_slot
from core.jobs import enqueue, forget_results_before
from core.models import Workspace
from core.reports import wake_reports
from csbox.evaluating import evaluate_waiting, forget_empty_runs, is_waiting
from csbox.pipeline import look_at_feeds, refresh_everything
from health import requesting as scoring
from health.backtest.models import BackTest
from integrations.connections.running import wake_due
from integrations.destinations import outgoing
from integrations.destinations.filling import TASK as SYNC_OUT
from integrations.destinations.sending import KEPT as SENT_KEPT
from integrations.destinations.sending import forget_sent_before
from integrations.imports.waking import wake_imports
from integrations.tracking import spool
from integrations.tracking.tallies import tidy_is_due
from segments.models import RefreshRun, Segment
from segments.refresh import give_up_lost_runs
from usage import partitions
from usage.feeds.watching import watch_due
from usage.retention import prune_events
from usage.traits.days import thin_days

DAILY = "refresh"
LOST_AFTER = dt.timedelta(minutes=30)
RESULTS_KEPT = dt.timedelta(days=14)
EMPTY_RUNS_KEPT = dt.timedelta(days=1)
NOTICES_KEPT = dt.timedelta(days=180)


def tick() -> None:
    """Once a minute: wake the daily refresh if its slot is open, and whatever a lost wake-up left behind.

    A refresh of all accounts and an evaluation of new data may run at once: their steps take turns.
    """
    workspace = Workspace.get()
    slot = newest_slot(timezone.now().astimezone(workspace.zone), workspace.refresh_at)
    give_up_lost_runs(timezone.now() - LOST_AFTER)
    if is_open(DAILY, slot):
        enqueue("csbox.tasks.refresh_daily", slot.isoformat())
    if is_waiting():
        enqueue(settings.EVALUATION)
    if spool.waiting():
        enqueue("integrations.tracking.tasks.drain_spool")
    if tidy_is_due(timezone.now()):
        enqueue("integrations.tracking.tasks.tidy_messages")
    if watch_due(timezone.now()):
        enqueue("csbox.tasks.watch_feeds")
    if erasing.unfinished():
        enqueue(erasing.TASK)
    if exporting.waiting_exports():
        enqueue(exporting.TASK)
    exporting.drop_old_exports(timezone.now())
    if any(segment.due for segment in Segment.everything.only("requested_rev", "live_rev")):
        enqueue("segments.tasks.refresh_due")
    inbox.wake_due()
    if scoring.is_scoring_due():
        enqueue(scoring.TASK)
    wake_due()
    wake_imports()
    wake_reports(BackTest, AlertReplay, Comparison)
    wake_playbooks()
    if is_search_due():
        enqueue(LOOK_AT_MILESTONES)
    if outgoing.is_due():
        enqueue(SYNC_OUT)


def refresh_daily(local_date: str) -> None:
    """The daily refresh of a local date; a second wake-up of the same date finds nothing to do."""
    with claimed(DAILY, dt.date.fromisoformat(local_date)) as mine:
        if mine:
            partitions.prepare_ahead(dt.date.fromisoformat(local_date))
            prune_events(dt.date.fromisoformat(local_date))
            if dt.date.fromisoformat(local_date).day == 1:  # looks at every row, which is enough once a month
                thin_days(dt.date.fromisoformat(local_date))
            forget_results_before(timezone.now() - RESULTS_KEPT)
            forget_answers_before(timezone.now() - KEPT)
            forget_empty_runs(timezone.now() - EMPTY_RUNS_KEPT)
            inbox.forget_notices_before(timezone.now() - NOTICES_KEPT)
            forget_sent_before(timezone.now() - SENT_KEPT)
            look_at_feeds()
            refresh_everything(RefreshRun.Trigger.DAILY, moment())


def watch_feeds() -> None:
    """Look at every feed, every few minutes."""
    look_at_feeds()


def evaluate_new_data() -> None:
    """Something new was stored: evaluate the accounts that it is about, until nothing waits."""
    look_at_feeds()
    evaluate_waiting()
