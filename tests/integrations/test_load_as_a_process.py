"""`manage.py load` as a process of its own: memory that does not grow with the file, Ctrl-C, exit codes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from accounts.models import Account
from tests.integrations.reading import ROOT
from usage.models import Event

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("committed")]
# Several batches of 2,000 rows; 90,000 rows kept would take far more than the tenth that is allowed.
MANY, FEW = 100_000, 10_000
# Prints the peak of resident memory in kilobytes after the command.
MEASURED = """
import resource, sys
from csbox.runner import run_command
try:
    code = run_command(["manage.py", *sys.argv[1:]])
except SystemExit as end:
    code = end.code
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def environment() -> dict[str, str]:
    """The process works on the test's own database."""
    found = connection.settings_dict
    parts = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    address = make_conninfo(**{key: str(found[name]) for key, name in parts.items() if found[name]})
    return os.environ | {"DATABASE_URL": address, "CSBOX_DEBUG": "1", "DJANGO_SETTINGS_MODULE": "csbox.settings"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, int]:
    out, errors = process.communicate(timeout=240)
    peak = int(out.rsplit("peak", 1)[1]) if "peak" in out else 0
    return process.returncode, out + errors, peak


def write_events(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("message_id,event,timestamp,pages\n")
        for number in range(rows):
            file.write(f"m{number},Report Viewed,2026-0{number % 6 + 1}-15T10:00:00Z,{number}\n")
    return path


def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    peaks = []
    for rows in (FEW, MANY):
        path = write_events(tmp_path / f"{rows}.csv", rows)
        code, said, peak = finish(start("load", "events", str(path), "--source", str(rows), "--no-refresh"))
        assert code == 0 and f"{rows:,} stored" in said, said
        peaks.append(peak)
    record_property("peak_kilobytes", peaks)
    assert Event.objects.count() == FEW + MANY
    assert peaks[1] < peaks[0] * 1.10, f"{FEW:,} rows took {peaks[0]} kB, {MANY:,} rows {peaks[1]} kB"
    assert peaks[1] < resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 300_000


def test_ctrl_c_ends_between_two_batches_and_a_second_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("id,name\n" + "".join(f"a{number},Name {number}\n" for number in range(30_000)))
    process = start("load", "accounts", str(path), "--batch", "100")
    deadline = time.monotonic() + 60
    while not Account.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, said, _ = finish(process)
    assert code == 130 and "run it again to go on" in said, said
    count = Account.objects.count()
    assert 0 < count < 30_000 and count % 100 == 0


@pytest.mark.parametrize(("rows", "code"), [("a,A\n,B\n", 0), ("", 0), (",A\n,B\n", 1)])
def test_the_exit_code_says_whether_anything_could_be_loaded(tmp_path: Path, rows: str, code: int) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("id,name\n" + rows)
    assert finish(start("load", "accounts", str(path)))[0] == code
