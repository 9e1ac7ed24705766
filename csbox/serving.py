"""Serve pages and work in the background until a signal says stop, and leave no process behind."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import connections

from core import embedded, processes
from core.failures import PlainError
from csbox.web_process import READY


def claim_port(host: str, port: int) -> socket.socket:
    """Bind now and serve later: a port that is taken is said before anything slow, and nobody takes it meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # two programs may bind one port; only one may listen
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PlainError(
                f"Port {port} is taken: stop the program that uses it, or choose another one with --port {port + 1}."
            ) from None
        if error.errno == errno.EACCES:
            raise PlainError(f"Port {port} needs special rights: choose one above 1023 with --port 8000.") from None
        raise PlainError(f"Cannot listen on {host} port {port}: {error.strerror}.") from None
    return listener


def answers(port: int, patience: float = 30.0) -> bool:
    """Whether the pages answer, once they have had time to start."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            time.sleep(0.2)
    return False


class Child:
    """A process that is started again, ever more slowly, when it ends by itself.

    One that says when it is ready (by the file that READY names in its environment) is renewed without a gap.
    """

    def __init__(
        self, launch: Callable[[dict[str, str]], subprocess.Popen[bytes]], grace: float, says_ready: bool = False
    ) -> None:
        self.launch, self.grace, self.says_ready = launch, grace, says_ready
        self.process = launch({})
        self.began = time.monotonic()
        self.pause, self.again_at = 0.5, 0.0

    def look_after(self) -> None:
        """Start it again if it is gone."""
        now = time.monotonic()
        if self.process.poll() is None:
            return
        if not self.again_at:
            processes.end_group(self.process, 0.0)
            self.pause = 0.5 if now - self.began > 60 else min(self.pause * 2, 30.0)
            self.again_at = now + self.pause
        elif now >= self.again_at:
            self.process, self.began, self.again_at = self.launch({}), now, 0.0

    def renew(self, stopping: Callable[[], bool], patience: float = 60.0) -> bool:
        """Put a new process, with the code as it is now, into its place. False: the new one did not become ready within
        `patience` seconds, or we are stopping meanwhile; the old one goes on."""
        if not self.says_ready:
            processes.end_group(self.process, self.grace)
            self.process, self.began, self.again_at = self.launch({}), time.monotonic(), 0.0
            return True
        with tempfile.TemporaryDirectory(prefix="csbox-ready-") as folder:
            mark = Path(folder) / "ready"
            new = self.launch({READY: str(mark)})
            until = time.monotonic() + patience
            while not mark.exists():
                if new.poll() is not None or stopping() or time.monotonic() > until:
                    processes.end_group(new, 0.0)
                    return False
                time.sleep(0.05)
        old, self.process, self.began, self.again_at = self.process, new, time.monotonic(), 0.0
        processes.end_group(old, self.grace)
        return True

    def stop(self) -> None:
        """End it and its group."""
        processes.end_group(self.process, self.grace)


def web(listener: socket.socket, workers: int, threads: int) -> Child:
    """gunicorn on a socket that we keep, so that a restart loses no address."""
    number = listener.fileno()
    command = [sys.executable, "-m", "gunicorn", "csbox.wsgi", "--bind", f"fd://{number}", "--workers", str(workers)]
    command += ["--threads", str(threads), "--log-level", "warning", "--graceful-timeout", "5"]
    command += ["--no-control-socket"]  # it would lie in a home that an account may not have
    command += ["--config", "python:csbox.web_process"]
    return Child(
        lambda more: processes.start(command, env=more, cwd=settings.BASE_DIR, pass_fds=[number]),
        grace=8.0,
        says_ready=True,
    )


def background() -> Child:
    """The supervised worker."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--grace", "5"]
    return Child(lambda more: processes.start(command, env=more), grace=12.0)


def until_stopped(
    children: list[Child], ready: Callable[[], None], renewed: Callable[[bool], None] | None = None
) -> None:
    """Look after the children until SIGTERM, SIGINT or SIGHUP; then end them, their orphans, and the database.

    With `renewed`, SIGUSR2 puts new processes into their places; it hears whether they all came up.
    """
    stopping: list[int] = []
    renewing: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    wanted = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    heard = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]  # nohup has its say
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in heard}
    if renewed is not None:
        before[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, lambda number, frame: renewing.append(number))
    connections.close_all()
    try:
        ready()
        while not stopping:
            if renewing and renewed is not None:
                renewing.clear()
                renewed(all([child.renew(lambda: bool(stopping)) for child in children]))
            for child in children:
                child.look_after()
            processes.reap(child.process.pid for child in children)
            time.sleep(0.2)
    finally:
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()  # all at once; then wait for one after the other
        for child in children:
            child.stop()
        processes.end_orphans(embedded.is_server)
        embedded.let_go()
        processes.end_orphans(lambda pid: False, grace=10.0)
        for number, handler in before.items():
            signal.signal(number, handler)
