"""Starting processes so that none is ever left behind (Linux does most of it for us; elsewhere signals must do)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent(how: int = signal.SIGTERM) -> None:
    """Ask the kernel to send us this signal when our parent is gone, however it went."""
    _prctl(PR_SET_PDEATHSIG, how)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that we can end it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_family_with_parent() -> None:
    """From now on every process that we fork is killed when the process that forked it is gone.

    For the cluster: its workers would go on working as orphans after its main process was killed, and a new cluster
    beside them would be one too many.
    """
    os.register_at_fork(after_in_child=_killed_with_parent)


def _killed_with_parent() -> None:
    die_with_parent(signal.SIGKILL)


def start(argv: list[str], env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process with a group of its own, which ends with us."""
    parent = os.getpid()

    def before_exec() -> None:
        die_with_parent()
        if LINUX and os.getppid() != parent:  # it died between the fork and the request
            os._exit(1)

    return subprocess.Popen(
        argv,
        env=os.environ | (env or {}),
        start_new_session=True,
        preexec_fn=before_exec,
        stdin=subprocess.DEVNULL,
        **options,
    )


def end_group(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the process to end, wait, and kill what is left of its group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children() -> list[int]:
    """Our own children, adopted orphans included (Linux; empty elsewhere)."""
    found = []
    for entry in Path("/proc").iterdir() if LINUX else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # The command's name stands in parentheses and may itself hold blanks and parentheses.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


def reap(known: Iterable[int]) -> None:
    """Collect adopted children that have ended; those in `known` are collected by whoever started them."""
    skip = set(known)
    for pid in children():
        if pid not in skip:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_orphans(spare: Callable[[int], bool], grace: float = 5.0) -> None:
    """End every child that is left, and the children that we inherit from it, except those to be spared."""
    deadline = time.monotonic() + grace
    while left := [pid for pid in children() if not spare(pid)]:
        how = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)
