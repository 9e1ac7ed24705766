"""Imports when things happen at once: workers killed for real, two at the same import, a cancel in the middle."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, AttributeChange
from integrations.imports import running
from integrations.models import Import, ImportedRow
from tests.integrations.imported import draft, ended
from tests.integrations.reading import ROOT
from tests.integrations.test_load_as_a_process import environment

pytestmark = pytest.mark.usefixtures("committed")
ROWS = 6_000
WORK = """
import sys, django
django.setup()
from integrations.imports import running
running.BATCH = 200
running.work(int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def content(rows: int) -> str:
    return "id,name,mrr\n" + "".join(f"k{n},Name {n},{'x' if n % 10 == 0 else n}\n" for n in range(rows))


def killed_after(job: Import, batches: int) -> None:
    """A worker of its own, killed when it has done some batches more."""
    goal = Import.objects.get(pk=job.pk).position + 200 * batches
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(job.pk)],
        cwd=ROOT, env=environment() | {"CSBOX_DATA_DIR": os.fspath(running.settings.DATA_DIR)},
    )  # fmt: skip
    ends = time.monotonic() + 60
    while time.monotonic() < ends and Import.objects.get(pk=job.pk).position < goal and worker.poll() is None:
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


@pytest.mark.machine
def test_workers_that_are_killed_lose_nothing_and_do_nothing_twice() -> None:
    job = draft(content(ROWS))
    running.start(job)
    for batches in (1, 6):
        killed_after(job, batches)
        job.refresh_from_db()
        assert 0 < job.position < ROWS and job.state == "running"
        assert Account.objects.count() == job.created == job.rows - job.bad_rows
        Import.objects.filter(pk=job.pk).update(beat_at=timezone.now() - dt.timedelta(minutes=3))
    ended(job)
    bad = ROWS // 10
    assert (job.state, job.rows, job.created, job.updated, job.bad_rows) == ("done", ROWS, ROWS - bad, 0, bad)
    assert Account.objects.count() == ROWS - bad == ImportedRow.objects.filter(job=job).count()
    assert job.rejects.count() == bad == job.rejects.values("line").distinct().count()
    assert AttributeChange.objects.filter(key="name").count() == ROWS - bad


def test_two_workers_and_a_cancel_at_once(at_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 50)
    job = draft(content(1_000))
    running.start(job)
    assert at_once(*[lambda: running.work(job.pk)] * 3) == [None] * 3
    job.refresh_from_db()
    assert (job.state, job.rows, job.created) == ("done", 1_000, 900)
    other = draft("id,name\n" + "".join(f"c{n},N\n" for n in range(3_000)))
    running.start(other)

    def cancel() -> None:
        while Import.objects.get(pk=other.pk).position < 100:
            time.sleep(0.01)
        running.cancel(other)

    assert at_once(lambda: running.work(other.pk), cancel) == [None, None]
    other.refresh_from_db()
    made = Account.objects.filter(external_id__startswith="c").count()
    assert other.state == "cancelled" and 100 <= made < 3_000 and made == other.created
    running.ask_undo(other)
    assert at_once(*[lambda: running.work(other.pk)] * 3) == [None] * 3
    other.refresh_from_db()
    assert other.state == "undone" and other.undo_report == {"removed": made}
    assert Account.objects.count() == 900
