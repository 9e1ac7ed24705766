"""Answers as SDKs expect them: JSON objects, always with the headers that let a browser read them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers

from integrations.tracking.bodies import BadRequest

METHODS = "POST, GET, OPTIONS"


def success(request: HttpRequest, **more: Any) -> HttpResponse:
    """200 and `{"success": true}`: the one answer to which every SDK reacts well."""
    return with_cors(request, JsonResponse({"success": True, **more}))


def refusal(request: HttpRequest, error: BadRequest, *, retry_after: int = 0) -> HttpResponse:
    """An error with all the keys that one SDK or another looks for."""
    body = {"success": False, "code": error.code, "message": error.message, "error": error.message}
    response = JsonResponse(body, status=error.status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    if error.status == 405:
        response["Allow"] = "POST, OPTIONS"
    return with_cors(request, response)


def preflight(request: HttpRequest) -> HttpResponse:
    """What a browser asks before it sends: whatever headers it names are allowed, cookies are not read."""
    response = HttpResponse(status=200)
    response["Access-Control-Allow-Methods"] = METHODS
    asked = request.headers.get("Access-Control-Request-Headers", "")
    response["Access-Control-Allow-Headers"] = asked.replace("\r", "").replace("\n", "")[:1_000] or "Content-Type"
    response["Access-Control-Max-Age"] = "900"
    return with_cors(request, response)


def with_cors(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Any page may send, as any page may that knows the key; the answer is for the page that asked."""
    origin = request.headers.get("Origin", "")
    response["Access-Control-Allow-Origin"] = origin or "*"
    if origin:
        response["Access-Control-Allow-Credentials"] = "true"
        patch_vary_headers(response, ["Origin"])
    response["Access-Control-Expose-Headers"] = "Retry-After"
    response["Cache-Control"] = "no-store"
    return response
