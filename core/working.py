"""Rows that a background worker works on for a while, lets go, and takes again until they are done.

The row is the fact and the queue only wakes somebody up, so a wake-up may come twice, late or never. Whoever works
holds the claim; each piece of work asks for it inside its transaction and gives a sign of life. A claim without one for
two minutes is anybody's.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from core.intake import short
from core.jobs import enqueue

LOST_AFTER = dt.timedelta(minutes=2)
GIVE_UP_AFTER = 5


class NotNow(ValueError):
    """The row is not in a state for what was asked; the message says why."""


class Superseded(Exception):
    """The row was cancelled, or somebody else works on it."""


class Worked(models.Model):
    """What such a row keeps of the work: who has it, the last sign of life, how often it was tried in vain."""

    claim = models.CharField(max_length=32, blank=True)
    beat_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True


def free(now: dt.datetime | None = None) -> Q:
    """The rows that wait for somebody, or whose worker was lost."""
    now = now or timezone.now()
    return Q(next_attempt_at__lte=now) & (Q(claim="") | Q(beat_at__isnull=True) | Q(beat_at__lt=now - LOST_AFTER))


def take(row: Any, most: int = GIVE_UP_AFTER) -> bool:
    """Claim a locked row; False if it was tried too often. The attempt is counted before the work, so that a row which
    kills its worker does so five times (or as often as is said)."""
    if row.attempts >= most:
        return False
    row.attempts, row.claim, row.beat_at = row.attempts + 1, uuid.uuid4().hex, timezone.now()
    row.save(update_fields=["attempts", "claim", "beat_at"])
    return True


def later(attempts: int) -> dt.datetime:
    """When to try again after so many attempts in vain."""
    return timezone.now() + dt.timedelta(seconds=30 * 2**attempts)


def take_one(due: QuerySet[Any], pk: int) -> Any:
    """Lock one of the rows that are due and claim it; None if nobody may have it now. One that was tried too often
    comes back without a claim, for the caller to give up."""
    row = due.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
    if row is not None and not take(row):
        row.claim = ""
    return row


def still_mine(row: Any) -> None:
    """Lock the row in the transaction of a piece of work; raises Superseded if it has ended or somebody else has it."""
    rows = type(row).objects.select_for_update(no_key=True).filter(pk=row.pk)
    if not rows.filter(claim=row.claim, state="running").exists():
        raise Superseded


def give_sign(row: Any, done: int, *also: str) -> None:
    """Store how many pieces are done, with other fields that changed: work that goes on was not tried in vain."""
    row.done, row.attempts, row.beat_at, row.error = done, 0, timezone.now(), ""
    row.save(update_fields=["done", "attempts", "beat_at", "error", *also])


def let_go(row: Any, task: str, error: str = "", attempts: int = 0) -> None:
    """Leave the rest to the next worker: at once, or some time after an error."""
    with transaction.atomic():
        wait = {"error": error, "next_attempt_at": later(attempts)} if error else {"attempts": 0}
        mine = type(row).objects.filter(pk=row.pk, claim=row.claim, state="running")
        if mine.update(claim="", **wait) and not error:
            enqueue(task, row.pk)


def end(row: Any, state: str, error: str = "") -> None:
    """Say how it ended; the caller has the row."""
    row.state, row.claim, row.error, row.finished_at = state, "", short(error, 1_000), timezone.now()
    row.save(update_fields=["state", "claim", "error", "finished_at", "updated_at"])
