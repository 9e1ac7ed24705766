"""The notice bar: what was just done, with a way to undo it, until it is dismissed or replaced."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from web.pages import is_part


def notify(request: HttpRequest, text: str, *, undo: str = "", ask: str = "") -> None:
    """Show a sentence on the next answer; `undo` is a token of `web.undo`. `ask` names what may be answered with one
    click about what was done ("outcome": how the alerts went); it goes with the token."""
    messages.info(request, text, extra_tags=f"{undo} {ask}".strip())


def back_to(request: HttpRequest, default: str) -> str:
    """The page of this site that a form names in `next`, or the default."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe and wanted.startswith("/") else default


def answer(request: HttpRequest, back: str) -> HttpResponse:
    """After an action: only the notice for htmx (the page refreshes itself), a redirect for a plain form."""
    if not is_part(request):
        return HttpResponseRedirect(back)
    response = render(request, "ui/_notices.html", {"is_part": True})
    response["HX-Trigger-After-Settle"] = "page-changed"
    return response
