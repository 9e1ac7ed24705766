"""Refreshing from the dashboard: asked for by a button or a save, done in the background, watched here."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.intake import whole
from segments.models import RefreshRun, Segment, SegmentRefresh
from segments.refresh import request_refresh
from web.notices import notify
from web.pages import END_POLLING, is_part, part
from web.views.segments import editors_only


@login_required
@require_POST
def segments_refresh(request: HttpRequest) -> HttpResponse:
    """Ask for all segments to be refreshed; the page watches the run that answers."""
    editors_only(request)
    newest = RefreshRun.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    with transaction.atomic():
        request_refresh(Segment.objects.filter(active=True), RefreshRun.Trigger.HAND)
    watch = f"after={newest}"
    if not is_part(request):
        return HttpResponseRedirect(f"{reverse('segments')}?{watch}")
    return part(request, "web/segments/_progress.html", {"watch": watch, "run": None, "started": True})


@login_required
@require_GET
def refresh_progress(request: HttpRequest) -> HttpResponse:
    """How far the watched refresh has come; ends the polling with status 286 when it is done."""
    if request.GET.get("segment"):
        return _segment_progress(request)
    after = whole(request.GET.get("after")) or 0
    run = RefreshRun.objects.filter(pk__gt=after).order_by("-total", "pk").first()
    if run is None or run.state == RefreshRun.State.RUNNING:
        return part(request, "web/segments/_progress.html", {"watch": f"after={after}", "run": run})
    errors = run.refreshes.exclude(error="").count()
    users = run.refreshes.filter(segment__subject=Segment.Subject.USER).exists()
    text = f"Segments refreshed. {_moved(run.joined, run.left, 'a segment', 'member' if users else 'account')}"
    if errors:
        text += f" {errors} segment{'' if errors == 1 else 's'} could not be refreshed and kept the last members."
    return _finished(request, text)


def _segment_progress(request: HttpRequest) -> HttpResponse:
    pk, rev = (whole(request.GET.get(name)) or 0 for name in ("segment", "rev"))
    segment = Segment.objects.filter(pk=pk).first()
    if segment is not None and segment.live_rev < rev:
        watch = f"segment={pk}&rev={rev}"
        return part(request, "web/segments/_progress.html", {"watch": watch, "run": None, "segment": segment})
    if segment is None:
        return _finished(request, "The segment was deleted.")
    if segment.error:
        return _finished(request, f"Segment saved, but it could not be refreshed: {segment.error}")
    last = SegmentRefresh.objects.filter(segment=segment).first()
    joined, left = (last.joined, last.left) if last else (0, 0)
    return _finished(request, f"Segment saved. {_moved(joined, left, '', segment.subject)}")


def _moved(joined: int, left: int, where: str, what: str) -> str:
    """3 accounts joined and 1 left."""
    if not joined and not left:
        return f"No {what} joined or left."
    tail = f" {where}" if where else ""
    return f"{joined:,} {what}{'' if joined == 1 else 's'} joined and {left:,} left{tail}."


def _finished(request: HttpRequest, text: str) -> HttpResponse:
    notify(request, text)
    if not is_part(request):
        return HttpResponseRedirect(reverse("segments"))
    response = part(request, "web/segments/_progress_done.html", {"text": text}, status=END_POLLING)
    response["HX-Trigger"] = "segments-changed"
    return response
