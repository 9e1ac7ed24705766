"""Work that is due once a local day, whatever clocks, restarts and outages do.

The slot is a local date and the wall time from the settings. It is due from the first moment at which the local clock
shows that time or later, so a time that a clock change skips comes right after the gap and one that occurs twice counts
once. After an outage only the newest slot is run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from core.models import DailyJob

GIVE_UP_AFTER = 5
LOST_AFTER = dt.timedelta(minutes=30)


def newest_slot(now: dt.datetime, at: dt.time) -> dt.date:
    """The local date whose slot came last; `now` is in the local zone."""
    return now.date() if now.time() >= at else now.date() - dt.timedelta(days=1)


def is_open(name: str, local_date: dt.date) -> bool:
    """True if the slot was not finished, is not being worked on, and was not given up."""
    job = DailyJob.objects.filter(name=name, local_date=local_date).first()
    return job is None or _claimable(job)


def _claimable(job: DailyJob) -> bool:
    if job.finished_at is not None or job.attempts >= GIVE_UP_AFTER:
        return False
    return job.started_at is None or job.started_at < timezone.now() - LOST_AFTER


@contextmanager
def claimed(name: str, local_date: dt.date) -> Iterator[bool]:
    """Take the slot; yields False if somebody else has it.

    The attempt is committed before the work, so that work which kills its worker is not repeated for ever. The slot is
    finished when the block ends without an exception; after one it is open again.
    """
    with transaction.atomic():
        DailyJob.objects.get_or_create(name=name, local_date=local_date)
        job = DailyJob.objects.select_for_update().get(name=name, local_date=local_date)
        mine = _claimable(job)
        if mine:
            job.attempts, job.started_at = job.attempts + 1, timezone.now()
            job.save()
    try:
        yield mine
    except BaseException:
        if mine:
            DailyJob.objects.filter(pk=job.pk).update(started_at=None)
        raise
    if mine:
        DailyJob.objects.filter(pk=job.pk).update(finished_at=timezone.now())
