"""The queue: the only file that knows django-q2.

The queue carries wake-ups, never facts: what is due stands in tables of ours, and a wake-up may come twice, late or
never (a sweeper finds what it left). So a task is a dotted name, its arguments are ids or short strings, and it returns
None: a result that cannot be pickled, or a group name that is too long, would make django-q2 repeat the task for ever.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

MAX_ARGUMENT = 200


def enqueue(task: str, *ids: int | str) -> None:
    """Ask for this task to run soon.

    The database broker's row is part of the caller's transaction: it appears with the commit and vanishes with a
    rollback, so a crash cannot separate the two. Redis knows nothing of the transaction and is told after the commit.
    """
    for given in ids:
        if not isinstance(given, int | str) or (isinstance(given, str) and len(given) > MAX_ARGUMENT):
            raise TypeError(f"{task}: a task takes ids and short strings, not {type(given).__name__}")
    if settings.REDIS_URL:
        transaction.on_commit(partial(_put, task, ids))
    else:
        _put(task, ids)


def _put(task: str, ids: tuple[int | str, ...]) -> None:
    from django_q.tasks import async_task

    # A success needs no row: what it did is recorded where it was done. Failures are kept by django-q2 itself.
    async_task(task, *ids, task_name=task.rsplit(".", 1)[-1][:100], save=False)


@dataclass(frozen=True)
class ClusterState:
    """What one cluster says of itself, a few times a second."""

    host: str
    pid: int
    status: str
    waiting: int  # fetched, and not yet taken by a worker
    unsaved: int  # done, and not yet taken by the process that acknowledges
    workers: int


def clusters() -> list[ClusterState]:
    """Every cluster that gave a sign of life within the last seconds."""
    from django_q.status import Stat

    return [
        ClusterState(s.host, s.pid, str(s.status), s.task_q_size, s.done_q_size, len(s.workers)) for s in Stat.get_all()
    ]


def oldest_due() -> dt.timedelta:
    """For how long the oldest task has been waiting to be fetched; zero for an empty queue and for Redis."""
    from django_q.conf import Conf
    from django_q.models import OrmQ

    if settings.REDIS_URL:
        return dt.timedelta()
    now = timezone.now()
    first = (
        OrmQ.objects.filter(key=Conf.CLUSTER_NAME, lock__lt=now).order_by("lock").values_list("lock", flat=True).first()
    )
    return now - first if first else dt.timedelta()


def waiting() -> int:
    """How many tasks are in the queue, running ones included."""
    from django_q.brokers import get_broker

    broker = get_broker()
    return int(broker.queue_size() or 0) + int(broker.lock_size() or 0)


def failures_since(moment: dt.datetime) -> int:
    """How many tasks have failed for good or for the time being."""
    from django_q.models import Failure

    return Failure.objects.filter(stopped__gte=moment).count()


def forget_results_before(moment: dt.datetime) -> int:
    """Delete old rows of finished tasks; how many."""
    from django_q.models import Task

    return Task.objects.filter(stopped__lt=moment).delete()[0]


def schedule_every_minute(name: str, task: str) -> None:
    """Make this the only schedule that django-q2 has.

    One, because a single malformed row stops all of django-q2's schedules, and because its daily and cron schedules
    drift or repeat when clocks change. What is due when is decided by the tick, from tables of ours.
    """
    from django_q.models import Schedule

    with transaction.atomic():
        Schedule.objects.exclude(name=name).delete()
        wanted = {"func": task, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
        # Concurrent starts may have made two rows; django-q2 has no unique constraint that would stop them.
        rows = list(Schedule.objects.select_for_update().filter(name=name).order_by("pk"))
        for extra in rows[1:]:
            extra.delete()
        if not rows:
            Schedule.objects.create(name=name, kwargs="q_options={'save': False}", next_run=timezone.now(), **wanted)
        else:
            Schedule.objects.filter(pk=rows[0].pk).update(kwargs="q_options={'save': False}", **wanted)


def run_cluster(on_take: Callable[[], None], on_done: Callable[[], None], on_saved: Callable[[], None]) -> None:
    """Become a cluster, until a signal ends it; the three functions are called in its processes, as work goes on."""
    from django_q.cluster import Cluster
    from django_q.signals import post_execute, post_execute_in_worker, pre_execute

    def call(function: Callable[[], None], **_: Any) -> None:
        function()

    receivers = [partial(call, on_take), partial(call, on_done), partial(call, on_saved)]
    for signal, receiver in zip((pre_execute, post_execute_in_worker, post_execute), receivers, strict=True):
        signal.connect(receiver, weak=False, dispatch_uid=f"{os.getpid()}-{uuid.uuid4()}")
    Cluster().start()


def close_admin() -> None:
    """Take the queue's forms out of the Django admin: a row of Schedule or OrmQ runs any function that it names."""
    from django.contrib import admin
    from django_q import admin as theirs  # registers its forms now, so that they can be taken out
    from django_q.models import Failure, OrmQ, Schedule, Success

    for model in (Schedule, OrmQ, Success, Failure):
        if admin.site.is_registered(model):
            admin.site.unregister(model)

    class FailureAdmin(theirs.FailAdmin):  # type: ignore[misc]
        """Failed tasks can be looked at, and deleted when they have been understood; not edited or sent again."""

        actions: list[Any] = []

        def has_change_permission(self, request: Any, obj: Any = None) -> bool:
            return False

    admin.site.register(Failure, FailureAdmin)
