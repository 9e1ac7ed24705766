"""Runs: what is due stands in rows; a worker takes one, stores page by page, and goes on where the last one stopped.

Every page is one transaction: facts, links, counts and the cursor. So a run that is killed, cut off or given to another
worker goes on at its cursor, and a page that was stored twice changes nothing the second time. A worker that was held
up longer than its lease finds it gone and stores nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.clock import moment
from core.jobs import enqueue
from core.retrying import backoff
from integrations.connections.applying import Applier, Counts
from integrations.connections.http import Passing, Refused
from integrations.connections.mapping import mapping_of
from integrations.connections.opening import MALFORMED, opened
from integrations.connections.records import Cursor, Service
from integrations.connections.secrets import NoCredentials
from integrations.models import Connection, ConnectionLink, ConnectionRun

log = logging.getLogger(__name__)
State, Trigger = ConnectionRun.State, ConnectionRun.Trigger
TASK = "integrations.tasks.run_connections"
LEASE = dt.timedelta(minutes=6)  # longer than a task may take, so that nobody takes a run whose worker is alive
BUDGET = 180.0  # seconds of work before the queue gets its worker back
GIVE_UP = 8
OVERLAP = dt.timedelta(minutes=10)  # clocks differ, and a search knows of a change a little late
FULL_EVERY = dt.timedelta(hours=24)
MEMORY = dt.timedelta(days=28)  # changes are told for about 30 days
KEPT_PROBLEMS = 30
SWEEP = 500
SUSPICIOUS = 20  # from so many records on, the disappearance of more than half is not believed


class LostLease(Exception):
    """Another worker has the run, or it was ended."""


def request_run(connection: Connection, *, full: bool = False, trigger: str = Trigger.HAND) -> ConnectionRun:
    """Ask for a run soon; the open one if there is one already. A run by the clock goes on with one that failed."""
    now = timezone.now()
    with transaction.atomic():
        held = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        run = held.runs.open().first()
        last = held.runs.first()
        if run is not None:
            if full and not run.full and run.started_at is None:
                run.full, run.since = True, None
                run.save(update_fields=["full", "since"])
        elif trigger == Trigger.CLOCK and last is not None and last.state == State.FAILED and last.cursor:
            run = resume(last)
        else:
            stale = held.since is None or held.since < now - MEMORY
            daily = trigger == Trigger.CLOCK and (held.full_at is None or held.full_at < now - FULL_EVERY)
            full = full or stale or daily or held.full_at is None
            since = None if full or held.since is None else held.since - OVERLAP
            run = ConnectionRun.objects.create(connection=held, trigger=trigger, full=full, since=since)
        enqueue(TASK)
    return run


def resume(run: ConnectionRun) -> ConnectionRun:
    """Let a run that failed or was cancelled go on at its cursor; the open run if there is another one."""
    with transaction.atomic():
        Connection.objects.select_for_update(no_key=True).get(pk=run.connection_id)
        found = ConnectionRun.objects.filter(connection=run.connection_id).open().first()
        if found is not None:
            return found
        run.state, run.attempts, run.cancel_requested = State.WAITING, 0, False
        run.next_attempt_at, run.finished_at, run.error = timezone.now(), None, ""
        run.save()
        enqueue(TASK)
    return run


def cancel(run: ConnectionRun) -> None:
    """Stop a run after the page at hand; a waiting one at once."""
    with transaction.atomic():
        held = ConnectionRun.objects.select_for_update().get(pk=run.pk)
        if held.state == State.WAITING:
            _end(held, State.CANCELLED)
        elif held.state == State.RUNNING:
            held.cancel_requested = True
            held.save(update_fields=["cancel_requested"])


def wake_due() -> None:
    """The tick's part: make the runs whose time has come, and wake a worker if anything is due.

    The first run of a connection is asked for by hand, after somebody looked at what maps to what.
    """
    now = timezone.now()
    due = Connection.objects.filter(Q(active=True, error="", next_run_at__lte=now))
    for connection in due.exclude(runs__state__in=ConnectionRun.OPEN):
        request_run(connection, trigger=Trigger.CLOCK)
    if ConnectionRun.objects.due(now).exists():
        enqueue(TASK)


def run_due(budget: float = BUDGET) -> int:
    """Work on what is due until nothing is, or the time is up; returns how many runs were taken."""
    ends, taken = time.monotonic() + budget, 0
    while time.monotonic() < ends and (run := _claim()) is not None:
        taken += 1
        try:
            _work(run, ends)
        except LostLease:
            log.info("run %s of connection %s went to another worker", run.pk, run.connection_id)
    return taken


def _claim() -> ConnectionRun | None:
    """Take one run; the attempt is committed before the work, so that one which kills its worker is not repeated for
    ever."""
    now = timezone.now()
    with transaction.atomic():
        due = ConnectionRun.objects.due(now).select_for_update(skip_locked=True, of=("self",))
        run = due.select_related("connection").first()
        if run is None:
            return None
        if run.attempts >= GIVE_UP:
            _end(run, State.FAILED, run.error or "It was tried too often without coming further.")
            return _claim()
        if run.cancel_requested:
            _end(run, State.CANCELLED)
            return _claim()
        run.state, run.lease, run.leased_until = State.RUNNING, uuid.uuid4(), now + LEASE
        run.attempts += 1
        run.started_at = run.started_at or now
        run.save()
    return run


def _work(run: ConnectionRun, ends: float) -> None:
    """Page after page until the run is over, has to wait, or the time is up."""
    try:
        with opened(run.connection) as service:
            while _advance(run, service):
                if time.monotonic() >= ends:
                    with _held(run) as held:
                        held.state, held.lease, held.next_attempt_at = State.WAITING, None, timezone.now()
                        held.attempts = 0
                    enqueue(TASK)
                    return
    except Passing as error:
        _rest(run, str(error), error.wait)
    except NoCredentials as error:
        _fail(run, str(error), blocked=True)
    except Refused as error:
        _fail(run, str(error), blocked=error.for_good)
    except MALFORMED as error:
        log.exception("run %s of connection %s met something unexpected", run.pk, run.connection_id)
        words = f"{run.connection.get_kind_display()} sent an answer of an unknown form ({type(error).__name__})."
        _rest(run, words, None)


def _advance(run: ConnectionRun, service: Service) -> bool:
    """Fetch and store one page (the request is made outside of any transaction); False when the run is over."""
    steps = service.steps(run.full)
    step = run.step or steps[0]
    cursor: Cursor | None = run.cursor
    if cursor is None or "sweep" not in cursor:
        page = service.page(step, cursor, run.since)
        with _held(run) as held:
            if held.cancel_requested:
                return _end(held, State.CANCELLED)
            counts = Applier(held, mapping_of(held.connection), moment()).apply(page)
            _count(held, counts)
            sweeping: Cursor | None = {"sweep": step} if held.full and service.kinds_of(step) else None
            held.step, held.cursor = step, page.next or sweeping
            over = page.next is None and sweeping is None and not _next_step(held, steps)
        return not over
    with _held(run) as held:
        if held.cancel_requested:
            return _end(held, State.CANCELLED)
        more = _sweep(held, service.kinds_of(step))
        over = not more and not _next_step(held, steps)
    return not over


def _next_step(held: ConnectionRun, steps: tuple[str, ...]) -> bool:
    """Go on with the next step; False, and the run is done, after the last."""
    place = steps.index(held.step) + 1
    held.cursor = None
    if place < len(steps):
        held.step = steps[place]
        return True
    connection, now = held.connection, timezone.now()
    connection.since = held.started_at
    if held.full:
        connection.full_at = held.started_at
    connection.error = ""
    connection.next_run_at = now + dt.timedelta(minutes=connection.every_minutes)
    connection.save(update_fields=["since", "full_at", "error", "next_run_at"])
    _end(held, State.DONE)
    return False


def _sweep(held: ConnectionRun, kinds: tuple[str, ...]) -> bool:
    """Mark what a full step did not meet; True if there may be more. A mass disappearance is reported, not believed:
    it is what a credential with fewer rights looks like."""
    live = ConnectionLink.objects.filter(connection=held.connection, kind__in=kinds, gone_at__isnull=True)
    if not (held.cursor or {}).get("begun"):
        known, left = live.count(), live.exclude(last_run=held.pk).count()
        if known >= SUSPICIOUS and left * 2 > known:
            words = f"{left:,} of {known:,} {kinds[0]} records were not there any more. None was marked as deleted."
            _count(held, Counts(problems=[words]))
            return False
    held.cursor = {**(held.cursor or {}), "begun": True}
    applier = Applier(held, mapping_of(held.connection), moment())
    more = applier.sweep(kinds, SWEEP) == SWEEP
    _count(held, applier.counts)
    return more


def _count(held: ConnectionRun, counts: Counts) -> None:
    held.read += counts.read
    held.created += counts.created
    held.updated += counts.updated
    held.unmatched += counts.unmatched
    held.gone += counts.gone
    held.unchanged = max(0, held.read - held.created - held.updated - held.unmatched)
    held.problem_count += len(counts.problems)
    room = KEPT_PROBLEMS - len(held.problems)
    held.problems = [*held.problems, *(text[:300] for text in counts.problems[: max(0, room)])]
    held.attempts, held.error = 1, ""  # the one at hand
    held.leased_until = timezone.now() + LEASE


@contextmanager
def _held(run: ConnectionRun) -> Iterator[ConnectionRun]:
    """The run, locked and still ours, saved at the end of the block; `run` follows. Raises LostLease."""
    with transaction.atomic():
        rows = ConnectionRun.objects.select_for_update(of=("self",)).select_related("connection")
        held = rows.filter(pk=run.pk, lease=run.lease, state=State.RUNNING).first()
        if held is None:
            raise LostLease
        yield held
        held.save()
    run.step, run.cursor, run.attempts = held.step, held.cursor, held.attempts


def _end(held: ConnectionRun, state: str, error: str = "") -> bool:
    held.state, held.finished_at, held.error = state, timezone.now(), error[:500]
    held.attempts = 0 if state == State.DONE else held.attempts
    held.lease, held.leased_until, held.cancel_requested = None, None, False
    held.save()
    if state != State.DONE:
        connection = held.connection
        later = timezone.now() + dt.timedelta(minutes=connection.every_minutes)
        Connection.objects.filter(pk=connection.pk).update(next_run_at=later)
    return False


def _rest(run: ConnectionRun, error: str, wait: dt.timedelta | None) -> None:
    """Try again later, or give up. A wait that was asked for is no failure of ours."""
    with _held(run) as held:
        if held.attempts >= GIVE_UP and wait is None:
            _end(held, State.FAILED, error)
            return
        held.state, held.lease, held.error = State.WAITING, None, error[:500]
        held.next_attempt_at = timezone.now() + (wait or backoff(held.attempts))
        if wait is not None:
            held.attempts = max(0, held.attempts - 1)


def _fail(run: ConnectionRun, error: str, *, blocked: bool) -> None:
    with _held(run) as held:
        _end(held, State.FAILED, error)
        if blocked:
            Connection.objects.filter(pk=held.connection_id).update(error=error[:500])
