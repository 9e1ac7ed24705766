"""The segment list: order, trend, visibility, clone, and refreshing with real progress."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.intake import fold, whole
from segments.editing import clone_segment, delete_segment, move_segment, place_segment, set_active, set_visible
from segments.holding.telling import unseen
from segments.holding.telling import words_of as words_of_notice
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.trends import joined_left
from segments.uses import SegmentInUse
from web.charts import Mix
from web.columns import has_health
from web.filters import reader_for
from web.liststate import ListState
from web.notices import back_to, notify
from web.pages import is_part, may_edit_segments, page, part
from web.tabs import BandLink, band_links, band_mix, bands_of, is_scored, words_of
from web.undo import inverse, keep_inverse

PARTS = {"seg-rows": "web/segments/_rows_part.html"}
STALE_HOURS = 24


@dataclass(frozen=True)
class SegmentRow:
    """One line of the list: the segment, its rule in words, its trend, how long ago it was refreshed."""

    segment: Segment
    words: str
    joined: int
    left: int
    stale_hours: int
    first: bool
    last: bool
    mix: Mix | None
    bands: list[BandLink]


def editors_only(request: HttpRequest) -> None:
    """Changing segments is for administrators and managers."""
    if not may_edit_segments(request):
        raise PermissionDenied


def rows_for(request: HttpRequest, segments: list[Segment], reader: Reader) -> list[SegmentRow]:
    """The lines of some segments, among all of them."""
    trends = joined_left(days=7)
    ends = list(Segment.objects.in_tab_order().values_list("pk", flat=True))
    health = bands_of(request, segments) if has_health(reader.vocabulary) else {}
    rows = []
    for item in segments:
        joined, left = trends.get(item.pk, (0, 0))
        age = reader.moment.now - item.refreshed_at if item.refreshed_at else dt.timedelta(0)
        hours = int(age.total_seconds() // 3600)
        words = words_of(reader, item)
        rows.append(
            SegmentRow(
                item,
                words,
                joined,
                left,
                hours if hours >= STALE_HOURS else 0,
                item.pk == ends[0],
                item.pk == ends[-1],
                *_mix_of(item, health.get(item.pk, {})),
            )  # fmt: skip
        )
    return rows


def _mix_of(segment: Segment, bands: dict[str, int]) -> tuple[Mix | None, list[BandLink]]:
    """The mix of health of a segment whose parts lead to their accounts; none while none of them is scored."""
    if not is_scored(bands):
        return None, []
    return band_mix(bands), band_links(bands, ListState(reverse("accounts"), segment=segment.key))


@login_required
@require_GET
def segments(request: HttpRequest) -> HttpResponse:
    """The list, or its rows while somebody types a name."""
    context = _listed(request, request.GET.get("q", "")) | {
        "watch": _watched(request),
        "banners": [(notice, words_of_notice(notice)) for notice in unseen(request.user)],
    }
    return page(request, "web/segments/page.html", context, parts=PARTS)


def _listed(request: HttpRequest, typed: str) -> dict[str, Any]:
    """The lines of the segments whose names hold what is typed."""
    wanted = fold(typed.replace("\x00", "")[:120])
    found, reader = list(Segment.objects.in_tab_order()), reader_for(request)
    shown = [item for item in found if wanted in item.name_folded]
    return {
        "rows": rows_for(request, shown, reader),
        "with_health": has_health(reader.vocabulary),
        "total": len(found),
        "q": typed,
        "filtered": bool(wanted),
        "may_edit": may_edit_segments(request),
    }


def _watched(request: HttpRequest) -> str:
    """The query of the refresh that this page should watch; empty if there is none."""
    names = ("segment", "rev", "after")
    pairs = [(name, whole(request.GET.get(name))) for name in names]
    return "&".join(f"{name}={value}" for name, value in pairs if value is not None)


def _after(request: HttpRequest) -> HttpResponse:
    """Back to the list; htmx gets the rows of what is searched for, with the notice."""
    if not is_part(request):
        return HttpResponseRedirect(back_to(request, reverse("segments")))
    return part(request, "web/segments/_rows_part.html", _listed(request, request.POST.get("q", "")))


@login_required
@require_POST
def segment_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move a segment up or down (`dir`), or to a place (`place`, counted from 1)."""
    editors_only(request)
    segment = get_object_or_404(Segment, pk=pk)
    order = list(Segment.objects.in_tab_order().values_list("pk", flat=True))
    before = order.index(segment.pk) + 1
    place = whole(request.POST.get("place"))
    if place is not None:
        now = place_segment(segment, place)
    else:
        now = move_segment(segment, -1 if request.POST.get("dir") == "-1" else 1)
    if now != before:
        token = keep_inverse(request, "move", {"segment": segment.pk, "place": before}, back=reverse("segments"))
        notify(request, f"{segment.name} moved to position {now} of {len(order)}.", undo=token)
    return _after(request)


@inverse("move")
def _move_back(request: HttpRequest, data: dict[str, Any]) -> str:
    segment = Segment.objects.get(pk=data["segment"])
    return f"{segment.name} moved back to position {place_segment(segment, data['place'])}."


@login_required
@require_POST
def segment_visibility(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a segment among the tabs, or not."""
    editors_only(request)
    segment = get_object_or_404(Segment, pk=pk)
    visible = request.POST.get("visible") == "1"
    if visible != segment.visible:
        set_visible(segment, visible)
        token = keep_inverse(request, "visible", {"segment": pk, "visible": not visible}, back=reverse("segments"))
        notify(request, _shown(segment, visible), undo=token)
    return _after(request)


def _shown(segment: Segment, visible: bool) -> str:
    where = "Accounts 360" if segment.subject == Segment.Subject.ACCOUNT else "Users"
    return f"{segment.name} {'shown on' if visible else 'hidden from'} {where}."


@inverse("visible")
def _visible_back(request: HttpRequest, data: dict[str, Any]) -> str:
    segment = Segment.objects.get(pk=data["segment"])
    set_visible(segment, data["visible"])
    return _shown(segment, data["visible"])


@login_required
@require_POST
def segment_active(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a segment on or off; refused while something uses it."""
    editors_only(request)
    segment = get_object_or_404(Segment, pk=pk)
    active = request.POST.get("active") == "1"
    try:
        set_active(segment, active)
    except SegmentInUse as used:
        notify(request, str(used))
    else:
        token = keep_inverse(request, "active", {"segment": pk, "active": not active}, back=reverse("segments"))
        notify(request, f"{segment.name} switched {'on' if active else 'off'}.", undo=token)
    return _after(request)


@inverse("active")
def _active_back(request: HttpRequest, data: dict[str, Any]) -> str:
    segment = Segment.objects.get(pk=data["segment"])
    try:
        set_active(segment, data["active"])
    except SegmentInUse as used:
        return str(used)
    return f"{segment.name} switched {'on' if data['active'] else 'off'} again."


@login_required
@require_POST
def segment_clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Copy a segment under the original, hidden, and open the copy for editing."""
    editors_only(request)
    original = get_object_or_404(Segment, pk=pk)
    try:
        copy = clone_segment(original, author=request.user)
    except RuleError as error:
        notify(request, f"{original.name} cannot be cloned: {error.first}")
        return HttpResponseRedirect(reverse("segment_edit", args=[pk]))
    token = keep_inverse(request, "clone", {"segment": copy.pk}, back=reverse("segments"))
    notify(request, f"{original.name} cloned. The copy is hidden until you show it.", undo=token)
    return HttpResponseRedirect(reverse("segment_edit", args=[copy.pk]) + "#name")


@inverse("clone")
def _unclone(request: HttpRequest, data: dict[str, Any]) -> str:
    segment = Segment.objects.filter(pk=data["segment"]).first()
    if segment is None:
        return "The copy was deleted already."
    try:
        delete_segment(segment)
    except SegmentInUse as used:
        return str(used)
    return f"{segment.name} removed."


@login_required
@require_POST
def segment_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a segment; refused, with the list of what uses it, while anything does."""
    editors_only(request)
    segment = get_object_or_404(Segment, pk=pk)
    try:
        delete_segment(segment)
    except SegmentInUse as used:
        notify(request, str(used))
        return HttpResponseRedirect(reverse("segment_edit", args=[pk]))
    notify(request, f"{segment.name} deleted.")
    return HttpResponseRedirect(reverse("segments"))
