"""The outermost layer: broken addresses are refused, and whatever fails under /api/ leaves as a problem.

An app whose addresses are asked by programs too declares the form in which its errors leave (`shape_errors_with`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import bad_request

from core.api.problems import CONTENT_TYPE, plain_problem

PREFIX = "/api/"
ENCODING = "The address is not valid UTF-8, or holds a NUL character. Encode it as UTF-8 with percent signs."
BROKEN = re.compile("%[89A-F][0-9A-F]")
_OWN = {"application/json", CONTENT_TYPE}
Shape = Callable[[HttpRequest, int, str], HttpResponse | None]
_shapes: list[Shape] = []


def shape_errors_with(shape: Shape) -> Shape:
    """Declare a function of a request, a status and a sentence ("" for none) that makes the answer; None if the
    request is none of its own.
    """
    _shapes.append(shape)
    return shape


def _shaped(request: HttpRequest, status: int, detail: str = "") -> HttpResponse | None:
    return next((made for shape in _shapes if (made := shape(request, status, detail)) is not None), None)


def readable(raw: bytes) -> bool:
    """True if these bytes are UTF-8 without NUL, so that nothing is silently replaced on the way."""
    try:
        return "\x00" not in raw.decode("utf-8")
    except UnicodeDecodeError:
        return False


def readable_path(request: HttpRequest) -> bool:
    """True if the path was sent as UTF-8 without NUL.

    Django has written bytes that are none back as `%FF` by now, which an id may hold too; where the server passes the
    address on as it came (gunicorn does), that decides.
    """
    if "\x00" in request.path_info:
        return False
    if not BROKEN.search(request.path_info):
        return True
    raw = str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "")
    return bool(raw) and readable(unquote_to_bytes(raw.partition("?")[0]))


class ApiEdgeMiddleware:
    """Refuses addresses that are not UTF-8 anywhere, and gives every error under /api/ the one shape."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = unquote_to_bytes(str(request.META.get("QUERY_STRING", "")))
        ours = request.path.startswith(PREFIX)
        if not readable_path(request) or not readable(query):
            if ours:
                return plain_problem(request, 400, "invalid-encoding", ENCODING)
            return _shaped(request, 400, ENCODING) or bad_request(request, BadRequest(ENCODING))
        response = self.get_response(request)
        if response.status_code < 400:
            return response
        kind = response.headers.get("Content-Type", "").split(";")[0].strip()
        if kind in _OWN:
            return response
        if not ours:
            return _shaped(request, response.status_code) or response
        made = plain_problem(request, response.status_code)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response.headers:
                made.headers[name] = response.headers[name]
        return made


@csrf_exempt
def nothing_here(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    """Any address under /api/ that no view answers."""
    detail = "There is nothing at this address. Addresses end with “/”; the schema at /api/v1/schema/ lists them."
    return plain_problem(request, 404, "not-found", detail)
