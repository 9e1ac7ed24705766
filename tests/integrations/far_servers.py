"""Servers to fetch from: a web server that knows ETags and misbehaves when asked, and a stand-in for a bucket.

The bucket checks every signature by the rules of AWS (Signature Version 4), written here anew and not with the library
that signs, so that a wrong one is refused as by the real thing.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ACCESS, SECRET = "AKIDEXAMPLE", "a/secret+key"


@dataclass
class Far:
    """What a server has and what it was asked; `bodies` by path (of the bucket: by object name)."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    etags: bool = True
    redirect: str = ""
    status: int = 0
    cut: bool = False


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """An answer with its length."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _serving(far: Far, handler: type[_Quiet]) -> Iterator[Far]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    far.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def web_server() -> Iterator[Far]:
    """A web server."""
    far = Far()

    class Handler(_Quiet):
        def do_GET(self) -> None:
            far.asked.append((self.path, dict(self.headers)))
            if far.redirect and self.path != "/moved.csv":
                self.send(302, headers={"Location": far.redirect})
                return
            body = far.bodies.get(self.path)
            if far.status or body is None:
                self.send(far.status or 404)
                return
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            if far.etags and self.headers.get("If-None-Match") == etag:
                self.send(304)
            elif far.cut:
                self.send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
                self.close_connection = True
            else:
                self.send(200, body, {"ETag": etag} if far.etags else {})

    with _serving(far, Handler) as serving:
        yield serving


def _signature(handler: _Quiet) -> str:
    """The signature that the request ought to bear."""
    parts = dict(item.strip().split("=", 1) for item in handler.headers["Authorization"].split(" ", 1)[1].split(","))
    day, region, service, ending = parts["Credential"].split("/")[1:]
    names = parts["SignedHeaders"].split(";")
    address = urlsplit(handler.path)
    query = "&".join(
        f"{quote(key, safe='')}={quote(value, safe='')}"
        for key, value in sorted(parse_qsl(address.query, keep_blank_values=True))
    )
    headers = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names)
    content = handler.headers["x-amz-content-sha256"]
    canonical = "\n".join(["GET", address.path, query, headers, ";".join(names), content])
    scope = f"{day}/{region}/{service}/{ending}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["x-amz-date"], scope, digest])
    key = f"AWS4{SECRET}".encode()
    for word in (day, region, service, ending):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _error(code: str, message: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@contextmanager
def bucket_server(bucket: str) -> Iterator[Far]:
    """A bucket that lists and hands out what it holds to those who sign well."""
    far, kind = Far(), {"Content-Type": "application/xml"}

    class Handler(_Quiet):
        def do_GET(self) -> None:
            far.asked.append((self.path, dict(self.headers)))
            if f"Signature={_signature(self)}" not in self.headers["Authorization"].replace(" ", ""):
                self.send(403, _error("SignatureDoesNotMatch", "The signature is another one."), kind)
                return
            address = urlsplit(self.path)
            name = unquote(address.path).removeprefix(f"/{bucket}").lstrip("/")
            if not unquote(address.path).startswith(f"/{bucket}"):
                self.send(404, _error("NoSuchBucket", "There is no such bucket."), kind)
            elif name:
                body = far.bodies[name]
                self.send(
                    200, body, {"ETag": f'"{hashlib.md5(body).hexdigest()}"', "Last-Modified": formatdate(usegmt=True)}
                )
            else:
                self.send(200, self._listing(dict(parse_qsl(address.query))), kind)

        def _listing(self, query: dict[str, str]) -> bytes:
            rows = "".join(
                f"<Contents><Key>{quote(name, safe='/')}</Key>"
                f"<LastModified>2026-11-{far.times.get(name, 1):02.0f}T04:00:00.000Z</LastModified>"
                f"<ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag><Size>{len(body)}</Size></Contents>"
                for name, body in sorted(far.bodies.items())
                if name.startswith(query.get("prefix", ""))
            )
            return (
                "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
                f"<Name>{bucket}</Name><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
            ).encode()

    with _serving(far, Handler) as serving:
        yield serving
