"""Whoever is no longer signed in: the page that is open stays as it is, and says how to go on."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from web.pages import is_part

MARK = "signed_out"  # in the address of the log-in page: why it is shown
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SignedOutMiddleware:
    """Answers what is refused for want of a session.

    A part of a page would be replaced by the whole log-in page: htmx is answered 401 with a notice instead. A form that
    was sent leads to the log-in page, and from there back to the page that it was on, because its own address may
    answer nothing but forms.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseRedirect) or not _to_log_in(response):
            return response
        answer = self._answer(request, response)
        patch_vary_headers(answer, ["HX-Request"])
        answer["Cache-Control"] = "no-store"
        return answer

    def _answer(self, request: HttpRequest, response: HttpResponseRedirect) -> HttpResponseBase:
        if is_part(request):
            address = log_in_address(_open_page(request), "1")
            return render(request, "ui/_signed_out.html", {"address": address}, status=401)
        if request.method not in SAFE_METHODS:
            return HttpResponseRedirect(log_in_address(_open_page(request), "unsaved"))
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            return HttpResponseRedirect(log_in_address(request.get_full_path(), "1"))
        return response


def log_in_address(back: str, why: str) -> str:
    """The log-in page, which leads `back` and says `why`: 1 for somebody who was signed out, unsaved if a form of
    theirs was not taken."""
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back, MARK: why})}"


def _to_log_in(response: HttpResponseRedirect) -> bool:
    """True if a view asks for a log-in (signing out leads there as well, but with no page to come back to)."""
    path, _, query = response.url.partition("?")
    return path == resolve_url(settings.LOGIN_URL) and query.startswith("next=")


def _open_page(request: HttpRequest) -> str:
    """The page of this site that the request came from, without the site's name; the first page if it is not told."""
    site = f"{request.scheme}://{request.get_host()}"
    told = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    path = told.removeprefix(site) if told.startswith(f"{site}/") else ""
    return path if url_has_allowed_host_and_scheme(path, None) else resolve_url(settings.LOGIN_REDIRECT_URL)
