"""The error contract: every error under /api/ is `application/problem+json` (RFC 9457) with one shape.

`type` ends with a stable code, `detail` says what to do, `errors` names each wrong place: a `pointer` into the body
or the query `parameter`. Nothing of the server's inside (statements, paths, traces) is ever told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.encoding import iri_to_uri
from rest_framework import exceptions, status

from core.intake import BadValue, NameTaken, short
from core.logs import request_id
from core.refusals import Problem
from core.versions import Stale

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
LONGEST_ECHO = 80
_CODES = {400: "bad-request", 401: "not-authenticated", 403: "forbidden", 404: "not-found", 405: "method-not-allowed"}
_CODES |= {406: "not-acceptable", 409: "conflict", 412: "stale", 413: "body-too-large", 415: "unsupported-media-type"}
_CODES |= {428: "precondition-required", 429: "too-many-requests", 500: "server-error", 503: "not-available"}
_WORDS = {
    400: "The request cannot be read. Compare it with the schema at /api/v1/schema/.",
    401: "Send the header “Authorization: Token …” with a token of yours, or log in.",
    403: "Your role does not allow this. Ask an administrator.",
    404: "There is nothing at this address, or it is not yours to see.",
    413: "The body is too large. Send less at a time.",
    500: "Something failed on the server. Report the request_id to your administrator.",
    503: "The server cannot answer now. Try again in a minute.",
}


@dataclass(frozen=True)
class Fault:
    """One wrong place in a request: where it is, a stable code, a sentence, and what would do."""

    detail: str
    code: str = "invalid"
    pointer: str | None = None
    parameter: str | None = None
    allowed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Only the members that are set."""
        found: dict[str, Any] = {"code": self.code, "detail": self.detail}
        if self.pointer is not None:
            found["pointer"] = self.pointer
        if self.parameter is not None:
            found["parameter"] = self.parameter
        return found | ({"allowed": list(self.allowed)} if self.allowed else {})


class ApiProblem(exceptions.APIException):
    """An error with a code and places of its own, to be raised anywhere below a view.

    `extra` members are added to the body (the current version of something stale, for example).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        status_code: int = status.HTTP_400_BAD_REQUEST,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.problem, self.faults, self.extra = code, list(faults), extra
        self.status_code, self.headers = status_code, dict(headers or {})
        super().__init__(detail)


def faults_of(problems: Iterable[Problem], below: str = "", parameter: str | None = None) -> list[Fault]:
    """Problems of something that was read, with their places below one in the body or in the JSON of a parameter."""
    return [Fault(one.message, one.code, f"{below}{one.pointer}", parameter, one.allowed[:100]) for one in problems]


def unusable(faults: list[Fault], code: str, detail: str) -> ApiProblem:
    """422 with every place that is wrong; the code is that of the only one, if there is one."""
    return ApiProblem(faults[0].code if len(faults) == 1 else code, detail, 422, faults)


def in_use(error: Exception, uses: Iterable[Any]) -> ApiProblem:
    """409 with the list of what uses something (each has a kind and a name)."""
    faults = [Fault(f"Used by the {use.kind} “{use.name}”.", "in-use") for use in uses]
    return ApiProblem("in-use", str(error), 409, faults)


def title_of(code: int) -> str:
    """The short name of a status, the same for every problem with it."""
    return HTTPStatus(code).phrase.capitalize() if code in HTTPStatus._value2member_map_ else "Error"


def body(
    request: HttpRequest, status_code: int, code: str, detail: str, faults: Iterable[Fault] = (), **extra: Any
) -> dict[str, Any]:
    """The members of a problem, in the order in which people read them."""
    found: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title_of(status_code),
        "status": status_code,
        "detail": detail,
        "instance": iri_to_uri(short(request.path, 200)),
        "request_id": request_id.get(),
    }
    errors = [fault.as_json() for fault in faults]
    return found | ({"errors": errors} if errors else {}) | extra


def plain_problem(request: HttpRequest, status_code: int, code: str = "", detail: str = "") -> JsonResponse:
    """A problem from outside the framework: a middleware, or an address that does not exist."""
    code = code or _CODES.get(status_code, "error")
    detail = detail or _WORDS.get(status_code, "The request was refused.")
    content = body(request, status_code, code, detail)
    return answer(content)


def answer(content: dict[str, Any], headers: Mapping[str, str] | None = None) -> JsonResponse:
    """A problem on its way out."""
    return JsonResponse(
        content,
        status=content["status"],
        headers=headers,
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )


def pointer_to(*parts: object) -> str:
    """A JSON pointer (RFC 6901); no parts mean the whole body."""
    return "".join("/" + short(part).replace("~", "~0").replace("/", "~1") for part in parts)


def faults_in(detail: Any, *above: object) -> list[Fault]:
    """The leaves of a validation error, each with the pointer of its place."""
    if isinstance(detail, Mapping):
        return [
            fault
            for key, item in detail.items()
            for fault in faults_in(item, *above, *([] if key == "non_field_errors" else [key]))
        ]
    if isinstance(detail, list | tuple):
        nested = any(isinstance(item, Mapping | list) for item in detail)
        return [fault for i, item in enumerate(detail) for fault in faults_in(item, *above, *([i] if nested else []))]
    code = str(getattr(detail, "code", "invalid")).replace("_", "-")
    return [Fault(str(detail), code, pointer_to(*above))]


def translate(error: Exception) -> ApiProblem | None:
    """The problem that an exception means; None for a defect of ours."""
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, exceptions.ValidationError):
        faults = faults_in(error.detail)
        code = faults[0].code if len(faults) == 1 and "-" in faults[0].code else "validation"
        some = "1 value is" if len(faults) == 1 else f"{len(faults)} values are"
        return ApiProblem(code, f"{some} not valid; “errors” says which and why.", 400, faults)
    if isinstance(error, BadValue):
        return ApiProblem("validation", str(error), 400)
    if isinstance(error, NameTaken):
        return ApiProblem("name-taken", str(error), 409, [Fault(str(error), "name-taken", "/name")])
    if isinstance(error, Stale):
        return ApiProblem("stale", f"{error} Read it again and send its ETag.", 412)
    if isinstance(error, Http404):
        return ApiProblem("not-found", _WORDS[404], 404)
    if isinstance(error, PermissionDenied):
        return ApiProblem("forbidden", _WORDS[403], 403)
    if isinstance(error, IntegrityError):
        return ApiProblem("conflict", "Another record already holds this value, or depends on this one.", 409)
    if isinstance(error, DataError):
        return ApiProblem("out-of-range", "A value is outside what can be stored.", 400)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    return None


def _of_framework(error: exceptions.APIException) -> ApiProblem:
    given = error.status_code
    code = "malformed-json" if isinstance(error, exceptions.ParseError) else _CODES.get(given, "error")
    headers: dict[str, str] = {}
    detail = _WORDS.get(given, str(error.detail))
    if isinstance(error, exceptions.ParseError):
        detail = str(error.detail)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = getattr(error, "auth_header", 'Token realm="csbox"')
    if isinstance(error, exceptions.Throttled):
        wait = max(1, int(getattr(error, "wait", None) or 1))
        headers["Retry-After"] = str(wait)
        detail = f"Too many requests. Try again in {wait} s."
    if isinstance(error, exceptions.UnsupportedMediaType):
        detail = "Send JSON in UTF-8, with “Content-Type: application/json”."
    return ApiProblem(code, detail, given, headers=headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> JsonResponse | None:
    """REST framework's hook. A defect returns None, is logged with its trace, and becomes a 500 at the edge.

    The answer is JSON whatever the client accepts, so that an error never turns into another one.
    """
    problem = translate(error)
    if problem is None:
        return None
    if isinstance(error, DataError | IntegrityError):
        log.warning("the database refused a value", extra={"kind": type(error).__name__})
    request: HttpRequest = context["request"]
    content = body(request, problem.status_code, problem.problem, str(problem.detail), problem.faults, **problem.extra)
    return answer(content, problem.headers)
