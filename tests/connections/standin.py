"""A local server that speaks Stripe's and HubSpot's contracts over real HTTP, with faults on order.

It keeps objects in memory, lists them in pages with the cursors of the real APIs, checks credentials and version
headers, and refuses what the real ones refuse (an unknown `starting_after`, a search beyond 10,000, unknown paths).
Every answer is compared with what the two systems publish (`published`).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.connections import hubspot_side, published, stripe_side

Fault = Callable[["Handler"], bool]


class StandIn(ThreadingHTTPServer):
    """Both systems on one port: /v1/… is Stripe's, /crm/… HubSpot's."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.RLock()
        self.stripe, self.hubspot = stripe_side.Side(), hubspot_side.Side()
        self.faults: list[Fault | None] = []
        self.log: list[tuple[str, str]] = []
        self.strange: list[str] = []  # where an answer was not what the two systems publish
        self.before: Callable[[str], None] = lambda path: None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def paths(self, beginning: str = "") -> list[str]:
        """The paths that were asked for, in order."""
        return [path for _, path in self.log if path.startswith(beginning)]


class Handler(BaseHTTPRequestHandler):
    """One request: a fault if one is ordered, the answer otherwise."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandIn

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """Lists and objects."""
        self._answer(None)

    def do_POST(self) -> None:
        """Searches and batches."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(json.loads(body))

    def _answer(self, body: Any) -> None:
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.log.append((self.command, parts.path))
            self.server.before(parts.path)
            fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is not None and fault(self):
            return
        asked = parse_qsl(parts.query)
        side = self.server.stripe if parts.path.startswith("/v1/") else self.server.hubspot
        with self.server.lock:
            status, found = side.answer(self.command, parts.path, asked, body, dict(self.headers))
            self.server.strange += published.differences(parts.path, status, found)
        self.reply(status, found)

    def reply(self, status: int, body: Any, **headers: str) -> None:
        """Send an answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def busy(seconds: str, status: int = 429) -> Fault:
    """Too many requests: come back in so many seconds."""

    def fault(handler: Handler) -> bool:
        handler.reply(status, {"error": {"message": "Too many requests"}}, Retry_After=seconds)
        return True

    return fault


def broken(status: int = 500) -> Fault:
    """A failure of theirs, with a page that is no JSON."""

    def fault(handler: Handler) -> bool:
        handler.reply(status, b"<html>oops</html>")
        return True

    return fault


def cut(handler: Handler) -> bool:
    """Close the connection with a reset before any answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    return True


def half(handler: Handler) -> bool:
    """Promise an answer, and send the half of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True
    return True


def slow(seconds: float) -> Fault:
    """Answer late."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        return False

    return fault


@contextmanager
def serving() -> Iterator[StandIn]:
    """A stand-in on a free port, until the block ends."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
