"""Keep one django-q2 cluster working: start it, watch that work moves, and start it anew when it does not.

A process that is alive proves nothing. A worker or the process that saves results, killed at the wrong moment, takes
the lock of a queue to its grave: new ones start, say “ready”, and never get a task (django-q2 issues 23 and 339). So
the supervisor watches progress:

* tasks wait, a worker is free, and none was taken for some time: the queue's lock is lost;
* tasks wait, all workers are busy, and none was taken for longer than a task may last;
* results wait, and none was saved for some time: the saver is gone;
* something is due in the table, nothing was fetched and nothing is being taken: the fetcher hangs;
* the cluster has not said anything for a while.

Locks of tasks that were running are not released: they may be another cluster's. They come back after `retry` seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import Error, close_old_connections

from core import jobs, processes
from core.jobs import ClusterState

log = logging.getLogger(__name__)


class Progress:
    """Marks that the cluster's processes leave in a directory: what was taken, who is busy, what was saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self) -> None:
        """A worker has begun a task."""
        self._touch(f"busy-{os.getpid()}")
        self._touch("taken")

    def done(self) -> None:
        """A worker has handed over its result."""
        with contextlib.suppress(OSError):
            (self.folder / f"busy-{os.getpid()}").unlink(missing_ok=True)

    def saved(self) -> None:
        """A result has been dealt with."""
        self._touch("saved")

    def _touch(self, name: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end a worker
            (self.folder / name).touch()

    def mark(self, name: str) -> int:
        """When this last happened; 0 for never."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).stat().st_mtime_ns
        return 0

    def busy(self) -> int:
        """Workers with a task in hand; one that was killed is busy no more."""
        found = 0
        for path in self.folder.glob("busy-*"):
            try:
                os.kill(int(path.name.removeprefix("busy-")), 0)
                found += 1
            except OSError:
                path.unlink(missing_ok=True)
        return found


@dataclass(frozen=True)
class Limits:
    """Seconds without progress that are too many."""

    idle: float = 30.0
    task: float = 330.0
    silent: float = 60.0
    start: float = 60.0


@dataclass
class Watch:
    """Remembers since when each sign of trouble has stood unchanged."""

    limits: Limits
    since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def lasts(self, name: str, trouble: bool, mark: object, limit: float, now: float) -> bool:
        """Whether this trouble has now lasted, with the same mark of progress, for its limit."""
        if not trouble:
            self.since.pop(name, None)
            return False
        if name not in self.since or self.since[name][0] != mark:
            self.since[name] = (mark, now)
        return now - self.since[name][1] >= limit

    def verdict(self, state: ClusterState | None, due: float, progress: Progress, now: float) -> str:
        """Why the cluster must be started anew; empty when all is well."""
        if self.lasts("silent", state is None, None, self.limits.silent, now):
            return "it has said nothing for some time"
        if state is None:
            return ""
        taken, saved, busy = progress.mark("taken"), progress.mark("saved"), progress.busy()
        queued, free = state.waiting > 0, busy < settings.Q_CLUSTER["workers"]
        if self.lasts("free", queued and free, (taken, busy), self.limits.idle, now):
            return "tasks wait and a free worker does not take them"
        if self.lasts("busy", queued, taken, self.limits.task, now):
            return "tasks wait and no worker has taken one for longer than a task may last"
        if self.lasts("saver", state.unsaved > 0, saved, self.limits.idle, now):
            return "results wait and are not saved"
        fetcher = due > self.limits.idle and state.waiting == 0 and free
        if self.lasts("fetcher", fetcher, taken, self.limits.idle, now):
            return "tasks are due and are not fetched"
        return ""


class Supervisor:
    """Runs the cluster as `manage.py work --cluster` in a process group of its own."""

    def __init__(self, limits: Limits | None = None, grace: float = 30.0) -> None:
        task = float(settings.Q_CLUSTER["timeout"] + 30)
        self.limits = limits or Limits(task=task)
        self.grace = grace
        self.stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        processes.adopt_orphans()
        pause = 0.5
        while not self.stopping:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="csbox-work-") as folder:
                self._one_life(Progress(Path(folder)))
            # A cluster that cannot live (no database, say) is tried again ever more slowly.
            pause = 0.5 if time.monotonic() - began > 60 else min(pause * 2, 30.0)
            self._sleep(pause)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.1)

    def _one_life(self, progress: Progress) -> None:
        manage = settings.BASE_DIR / "manage.py"
        command = [sys.executable, str(manage), "work", "--cluster", str(progress.folder)]
        cluster = processes.start(command, env={"CSBOX_IS_WORKER": "1"})
        log.info("worker cluster %s started", cluster.pid)
        watch, began = Watch(self.limits), time.monotonic()
        try:
            while not self.stopping and cluster.poll() is None:
                self._sleep(1.0)
                processes.reap([cluster.pid])
                if time.monotonic() - began < 3.0:
                    continue
                if why := self._look(watch, progress, cluster.pid):
                    log.error("worker cluster %s is started anew: %s", cluster.pid, why)
                    processes.end_group(cluster, 0.0)
                    return
            if not self.stopping:
                log.error("worker cluster %s ended (%s) and is started anew", cluster.pid, cluster.returncode)
        finally:
            processes.end_group(cluster, self.grace if self.stopping else 0.0)
            processes.end_orphans(lambda pid: False, grace=0.0)

    def _look(self, watch: Watch, progress: Progress, pid: int) -> str:
        try:
            close_old_connections()
            state = next((s for s in jobs.clusters() if s.pid == pid and s.host == os.uname().nodename), None)
            due = jobs.oldest_due().total_seconds()
        except (Error, OSError):  # an outage of the database is not the cluster's fault
            watch.since.clear()
            return ""
        return watch.verdict(state, due, progress, time.monotonic())
