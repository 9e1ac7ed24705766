"""The addresses of Userlist's push API and of PostHog's capture API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from integrations.tracking import answers
from integrations.tracking.bodies import BadRequest
from integrations.tracking.views import WRONG_METHOD, serve


@csrf_exempt
def userlist(request: HttpRequest, path: str) -> HttpResponse:
    """A user, company, relationship or event; DELETE takes one away."""
    kind = path if request.method != "DELETE" else f"{path}:delete"
    if request.method == "DELETE" and path == "events":
        return userlist_error(request, WRONG_METHOD)
    return serve(request, "userlist", kind, scheme="push", good=_userlist_done, bad=userlist_error)


def _userlist_done(request: HttpRequest) -> HttpResponse:
    return answers.with_cors(request, JsonResponse({"status": "ok"}))


def userlist_error(request: HttpRequest, error: BadRequest, *, retry_after: int = 0) -> HttpResponse:
    """An error as Userlist's clients read it."""
    body = {"status": error.status, "code": error.code, "errors": [error.message], "message": error.message}
    response = JsonResponse(body, status=error.status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return answers.with_cors(request, response)


@csrf_exempt
def posthog(request: HttpRequest) -> HttpResponse:
    """A batch of events, or one."""
    return serve(request, "posthog", "batch", member="api_key", good=_posthog_done)


def _posthog_done(request: HttpRequest) -> HttpResponse:
    return answers.with_cors(request, JsonResponse({"status": 1}))


@csrf_exempt
def posthog_flags(request: HttpRequest) -> HttpResponse:
    """SDKs ask for feature flags now and then; there are none."""
    if request.method == "OPTIONS":
        return answers.preflight(request)
    body = {"flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False}
    return answers.with_cors(request, JsonResponse(body))
