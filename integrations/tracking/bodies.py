"""Reading the body of a request, whatever its headers claim: length or chunks, gzip or not, UTF-8 or nearly.

The Content-Type says nothing here: browsers send text/plain, one SDK calls its gzipped JSON a form.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

MAX_BODY = 4 * 1024 * 1024  # bytes, after unpacking
DEEPEST = 64  # levels of a body: what is kept of a message has half as many, and every step after this one recurses
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"
_BAD = re.compile("[\x00\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_NAME = re.compile(r'("(?:[^"\\]|\\.)*")\s*:', re.DOTALL)
_LONG_NUMBER = 300  # digits, beyond any number that we keep


class BadRequest(Exception):
    """A request that cannot be taken as a whole; SDKs stop at it, so it is never about what a message says."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


TOO_LARGE = BadRequest(
    413, "too-large", f"The request is larger than {MAX_BODY // 1024 // 1024} MiB. Send less at once."
)
TOO_DEEP = BadRequest(400, "json-too-deep", f"The body is nested more than {DEEPEST} levels deep.")


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
    return unpack(raw).decode("utf-8-sig", "replace")  # some editors and tools begin with a byte order mark


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
    """JSON that the database can keep: no NUL, no lone surrogates, NaN and infinity are null, at most DEEPEST levels.

    A message of a batch that is nested deeper becomes a text in the batch, so that its neighbours are read and it is
    seen in the event debugger; what else of the batch's body is nested deeper becomes null. Raises BadRequest for text
    that is no JSON, and for a body without a batch that is nested deeper.
    """
    try:
        found = _loads(text)
        deep = is_deeper(found, DEEPEST)
    except RecursionError:
        deep = True
    except ValueError as error:
        raise _no_json(getattr(error, "msg", "")) from error
    if deep:
        found = _rescue(text.strip())
    if "\\u0000" in text or "\x00" in text or "\\ud" in text or "\\uD" in text:
        found = cleaned(found)
    return found


def _no_json(detail: str = "") -> BadRequest:
    return BadRequest(400, "invalid-json", f"The body is not JSON. {detail}".strip())


def is_deeper(value: Any, limit: int) -> bool:
    """True if lists and objects are nested more than `limit` levels deep. It looks level by level, so that it needs no
    deeper stack for deeper nesting.
    """
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            item
            for outer in level
            for item in (outer.values() if type(outer) is dict else outer)
            if type(item) is dict or type(item) is list
        ]
    return bool(level)


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
    """Read a body that is nested too deep part by part: each message of a batch, each other member of the object."""
    if text.startswith("["):  # events of an old SDK of PostHog, without a batch around them
        return [_message(part, 1) for part in _parts(text)]
    found: dict[str, Any] = {}
    for part in _parts(text):
        name = _NAME.match(part)
        if name is None:
            raise _no_json()
        key, value = _shallow(name[1], 1), part[name.end() :].strip()
        if key == "batch" and value.startswith("["):
            found[key] = [_message(item, 2) for item in _parts(value)]
        else:
            found[str(key)] = _shallow(value, 1)
    if not isinstance(found.get("batch"), list):
        raise TOO_DEEP
    return found


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas of a list or an object, without reading it. Raises BadRequest if it never ends."""
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if depth == 0 or depth == 1 and mark == ",":
            if part := text[start : token.start()].strip():
                yield part
            start = token.end()
        if depth == 0:
            if start < len(text):
                break
            return
    raise _no_json()


def _message(text: str, outside: int) -> Any:
    """A message; its beginning as a text if it is nested too deep."""
    found = _shallow(text, outside)
    return text[:1_000] if found is None and text != "null" else found


def _shallow(text: str, outside: int) -> Any:
    """The value; None if it is nested too deep, with the levels around it. Raises BadRequest for what is no JSON."""
    try:
        found = _loads(text)
    except RecursionError:
        return None
    except ValueError as error:
        raise _no_json(getattr(error, "msg", "")) from error
    return None if is_deeper(found, DEEPEST - outside) else found
