"""A segment through time: its versions, its members on any day, how its size moved, who came and went and why."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from segments.editing import StaleSegment
from segments.models import Segment
from segments.rules.tree import RuleError
from segments.versions import UnknownVersion, restore_version, versions_of
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only


@login_required
@require_GET
def segment_versions(request: HttpRequest, pk: int) -> HttpResponse:
    """Every definition with its author, time and reason, and what changed in it."""
    segment = get_object_or_404(Segment, pk=pk)
    context = {
        "segment": segment,
        "versions": versions_of(segment, reader_for(request)),
        "may_edit": may_edit_segments(request),
    }
    return page(request, "web/segments/versions.html", context)


@login_required
@require_POST
def segment_restore(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Make an earlier definition the present one, as a new version."""
    editors_only(request)
    segment = get_object_or_404(Segment, pk=pk)
    back = reverse("segment_versions", args=[pk])
    try:
        saved = restore_version(segment, number, author=request.user)
    except RuleError as error:
        notify(request, f"Version {number} cannot be restored: {error.problems[0].message}")
    except (UnknownVersion, StaleSegment) as error:
        notify(request, str(error))
    else:
        if saved.version == segment.version:
            notify(request, f"Version {number} says what the present one says. Nothing was changed.")
        else:
            token = keep_inverse(request, "restore", {"segment": pk, "number": segment.version}, back=back)
            notify(request, f"Version {number} restored as version {saved.version}. Its members follow.", undo=token)
    return HttpResponseRedirect(back)


@inverse("restore")
def _restore_back(request: HttpRequest, data: dict[str, Any]) -> str:
    segment = Segment.objects.get(pk=data["segment"])
    saved = restore_version(segment, data["number"], author=request.user)
    return f"Version {data['number']} is in use again, as version {saved.version}."
