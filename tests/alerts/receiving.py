"""A local server that takes notifications as Slack and a receiver of Standard Webhooks do, and refuses as they do.

Slack's answers are those that its documentation of incoming webhooks names. Of a webhook the signature is checked by
the words of the specification, written here anew and not with the code that signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLACK_PATH, HOOK_PATH = "/services/T0/B0/xyz", "/hook"


@dataclass
class Receiver:
    """What came: key and body of each message, in order; answers on order, `(status, body, headers)`."""

    url: str = ""
    secret: str = ""
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)

    @property
    def slack(self) -> str:
        """The address of the incoming webhook."""
        return self.url + SLACK_PATH

    @property
    def hook(self) -> str:
        """The address of the plain webhook."""
        return self.url + HOOK_PATH


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    receiver: Receiver

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """One message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.receiver.answers:
            status, text, headers = self.receiver.answers.pop(0)
        else:
            status, text, headers = self._judge(body)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(text.encode()))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def _judge(self, body: bytes) -> tuple[int, str, dict[str, str]]:
        try:
            said = json.loads(body)
        except ValueError:
            return 400, "invalid_payload", {}
        if self.path == SLACK_PATH:
            return self._slack(said)
        if self.path != HOOK_PATH:
            return 404, "no_service", {}
        key, at, signed = (self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        raw = base64.b64decode(self.receiver.secret.removeprefix("whsec_")) if self.receiver.secret else b""
        right = base64.b64encode(hmac.new(raw, b".".join([key.encode(), at.encode(), body]), hashlib.sha256).digest())
        if self.receiver.secret and f"v1,{right.decode()}" not in signed.split(" "):
            return 401, "bad signature", {}
        self.receiver.got.append((key, said))
        return 204, "", {}

    def _slack(self, said: Any) -> tuple[int, str, dict[str, str]]:
        blocks = said.get("blocks", []) if isinstance(said, dict) else []
        texts = [block["text"]["text"] for block in blocks if block.get("type") == "section"]
        if not isinstance(said, dict) or not (said.get("text") or blocks):
            return 400, "no_text", {}
        if len(blocks) > 50 or any(not text or len(text) > 3_000 for text in texts):
            return 400, "invalid_blocks", {}
        self.receiver.got.append((self.headers.get("Idempotency-Key", ""), said))
        return 200, "ok", {}


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """A client that was killed is none of ours."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The server, until the end of the block."""
    found = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": found})
    server = _Quiet(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
