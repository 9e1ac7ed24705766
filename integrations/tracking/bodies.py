"""Reading the body of a request, whatever its headers claim: length or chunks, gzip or not, UTF-8 or nearly.

The Content-Type says nothing here: browsers send text/plain, one SDK calls its gzipped JSON a form.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

MAX_BODY = 4 * 1024 * 1024  # bytes, after unpacking
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"
_BAD = re.compile("[\x00\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_LONG_NUMBER = 300  # digits, beyond any number that we keep


class BadRequest(Exception):
    """A request that cannot be taken as a whole; SDKs stop at it, so it is never about what a message says."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


TOO_LARGE = BadRequest(
    413, "too-large", f"The request is larger than {MAX_BODY // 1024 // 1024} MiB. Send less at once."
)


def read_body(request: HttpRequest) -> str:
    """The text of the body. Raises BadRequest if it is too large, cut short or not what it is packed as."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError as error:
        raise BadRequest(400, "bad-length", "Content-Length is not a number.") from error
    if length > MAX_BODY:
        raise TOO_LARGE
    try:
        raw = _read_chunks(request) if _is_chunked(request) else request.read(MAX_BODY + 1)
    except (UnreadablePostError, OSError, RequestDataTooBig) as error:
        raise BadRequest(400, "cut-short", "The connection ended before the body did.") from error
    if len(raw) > MAX_BODY:
        raise TOO_LARGE
    if len(raw) < length:
        raise BadRequest(400, "cut-short", "The body is shorter than Content-Length says.")
    return unpack(raw).decode("utf-8", "replace")


def _is_chunked(request: HttpRequest) -> bool:
    """Chunks without a length: Django reads nothing then, and the server below it knows where they end."""
    chunked = "chunked" in str(request.META.get("HTTP_TRANSFER_ENCODING", "")).lower()
    return chunked and not request.META.get("CONTENT_LENGTH") and "wsgi.input" in request.META


def _read_chunks(request: HttpRequest) -> bytes:
    if not request.META.get("wsgi.input_terminated"):
        raise BadRequest(411, "length-required", "This server needs a Content-Length. Let the proxy buffer requests.")
    return bytes(request.META["wsgi.input"].read(MAX_BODY + 1))


def unpack(raw: bytes) -> bytes:
    """The bytes, unpacked if they are packed; their own beginning decides. Raises BadRequest."""
    if not (raw.startswith(_GZIP) or raw[:1] == _ZLIB and raw[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")):
        return raw
    unpacker = zlib.decompressobj(wbits=47)
    try:
        found = unpacker.decompress(raw, MAX_BODY + 1)
    except zlib.error as error:
        raise BadRequest(400, "bad-gzip", "The body is not whole gzip.") from error
    if len(found) > MAX_BODY:
        raise TOO_LARGE
    if not unpacker.eof:
        raise BadRequest(400, "bad-gzip", "The gzipped body ends too early.")
    return found


def parse(text: str) -> Any:
    """JSON that the database can keep: no NUL, no lone surrogates, NaN and infinity are null. Raises BadRequest.

    A message that is nested too deep for the parser becomes a text in the batch, so that its neighbours are read.
    """
    try:
        found = _loads(text)
    except RecursionError:
        found = _rescue(text)
    except ValueError as error:
        detail = getattr(error, "msg", "")
        raise BadRequest(400, "invalid-json", f"The body is not JSON. {detail}".strip()) from error
    if "\\u0000" in text or "\x00" in text or "\\ud" in text or "\\uD" in text:
        found = cleaned(found)
    return found


def _loads(text: str) -> Any:
    return json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_float, parse_int=_int)


def _float(text: str) -> float | None:
    number = float(text)
    return number if number - number == 0 else None


def _int(text: str) -> int | None:
    return int(text) if len(text) < _LONG_NUMBER else None


def cleaned(value: Any) -> Any:
    """The value without NUL characters, and with U+FFFD for lone surrogates; keys too."""
    if isinstance(value, str):
        return _BAD.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", value) if _BAD.search(value) else value
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    return value


def _rescue(text: str) -> Any:
    """Read each member of the batch by itself; one that cannot be read stays a text."""
    found = re.search(r'"batch"\s*:\s*\[', text)
    members: list[Any] = []
    if found is None:
        return {}
    depth, start = 0, found.end()
    for token in _TOKEN.finditer(text, found.end()):
        mark = token[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if depth < 0 or (depth == 0 and mark == ","):
            members.append(_member(text[start : token.start()]))
            start = token.end()
        if depth < 0:
            break
    return {"batch": members}


def _member(text: str) -> Any:
    try:
        return _loads(text)
    except (RecursionError, ValueError):
        return text[:1_000]
