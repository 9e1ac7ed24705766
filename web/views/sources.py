"""Sources: the list, one source with its volume, keys and what it feeds, and the event debugger."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.intake import BadValue, clean_text, fold, whole
from integrations.models import Message, Outcome, Source
from integrations.tracking.keys import OVERLAPS, create_source, rotate_key, set_disabled
from integrations.tracking.messages import KINDS
from integrations.tracking.overview import NOTHING, Volume, daily_volume, feeds_of, volumes
from integrations.tracking.setting_aside import set_aside
from web.charts import usage_chart
from web.notices import notify
from web.pages import moment_of, page, shell_for
from web.views.segments import editors_only

SHOWN = 100
PARTS = {"message-list": "web/sources/_messages.html", "message-detail": "web/sources/_detail.html"}


@dataclass(frozen=True)
class SourceRow:
    """One line of the list."""

    source: Source
    volume: Volume


@login_required
@require_GET
def sources(request: HttpRequest) -> HttpResponse:
    """Every source with its volume of thirty days."""
    editors_only(request)
    found = volumes(shell_for(request, whole=False).moment)
    rows = [SourceRow(item, found.get(item.pk, NOTHING)) for item in Source.objects.all()]
    context = {"rows": rows, "address": address_of(request), "aside": set_aside().count()}
    return page(request, "web/sources/page.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def source_new(request: HttpRequest) -> HttpResponse:
    """Name a source; the answer shows its key, this once."""
    editors_only(request)
    name, problem = request.POST.get("name", ""), ""
    if request.method == "POST":
        try:
            made, key = create_source(name, by=request.user)
        except BadValue as error:
            problem = str(error)
        else:
            return _shown(request, made, key)
    context = {"name": name, "problem": problem}
    return page(request, "web/sources/new.html", context, status=422 if problem else 200)


@login_required
@require_http_methods(["GET", "POST"])
def source(request: HttpRequest, pk: int) -> HttpResponse:
    """One source; posted, its name and what it may do."""
    editors_only(request)
    found = get_object_or_404(Source, pk=pk)
    if request.method == "GET":
        return _shown(request, found)
    try:
        name = clean_text(request.POST.get("name", ""), 120)
        group_type = clean_text(request.POST.get("group_type", ""), 60) or "company"
        if not name or Source.objects.filter(name_folded=fold(name)).exclude(pk=pk).exists():
            raise BadValue("A source needs a name that no other source has.")
    except BadValue as error:
        return _shown(request, found, problem=str(error))
    found.name, found.group_type, found.new_attributes = name, group_type, request.POST.get("new_attributes") == "1"
    found.save()
    notify(request, f"{found.name} saved.")
    return HttpResponseRedirect(reverse("source", args=[pk]))


def _shown(request: HttpRequest, found: Source, key: str = "", *, problem: str = "") -> HttpResponse:
    present = moment_of(shell_for(request, whole=False).workspace)
    points = daily_volume(found, present)
    volume = volumes(present, [found]).get(found.pk, NOTHING)
    charts = {
        name: usage_chart(points, licences=None, width=width, height=190, every=every)
        for name, width, every in (("wide", 760, 5), ("narrow", 340, 10))
    } if volume.total else {}  # fmt: skip
    context = {
        "source": found, "key": key, "problem": problem, "volume": volume, "charts": charts, "days": points[::-1],
        "usage": {"finding": f"{volume.total:,} messages in 30 days, {points[-1][1]:,} of them today"},
        "outcomes": [(item.value, item.label, volume.counts[item.value]) for item in Outcome],
        "keys": found.write_keys.valid(), "overlaps": OVERLAPS.items(), "feeds": feeds_of(found),
        "address": address_of(request),
    }  # fmt: skip
    return page(request, "web/sources/source.html", context, status=422 if problem else 200)


@login_required
@require_POST
def source_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the key; the old one stays good for the chosen hours."""
    editors_only(request)
    found = get_object_or_404(Source, pk=pk)
    hours = whole(request.POST.get("overlap"))
    overlap = hours if hours in OVERLAPS else 24
    return _shown(request, found, rotate_key(found, overlap=dt.timedelta(hours=overlap)))


@login_required
@require_POST
def source_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Disable a source, or enable it again."""
    editors_only(request)
    found = get_object_or_404(Source, pk=pk)
    set_disabled(found, request.POST.get("disabled") == "1")
    notify(request, f"{found.name} is {'disabled: its messages are refused' if found.disabled_at else 'enabled'}.")
    return HttpResponseRedirect(reverse("source", args=[pk]))


@login_required
@require_GET
def debugger(request: HttpRequest) -> HttpResponse:
    """The newest messages, narrowed; asked for again every two seconds unless paused."""
    editors_only(request)
    asked = {name: request.GET.get(name, "").replace("\x00", "")[:255] for name in ("source", "kind", "outcome", "q")}
    rows = Message.objects.select_related("source").order_by("-id")
    if asked["source"]:
        rows = rows.filter(source__key=asked["source"])
    if asked["kind"] in KINDS:
        rows = rows.filter(kind=asked["kind"])
    if asked["outcome"] in Outcome.values:
        rows = rows.filter(outcome=asked["outcome"])
    elif asked["outcome"] == "inferred":
        rows = rows.filter(inferred=True)
    if asked["q"]:
        text = asked["q"].strip()
        rows = rows.filter(Q(account_ref=text) | Q(user_ref=text) | Q(name=text) | Q(message_id=text))
    query = request.GET.copy()
    for name in ("pause", "message"):
        query.pop(name, None)
    context: dict[str, Any] = {
        "rows": rows.defer("payload")[:SHOWN], "asked": asked, "paused": request.GET.get("pause") == "1",
        "query": query.urlencode(), "kinds": KINDS, "outcomes": Outcome.choices, "sources": Source.objects.all(),
        "aside": set_aside().exists, "shown": SHOWN,
        "narrowed": any(value for name, value in asked.items() if name != "source"),
    }  # fmt: skip
    return page(request, "web/sources/debugger.html", context | _chosen(request), parts=PARTS)


def _chosen(request: HttpRequest) -> dict[str, Any]:
    """The message that is open, laid out to be read."""
    pk = request.GET.get("message", "")
    found = Message.objects.select_related("source").filter(pk=whole(pk) or 0).first() if pk else None
    if found is None:
        return {"message": None, "gone": bool(pk)}
    try:
        text = json.dumps(json.loads(found.payload), indent=2, ensure_ascii=False)
    except ValueError:
        text = found.payload
    return {"message": found, "payload": text}


def address_of(request: HttpRequest) -> str:
    """Where an SDK is told to send."""
    return request.build_absolute_uri("/").rstrip("/")
