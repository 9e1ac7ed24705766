"""Errors that are made before a view of the tracking API is reached, in the form that SDKs and browsers can read."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from core.api.edge import shape_errors_with
from integrations.tracking import answers, dialect_views, views
from integrations.tracking.bodies import BadRequest

_VIEWS = (views.__name__, dialect_views.__name__)
_WHY = "The request was refused before it was read. Is the host in its address one of CSBOX_ALLOWED_HOSTS?"


@shape_errors_with
def shaped(request: HttpRequest, status: int, detail: str) -> HttpResponse | None:
    """An error of an address of the tracking API; None for any other address."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return None
    if view.__module__ not in _VIEWS:
        return None
    error = views.BROKEN if status >= 500 else BadRequest(status, "bad-request", detail or _WHY)
    return (dialect_views.userlist_error if view is dialect_views.userlist else answers.refusal)(request, error)
