"""The galleries of ready-made segments and alert rules: each with its rule in words and its present count, before it is
taken."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from alerts import stock
from segments import presets
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import keep_inverse
from web.views.segments import editors_only


@login_required
@require_GET
def segment_gallery(request: HttpRequest) -> HttpResponse:
    """What is on offer, group by group."""
    found = presets.offers(request.user)
    grouped = groupby(found, key=lambda offer: (offer.preset.group, offer.preset.subject.many))
    groups = [(name, many, list(items)) for (name, many), items in grouped]
    context = {"groups": groups, "may_edit": may_edit_segments(request)}
    return page(request, "web/segments/gallery.html", context)


@login_required
@require_POST
def gallery_take(request: HttpRequest) -> HttpResponse:
    """Make an ordinary segment of one."""
    then = "added to the segments. Its members follow within seconds."
    return _take(request, presets.take_preset, reverse("segment_gallery"), ("clone", "segment"), then)


@login_required
@require_GET
def alert_gallery(request: HttpRequest) -> HttpResponse:
    """The ready-made rules, each with the accounts for which it holds now."""
    context = {"offers": stock.offers(request.user), "may_edit": may_edit_segments(request)}
    return page(request, "web/alerts/gallery.html", context)


@login_required
@require_POST
def alert_gallery_take(request: HttpRequest) -> HttpResponse:
    """Make an ordinary rule of one; it watches from now on."""
    then = "added. It watches from now on."
    return _take(request, stock.take_stock_rule, reverse("alert_gallery"), ("alert-rule-clone", "rule"), then)


def _take(request: HttpRequest, take: Callable[..., Any], back: str, undo: tuple[str, str], then: str) -> HttpResponse:
    """Make an ordinary one of what was chosen; `undo` is the kind of its inverse and what that calls the new one."""
    editors_only(request)
    try:
        made = take(request.POST.get("key", ""), author=request.user)
    except LookupError as error:
        raise Http404 from error
    token = keep_inverse(request, undo[0], {undo[1]: made.pk}, back=back)
    notify(request, f"{made.name} {then}", undo=token)
    return HttpResponseRedirect(back)
