"""The gallery of ready-made segments: each with its rule in words and its present count, before it is taken."""

from __future__ import annotations

from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from segments.presets import offers, take_preset
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import keep_inverse
from web.views.segments import editors_only


@login_required
@require_GET
def segment_gallery(request: HttpRequest) -> HttpResponse:
    """What is on offer, group by group."""
    found = offers(request.user)
    grouped = groupby(found, key=lambda offer: (offer.preset.group, offer.preset.subject.many))
    groups = [(name, many, list(items)) for (name, many), items in grouped]
    context = {"groups": groups, "may_edit": may_edit_segments(request)}
    return page(request, "web/segments/gallery.html", context)


@login_required
@require_POST
def gallery_take(request: HttpRequest) -> HttpResponse:
    """Make an ordinary segment of one."""
    editors_only(request)
    try:
        made = take_preset(request.POST.get("key", ""), author=request.user)
    except LookupError as error:
        raise Http404 from error
    back = reverse("segment_gallery")
    token = keep_inverse(request, "clone", {"segment": made.pk}, back=back)
    notify(request, f"{made.name} added to the segments. Its members follow within seconds.", undo=token)
    return HttpResponseRedirect(back)
