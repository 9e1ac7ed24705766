"""Writes down what real SDKs send: `record.py PYTHON_SDKS_FOLDER`, after `npm ci --prefix tests/sdk/node`.

A server answers as csbox does and keeps each request: its address, the headers that matter, and its body, unpacked.
`tests/ingest/payloads/<sdk>.json` is what `tests/ingest/test_payloads.py` replays.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAYLOADS = HERE.parent / "ingest" / "payloads"
KEY = "wk_of-a-test-and-nowhere-else"
HEADERS = ("Authorization", "Content-Type", "Content-Encoding", "User-Agent")
NODE, PYTHON = (
    ["node", str(HERE / "node" / "one_of_each.mjs")],
    [sys.executable, str(HERE / "python" / "one_of_each.py")],
)
WAYS = {
    "segment-python": [*PYTHON, "segment"],
    "rudder-python": [*PYTHON, "rudder"],
    "posthog-python": [*PYTHON, "posthog"],
    "userlist-python": [*PYTHON, "userlist"],
    "segment-node": [*NODE, "segment"],
    "rudder-node": [*NODE, "rudder"],
}


class Recorder(ThreadingHTTPServer):
    """Keeps requests in the order in which they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Answers every request well."""

    server: Recorder

    def _take(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
        if not self.path.startswith(("/flags", "/decide")):
            at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
            kept = {"at": at, "method": self.command, "path": self.path, "headers": headers, "body": json.loads(raw)}
            self.server.kept.append(kept)
        said = b'{"status": 1}' if b'"api_key"' in raw else b'{"success": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_DELETE = _take

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def main(folder: str) -> None:
    """Run each SDK against a recorder of its own, and write its file."""
    for name, command in WAYS.items():
        recorder = Recorder()
        url = f"http://127.0.0.1:{recorder.server_address[1]}"
        subprocess.run([*command, url, KEY], env=os.environ | {"PYTHONPATH": folder}, check=True, timeout=60)
        recorder.shutdown()
        text = json.dumps(recorder.kept, indent=1, ensure_ascii=True)
        (PAYLOADS / f"{name}.json").write_text(text + "\n")
        sys.stdout.write(f"{name}: {len(recorder.kept)} requests\n")


if __name__ == "__main__":
    main(sys.argv[1])
