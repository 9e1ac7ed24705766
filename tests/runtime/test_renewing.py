"""An upgrade without a gap: new processes serve before old ones end, and code that does not start changes nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from core import processes
from csbox.serving import READY, Child
from tests.runtime.conftest import Home, eventually, free_port

pytestmark = pytest.mark.machine

READY_AT_ONCE = (
    f"import os, pathlib, time; pathlib.Path(os.environ.get('{READY}', '/dev/null')).touch(); time.sleep(60)"
)


def test_new_processes_answer_before_the_old_ones_end(home_with_tables: Home) -> None:
    home, port = home_with_tables, free_port()
    home.start("run", "--port", str(port), "--no-worker", "--processes", "1", CSBOX_DEBUG="1")
    eventually(lambda: "csbox serves" in home.output() or home.ended(), 120, "serving")
    address = f"http://127.0.0.1:{port}/healthz"
    eventually(lambda: status(address) == 200, 60, "an answer")
    first = set(home.processes("csbox.wsgi"))
    seen: list[object] = []
    together: list[bool] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen.append(status(address))
            now = set(home.processes("csbox.wsgi"))
            together.append(bool(now & first) and bool(now - first))
            time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        done = home.manage("run", "--renew", CSBOX_DEBUG="1")
    finally:
        over.set()
        asking.join()
    assert done.returncode == 0, done.stderr
    assert not first & set(home.processes("csbox.wsgi"))
    assert any(together) and "Renewed." in home.output()
    # A connection that an ending process had just taken may be cut; the next one is answered, so an SDK's first
    # repetition is. The socket is never closed.
    failed = [answer != 200 for answer in seen]
    assert len(seen) > 20 and sum(failed) <= 1, seen
    assert not any("refused" in str(answer) for answer in seen)


def test_there_must_be_one_that_runs(home: Home) -> None:
    done = home.manage("run", "--renew")
    assert done.returncode == 1 and "Start it with: python3 manage.py run" in done.stderr


def test_what_a_killed_one_had_announced_signals_nobody(home: Home) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    home.data.mkdir(parents=True)
    (home.data / "run.lock").write_text(f'{{"place": "http://x", "pid": {other.pid}, "renewals": 0}}')
    done = home.manage("run", "--renew")
    assert done.returncode == 1 and "Start it with" in done.stderr
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import time; time.sleep(60)"])
def test_code_that_does_not_start_leaves_the_old_process(code: str, tmp_path: Path) -> None:
    scripts = [READY_AT_ONCE, code, READY_AT_ONCE]

    def launch(more: dict[str, str]) -> subprocess.Popen[bytes]:
        return processes.start([sys.executable, "-c", scripts.pop(0)], env=more)

    child = Child(launch, grace=1.0, says_ready=True)
    old = child.process
    assert not child.renew(lambda: False, patience=2.0)
    assert child.process is old and old.poll() is None
    assert child.renew(lambda: False)
    assert child.process is not old and old.poll() is not None and child.process.poll() is None
    child.stop()


def status(address: str) -> object:
    """The code of the answer, or why there is none."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except OSError as error:
        return str(error)
