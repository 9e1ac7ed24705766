"""A local server that takes webhooks and batches as receivers do: it keeps what came, byte for byte, and answers on
order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request: its path, headers (in small letters) and body as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Endpoint:
    """What came, in order; the answers to the next requests, `(status, headers)`; what is done before an answer."""

    url: str = ""
    got: list[Request] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    before: Callable[[Request], None] | None = None
    delay: float = 0

    def answer(self, *statuses: int, **headers: str) -> None:
        """Answer the next requests so."""
        self.answers += [
            (status, {name.replace("_", "-"): value for name, value in headers.items()}) for status in statuses
        ]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every message of every batch, in order."""
        return [message for request in self.got for message in request.said.get("batch", [])]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event of a webhook, in order."""
        return [request.said for request in self.got]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    endpoint: Endpoint

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Keep it, and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.endpoint.got.append(request)
        status, headers = self.endpoint.answers.pop(0) if self.endpoint.answers else (200, {})
        if self.endpoint.before:
            self.endpoint.before(request)
        if self.endpoint.delay:
            time.sleep(self.endpoint.delay)
        self.send_response(status)
        for name, value in ({"Content-Length": "2"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """A client that has gone is none of ours."""


@contextmanager
def serving() -> Iterator[Endpoint]:
    """The server, until the end of the block."""
    found = Endpoint()
    server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"endpoint": found}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
