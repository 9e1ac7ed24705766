"""Serve pages and work in the background until a signal says stop, and leave no process behind."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import FrameType

from django.conf import settings
from django.db import connections

from core import embedded, processes
from core.failures import PlainError


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
    """A process that is started again, ever more slowly, when it ends by itself."""

    def __init__(self, launch: Callable[[], subprocess.Popen[bytes]], grace: float) -> None:
        self.launch, self.grace = launch, grace
        self.process = launch()
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
            self.process, self.began, self.again_at = self.launch(), now, 0.0

    def stop(self) -> None:
        """End it and its group."""
        processes.end_group(self.process, self.grace)


def web(listener: socket.socket, workers: int, threads: int) -> Child:
    """gunicorn on a socket that we keep, so that a restart loses no address."""
    number = listener.fileno()
    command = [sys.executable, "-m", "gunicorn", "csbox.wsgi", "--bind", f"fd://{number}", "--workers", str(workers)]
    command += ["--threads", str(threads), "--log-level", "warning", "--graceful-timeout", "5"]
    command += ["--no-control-socket"]  # it would lie in a home that an account may not have
    return Child(
        lambda: processes.start(command, cwd=settings.BASE_DIR, pass_fds=[number]),
        grace=8.0,
    )


def background() -> Child:
    """The supervised worker."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--grace", "5"]
    return Child(lambda: processes.start(command), grace=12.0)


def until_stopped(children: list[Child], ready: Callable[[], None]) -> None:
    """Look after the children until SIGTERM, SIGINT or SIGHUP; then end them, their orphans, and the database."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    wanted = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    heard = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]  # nohup has its say
    before = {number: signal.signal(number, stop) for number in heard}
    connections.close_all()
    try:
        ready()
        while not stopping:
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
