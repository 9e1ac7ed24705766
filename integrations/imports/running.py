"""Working on an import in the background: claimed, worked on for a while, let go, and claimed again until it is done.

The row is the fact (see `core.working`): each batch asks for the claim inside its transaction and gives a sign of life.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core.clock import moment
from core.intake import short
from core.jobs import enqueue
from core.working import NotNow, Superseded, free, later, take
from integrations.imports.bookkeeping import NAMES_ERASED, ImportLedger
from integrations.imports.storing import by_name, folder, path_of
from integrations.imports.undoing import outlook, undo_batch
from integrations.imports.wording import on_screen
from integrations.loading import Order, load_file
from integrations.mapping import BadMapping, MappingFile
from integrations.models import Import
from integrations.reading import FieldError
from integrations.sources.files import NotReadable
from usage.store.postgres import mark_days

log = logging.getLogger(__name__)
SLICE = 90.0  # seconds of work for one wake-up, well below the time that a task may take
BATCH = 1_000
TASK = "integrations.tasks.work_on_import"


class _Slice:
    """Asked after each batch: is the time over? It begins with the first batch, not with reading up to it."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._ends = seconds, 0.0

    def __call__(self) -> bool:
        self._ends = self._ends or time.monotonic() + self._seconds
        return time.monotonic() >= self._ends


def order_of(job: Import, **more: Any) -> Order:
    """What is to be loaded, as the command line would say it. Raises NotReadable or BadMapping."""
    options = {name: job.options[name] for name in ("encoding", "create_missing", "clear_empty") if name in job.options}
    return Order(
        job.kind, path_of(job), MappingFile.from_data(job.mapping, job.name), source=job.source, as_of=job.as_of,
        unpacked=settings.IMPORT_UNPACKED_BYTES, **({"batch": BATCH} | options | more),
    )  # fmt: skip


@transaction.atomic
def start(job: Import) -> None:
    """Let a draft run. Its rows are true as of now, however often it is worked on. Raises NotNow."""
    current = Import.objects.select_for_update().get(pk=job.pk)
    if current.state != Import.State.DRAFT:
        raise NotNow("This import was started already.")
    now = timezone.now()
    current.state, current.as_of, current.started_at, current.next_attempt_at = Import.State.RUNNING, now, now, now
    current.file_until = now + dt.timedelta(days=settings.IMPORT_DAYS)
    current.made = sorted(current.mapping.get("attributes", {}))
    current.save()
    enqueue(TASK, current.pk)


@transaction.atomic
def cancel(job: Import) -> None:
    """Stop after the batch in hand; what was imported stays, and can be undone. Raises NotNow."""
    current = Import.objects.select_for_update().get(pk=job.pk)
    if current.state != Import.State.RUNNING:
        raise NotNow("This import is not running.")
    current.state, current.claim, current.finished_at = Import.State.CANCELLED, "", timezone.now()
    current.save(update_fields=["state", "claim", "finished_at", "updated_at"])
    _refresh_soon()


@transaction.atomic
def ask_undo(job: Import) -> None:
    """Take an import back in the background. Raises NotNow."""
    current = Import.objects.select_for_update().get(pk=job.pk)
    why = outlook(current)["why_not"]
    if why:
        raise NotNow(why)
    current.state, current.claim, current.attempts, current.undo_report = Import.State.UNDOING, "", 0, {}
    current.next_attempt_at = timezone.now()
    current.save(update_fields=["state", "claim", "attempts", "undo_report", "next_attempt_at", "updated_at"])
    enqueue(TASK, current.pk)


def due(now: dt.datetime | None = None) -> QuerySet[Import]:
    """Imports that wait for somebody to work on them, or whose worker was lost."""
    return Import.objects.filter(free(now), state__in=Import.WORKING)


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on an import for a while; does nothing if somebody else does or nothing is to be done."""
    job = _claim(pk)
    if job is None:
        return
    try:
        if job.state == Import.State.UNDOING:
            _undo(job, _Slice(seconds))
        else:
            _load(job, _Slice(seconds))
    except Superseded:
        return
    except (NotReadable, BadMapping, FieldError) as error:
        _fail(job, on_screen(by_name(str(error), folder() / job.stored, job.name)))
    except Exception:
        log.exception("an import stopped", extra={"import": job.pk})
        _let_go(job, "Something failed on the server; it is tried again. The log says more.", job.attempts)


@transaction.atomic
def _claim(pk: int) -> Import | None:
    """Take the import, or give it up."""
    job = due().select_for_update(skip_locked=True, of=("self",)).select_related("schedule").filter(pk=pk).first()
    if job is None:
        return None
    if not take(job):
        job.state, job.finished_at, job.claim = Import.State.FAILED, timezone.now(), ""
        job.error = job.error or "The worker ended in the middle, five times. What was imported until then stays."
        job.save(update_fields=["state", "finished_at", "claim", "error", "updated_at"])
        return None
    return job


def _load(job: Import, over: _Slice) -> None:
    ledger = ImportLedger(job)
    summary = load_file(order_of(job), stop=over, ledger=ledger)
    if summary.stopped:
        _let_go(job)
    else:
        _finish(job, Import.State.DONE, place=job.size or 1)
        if job.options.get(NAMES_ERASED):
            (folder() / job.stored).unlink(missing_ok=True)


def _undo(job: Import, over: _Slice) -> None:
    while undo_batch(job):
        if over():
            _let_go(job)
            return
    _finish(job, Import.State.UNDONE)


def _mine(job: Import) -> QuerySet[Import]:
    return Import.objects.filter(pk=job.pk, claim=job.claim)


def _let_go(job: Import, error: str = "", attempts: int = 0) -> None:
    when = later(attempts) if attempts else timezone.now()
    with transaction.atomic():
        freed = _mine(job).filter(state=job.state).update(
            claim="", error=error, next_attempt_at=when, **({} if error else {"attempts": 0})
        )  # fmt: skip
        if freed and not attempts:
            enqueue(TASK, job.pk)


@transaction.atomic
def _finish(job: Import, state: str, **more: Any) -> None:
    if _mine(job).filter(state=job.state).update(
        state=state, claim="", finished_at=timezone.now(), error="", **more
    ):  # fmt: skip
        _refresh_soon()


@transaction.atomic
def _fail(job: Import, reason: str) -> None:
    if _mine(job).update(state=Import.State.FAILED, claim="", finished_at=timezone.now(), error=short(reason, 1_000)):
        _refresh_soon()


def _refresh_soon() -> None:
    """Mark today as not counted yet: the tick then refreshes every figure and segment, and does so until it is done."""
    mark_days([moment().today])
