"""Scheduled imports: once a local day a file is fetched, and imported if it is another one than last time.

The row is the fact. Whoever fetches takes it with an attempt that is counted first and a time until which nobody else
tries; what was fetched is started in the transaction that records it, so that it is started once.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.clock import Moment, moment
from core.daily import newest_slot
from core.fetching import FetchFailed
from core.intake import BadValue, clean_text, short
from core.jobs import enqueue
from integrations.imports.bookkeeping import NAMES_ERASED
from integrations.imports.credentials import forget_secret, host_of, keep_secret, renew_secret, secret_in
from integrations.imports.running import start
from integrations.imports.storing import discard, store
from integrations.imports.wording import on_screen
from integrations.models import Import, ScheduledImport
from integrations.sources.files import NotReadable
from integrations.sources.remote import Place, check_place, fetch

log = logging.getLogger(__name__)
TASK = "integrations.tasks.fetch_scheduled"
GIVE_UP_AFTER = 5
LEASE, PAUSE = dt.timedelta(minutes=10), dt.timedelta(minutes=5)
State = ScheduledImport.State


class BadSchedule(ValueError):
    """A schedule that cannot be; `errors` maps fields to sentences."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


def place_of(schedule: ScheduledImport) -> Place:
    """Where its file is; without what is known of the last one where every file is to be imported. Raises FetchFailed
    if its credential cannot be read."""
    known = schedule.only_if_changed
    return Place(
        schedule.url, schedule.endpoint, schedule.region, schedule.credential, secret_in(schedule),
        schedule.etag if known else "", schedule.last_modified if known else "",
    )  # fmt: skip


def save_schedule(schedule: ScheduledImport, example: Import | None, *, secret: str = "", forget: bool = False) -> None:
    """Check and store; `example` is the import whose mapping it takes. Its first run is at the next local time.

    `secret` is a credential to be stored, `forget` lets go of the stored one.

    Raises BadSchedule with a sentence for each field that cannot be.
    """
    errors: dict[str, str] = {}
    stored = schedule.secret, schedule.secret_hint
    try:
        schedule.name = clean_text(schedule.name, 60)
    except BadValue as error:
        errors["name"] = str(error)
    if not schedule.name:
        errors.setdefault("name", "Give it a name.")
    if ScheduledImport.objects.filter(name=schedule.name).exclude(pk=schedule.pk).exists():
        errors["name"] = "There is already a schedule with this name."
    errors |= _set_secret(schedule, secret, forget=forget)
    if schedule.credential and not re.fullmatch(r"\w{1,40}", schedule.credential, re.ASCII):
        errors["credential"] = "A credential's name is of letters, digits and _."
    if example is not None:
        schedule.kind, schedule.mapping = example.kind, example.mapping
        schedule.options = {name: value for name, value in example.options.items() if name != NAMES_ERASED}
    elif not schedule.mapping:
        errors["example"] = "Choose an import whose mapping it takes. Import the file once by hand first."
    try:
        check_place(place_of(schedule))
    except FetchFailed as error:
        errors.setdefault("url", str(error))
    if errors:
        schedule.secret, schedule.secret_hint = stored  # one that was not saved is not shown as if it were
        raise BadSchedule(errors)
    if schedule._state.adding:
        schedule.done_on = _slot(schedule, moment())
    schedule.attempts, schedule.next_attempt_at = 0, timezone.now()
    schedule.save()


def _set_secret(schedule: ScheduledImport, secret: str, *, forget: bool) -> dict[str, str]:
    """Keep, let go or leave the stored credential; what stands against that, by field."""
    if secret and schedule.credential:
        return {"secret": "Enter the credential or name one of the environment, not both."}
    if secret:
        try:
            keep_secret(schedule, secret)
        except BadValue as error:
            return {"secret": str(error)}
    elif forget or schedule.credential:
        forget_secret(schedule)
    elif schedule.secret and not schedule._state.adding:
        before = ScheduledImport.objects.get(pk=schedule.pk)
        if host_of(before) != host_of(schedule):
            return {"secret": "Enter the credential again: it is sent only to the host for which it was entered."}
    return {}


def _slot(schedule: ScheduledImport, present: Moment) -> dt.date:
    return newest_slot(present.now.astimezone(present.zone), schedule.at)


def due_schedules() -> list[int]:
    """Those whose local time has come and whose fetch of this day is not finished."""
    present = moment()
    waiting = ScheduledImport.objects.filter(active=True, next_attempt_at__lte=present.now)
    return [item.pk for item in waiting if item.done_on is None or item.done_on < _slot(item, present)]


@transaction.atomic
def run_now(schedule: ScheduledImport) -> None:
    """Fetch as soon as the worker can, whatever the time."""
    now = timezone.now()
    ScheduledImport.objects.filter(pk=schedule.pk).update(done_on=None, attempts=0, next_attempt_at=now, error="")
    enqueue(TASK, schedule.pk)


def run(pk: int) -> None:
    """Fetch and import what a schedule names; does nothing if it is not due or somebody else is at it."""
    schedule = _take(pk)
    if schedule is None:
        return
    job: Import | None = None
    try:
        renew_secret(schedule)
        found = fetch(place_of(schedule))
        if found is None:
            _done(schedule, State.SAME)
            return
        job = store(
            found.chunks, kind=schedule.kind, name=found.name, author=schedule.author, schedule=schedule,
            options=schedule.options,
        )  # fmt: skip
        known: dict[str, Any] = {"etag": found.etag, "last_modified": found.last_modified, "digest": job.digest}
        if schedule.only_if_changed and job.digest == schedule.digest:
            discard(job)
            _done(schedule, State.SAME, **known)
            return
        _import(schedule, job, known)
    except (FetchFailed, NotReadable) as error:
        _failed(schedule, on_screen(str(error)))
    except Exception:
        log.exception("a scheduled import stopped", extra={"schedule": schedule.pk})
        _failed(schedule, "Something failed on the server. The log says more.")


@transaction.atomic
def _take(pk: int) -> ScheduledImport | None:
    if pk not in due_schedules():
        return None
    found = ScheduledImport.objects.select_for_update(skip_locked=True).filter(pk=pk, active=True).first()
    if found is None or found.next_attempt_at > timezone.now():
        return None
    found.attempts, found.next_attempt_at = found.attempts + 1, timezone.now() + LEASE
    if found.attempts > GIVE_UP_AFTER:
        _close(found, State.FAILED, found.error or "The worker ended in the middle, five times.")
        return None
    found.save(update_fields=["attempts", "next_attempt_at"])
    return found


def _import(schedule: ScheduledImport, job: Import, known: dict[str, Any]) -> None:
    """Start the import, unless somebody has taken the schedule over meanwhile."""
    columns = dict.fromkeys((name for name in job.header if name), None) | schedule.mapping.get("columns", {})
    job.mapping = schedule.mapping | {"columns": columns}
    with transaction.atomic():
        current = ScheduledImport.objects.select_for_update().filter(pk=schedule.pk).first()
        if current is None or current.next_attempt_at != schedule.next_attempt_at:
            discard(job)
            return
        job.save(update_fields=["mapping"])
        start(job)
        _done(schedule, State.FETCHED, **known)


def _done(schedule: ScheduledImport, state: str, **known: Any) -> None:
    mine = ScheduledImport.objects.filter(pk=schedule.pk, next_attempt_at=schedule.next_attempt_at)
    now, slot = timezone.now(), _slot(schedule, moment())
    mine.update(state=state, error="", attempts=0, done_on=slot, fetched_at=now, next_attempt_at=now, **known)


def _failed(schedule: ScheduledImport, reason: str) -> None:
    mine = ScheduledImport.objects.filter(pk=schedule.pk, next_attempt_at=schedule.next_attempt_at)
    if schedule.attempts >= GIVE_UP_AFTER:
        _close(schedule, State.FAILED, reason)
        return
    wait = timezone.now() + PAUSE * 2 ** (schedule.attempts - 1)
    mine.update(state=State.FAILED, error=short(reason, 1_000), next_attempt_at=wait)


def _close(schedule: ScheduledImport, state: str, reason: str) -> None:
    """No more attempts on this day."""
    ScheduledImport.objects.filter(pk=schedule.pk).update(
        state=state, error=short(reason, 1_000), attempts=0, done_on=_slot(schedule, moment()),
        next_attempt_at=timezone.now(),
    )  # fmt: skip
