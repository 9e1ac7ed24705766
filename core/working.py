"""Rows that a background worker works on for a while, lets go, and takes again until they are done.

The row is the fact and the queue only wakes somebody up, so a wake-up may come twice, late or never. Whoever works
holds the claim; each piece of work asks for it inside its transaction and gives a sign of life. A claim without one for
two minutes is anybody's.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

LOST_AFTER = dt.timedelta(minutes=2)
GIVE_UP_AFTER = 5


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
