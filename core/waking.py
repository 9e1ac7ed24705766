"""One wake-up for many writers: whoever stores something that must be worked on asks for it, one task comes.

A row says that a task was sent and has not begun. Writers ring after their commit and find the row, most of the time;
the task takes it away before it looks at what there is to do, so that whatever is committed afterwards rings anew. A
row whose task was lost counts for nothing after a while, and the tick looks for what is left in any case.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from core.jobs import enqueue
from core.models import WakeUp

LOST_AFTER = dt.timedelta(seconds=20)
_RING = """
INSERT INTO core_wakeup AS old (task, at) VALUES (%s, %s)
ON CONFLICT (task) DO UPDATE SET at = EXCLUDED.at WHERE old.at < %s
RETURNING task
"""


def wake_evaluation() -> None:
    """Let what the caller's transaction stores be evaluated soon after its commit; called often, it rings once."""
    if not connection.in_atomic_block:
        _ring()
    elif not any(entry[1] is _ring for entry in connection.run_on_commit):
        transaction.on_commit(_ring, robust=True)


def _ring() -> None:
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_RING, [settings.EVALUATION, now, now - LOST_AFTER])
        if cursor.fetchone():
            enqueue(settings.EVALUATION)


def hush() -> None:
    """The task has begun: from now on a commit rings again."""
    WakeUp.objects.filter(task=settings.EVALUATION).delete()


def was_rung() -> bool:
    """Whether somebody rang since the last `hush`."""
    return WakeUp.objects.filter(task=settings.EVALUATION).exists()
