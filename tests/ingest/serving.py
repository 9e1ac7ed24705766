"""A real server on a port of its own, over the tests' database, and a proxy that disturbs what goes through it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo

START = 120  # seconds for a server on a machine that is busy with other things
ROOT = Path(__file__).resolve().parent.parent.parent


def environment(data: Path, line: Line | None = None) -> dict[str, str]:
    """The environment of a server that uses the test database (by a line), and a data directory of its own."""
    given = connection.get_connection_params()
    named = ("dbname", "host", "port", "user", "password")
    parts = {key: str(given[key]) for key in named if given.get(key)}
    url = make_conninfo(**parts | ({"host": "127.0.0.1", "port": str(line.port)} if line else {}))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CSBOX_")}
    return kept | {
        "DATABASE_URL": url, "CSBOX_DATA_DIR": str(data), "CSBOX_SECRET_KEY": "k" * 60, "CSBOX_STATIC_FROM_APPS": "1",
    }  # fmt: skip


def _is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


class Line:
    """A line to the database that can be cut: what is connected breaks, and new connections are refused. Or it swallows
    what is sent: everything stays connected, new connections are made, and nothing arrives.
    """

    def __init__(self) -> None:
        given = connection.get_connection_params()
        self.host, self.behind = str(given.get("host") or "127.0.0.1"), int(given.get("port") or 5432)
        self.open: set[socket.socket] = set()
        self.gate: socket.socket | None = None
        self.swallows = False
        self.made = 0  # connections, so far
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Let connections through."""
        self.gate = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self.gate.getsockname()[1])
        threading.Thread(target=self._accept, args=(self.gate,), daemon=True).start()

    def cut(self) -> None:
        """Break everything."""
        if self.gate is not None:
            self.gate.shutdown(socket.SHUT_RDWR)
            self.gate.close()
            self.gate = None
        self._break()

    def swallow(self) -> None:
        """Let nothing arrive from now on."""
        self.swallows = True

    def arrive(self) -> None:
        """Let new connections work again; of the old ones something is missing."""
        self.swallows = False
        self._break()

    def _break(self) -> None:
        for end in list(self.open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, gate: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = gate.accept()
                self.made += 1
                if self.host.startswith("/"):
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(f"{self.host}/.s.PGSQL.{self.behind}")
                else:
                    far = socket.create_connection((self.host, self.behind))
                self.open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(65_536):
                if not self.swallows:
                    other.sendall(piece)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self.open.discard(end)


class Server:
    """gunicorn, as `manage.py run` starts it; `kill` ends it as a power cut would. With `preload`, a new worker serves
    at once instead of after the seconds that the imports take.
    """

    def __init__(
        self, data: Path, *, workers: int = 1, threads: int = 8, line: Line | None = None, preload: bool = False
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self.listener.getsockname()[1])
        self.log = data / "server.log"
        self.env = environment(data, line)
        self.command = [
            sys.executable, "-m", "gunicorn", "csbox.wsgi", "--bind", f"fd://{self.listener.fileno()}",
            "--workers", str(workers), "--threads", str(threads), "--log-level", "warning", "--no-control-socket",
        ]  # fmt: skip
        self.command += ["--preload"] if preload else []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, pass_fds=[self.listener.fileno()], stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START
        while time.monotonic() < until:
            with suppress(OSError):
                asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                asked.request("GET", "/healthz")
                if asked.getresponse().status < 500:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the server does not answer: {self.log.read_text()[-2000:]}")

    def workers(self) -> list[int]:
        """The processes that serve, or begin to; not those that were killed and are still listed."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [int(pid) for pid in found.read_text().split()] if found.exists() else []
        return [pid for pid in pids if _is_alive(pid)]

    def kill(self) -> None:
        """End every process of it at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """End it and give its port back."""
        self.kill()
        self.listener.close()


@contextmanager
def served(data: Path, **options: Any) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(data, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Disturber(ThreadingHTTPServer):
    """Passes requests on and disturbs three of ten, in turn in each of six ways; never two that follow each other."""

    daemon_threads = True
    request_queue_size = 128
    WAYS = ("500 before", "500 after", "close before", "close after", "429", "503")
    DISTURBED = (1, 4, 7)

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.guard, self.count = port, threading.Lock(), 0
        self.done: dict[str, int] = {}
        self.seen: set[str] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where an SDK is told to send."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def way(self, body: bytes) -> str:
        """What becomes of the next request; "" for nothing."""
        raw = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        ids = {message["messageId"] for message in json.loads(raw)["batch"]}
        with self.guard:
            self.seen |= ids
            place = self.count
            self.count += 1
            if place % 10 not in self.DISTURBED:
                return ""
            found = self.WAYS[(place // 10 * len(self.DISTURBED) + self.DISTURBED.index(place % 10)) % len(self.WAYS)]
            self.done[found] = self.done.get(found, 0) + 1
            return found

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Disturber

    def do_POST(self) -> None:
        """Read, disturb or pass on, answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        way = self.server.way(body)
        status, said = 500, b"broken"
        if way in ("", "500 after", "close after"):
            status, said = self._pass_on(body)
        if way.startswith("close"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if way:
            status, said = int(way[:3]), b"disturbed"
        self.send_response(status)
        if status in (429, 503):
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        behind.request("POST", self.path, body, headers)
        answer = behind.getresponse()
        return answer.status, answer.read()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""
