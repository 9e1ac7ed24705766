"""Destinations: the list, a page for each with what it is told and its messages, and the buttons that move them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.fields import vocabulary
from core.api.access import is_administrator
from core.intake import BadValue, whole
from integrations.destinations.editing import (
    MOST_ITEMS,
    add_item,
    end_item,
    go_on,
    pause,
    remove_destination,
    retry,
    sendable_fields,
)
from integrations.destinations.state import Progress, Standing, progress_of, standings
from integrations.destinations.testing import send_test
from integrations.models import Destination, Outgoing, SyncItem
from segments.models import Segment
from web.notices import notify
from web.pages import is_part, page, progress_part
from web.views.connections import administrators_only
from web.views.segments import editors_only

MESSAGES = 30


@login_required
@require_GET
def destinations(request: HttpRequest) -> HttpResponse:
    """Every destination with how it stands and how much waits."""
    editors_only(request)
    rows = list(Destination.objects.known())
    found = standings(rows)
    context = {
        "rows": [{"destination": row, "standing": found[row.pk]} for row in rows],
        "kinds": Destination.Kind.choices,
        "may_change": is_administrator(request.user),
    }
    return page(request, "web/destinations/page.html", context)


@login_required
@require_GET
def destination(request: HttpRequest, pk: int) -> HttpResponse:
    """One destination: what it is told, what waits, and the last messages."""
    editors_only(request)
    return shown(request, get_object_or_404(Destination.objects.known(), pk=pk))


def shown(
    request: HttpRequest,
    found: Destination,
    *,
    secret: str = "",
    problem: str = "",
    given: dict[str, str] | None = None,
) -> HttpResponse:
    """The page of a destination; with a signing key that is shown this once, or with why something was not saved."""
    fields = vocabulary()
    state = request.GET.get("state", "")
    state = state if state in Outgoing.State.values else ""
    rows = found.messages.filter(state=state) if state else found.messages.all()
    rows = rows.select_related("item__segment", "account", "user").order_by("-pk")
    may_change = is_administrator(request.user)
    context: dict[str, Any] = _progress(found) | {
        "rows": list(rows[:MESSAGES]), "most": MESSAGES, "state": state, "states": Outgoing.State.choices,
        "labels": {key: item.label for key, item in fields.items()}, "secret": secret, "problem": problem,
        "given": given or {}, "may_change": may_change,
        "segments": Segment.objects.in_tab_order().only("key", "name", "subject") if may_change else (),
        "fields": sendable_fields(fields) if may_change else (), "full": found.items.count() >= MOST_ITEMS,
    }  # fmt: skip
    for row in context["items"]:
        row.label = row.item.segment.name if row.item.segment else _label(row, context["labels"])
    return page(request, "web/destinations/destination.html", context, status=422 if problem else 200)


def _label(row: Progress, labels: dict[str, str]) -> str:
    return labels.get(row.item.field, row.item.field)


def _progress(found: Destination) -> dict[str, Any]:
    standing: Standing = standings([found])[found.pk]
    return {"destination": found, "standing": standing, "items": progress_of(found)}


@login_required
@require_GET
def destination_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How much still waits; ends the polling when nothing does."""
    editors_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    if not is_part(request):
        return HttpResponseRedirect(reverse("destination", args=[pk]))
    context = _progress(found)
    moves = found.active and (
        context["standing"].waiting or any(not row.item.first_done_at for row in context["items"])
    )
    return progress_part(request, "web/destinations/_progress.html", context, running=bool(moves))


@login_required
@require_POST
def destination_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message now, and say what was answered."""
    editors_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    taken, said = send_test(found)
    notify(request, f"The test message {'arrived' if taken else 'did not arrive'}. {said}")
    return _back(pk)


@login_required
@require_POST
def destination_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause it, or let it go on."""
    editors_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    if request.POST.get("do") == "pause":
        pause(found)
        notify(request, f"{found.name} is paused. What changes meanwhile is sent when it goes on.")
    else:
        go_on(found)
        notify(request, f"{found.name} goes on: first with what waited, then with what changed meanwhile.")
    return _back(pk)


@login_required
@require_POST
def destination_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Send again what failed: one message, or all of them."""
    editors_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    failed = Outgoing.objects.filter(destination=found, state=Outgoing.State.FAILED)
    asked = whole(request.POST.get("message"))
    chosen = failed if asked is None else failed.filter(pk=asked)
    again, stale = retry(list(chosen.order_by("pk")[:1_000]))
    more = f" Of {stale} a newer value was written since; those are left." if stale else ""
    notify(request, f"{again} message{'' if again == 1 else 's'} will be sent again.{more}")
    return _back(pk)


@login_required
@require_POST
def destination_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget the destination with everything that waits for it."""
    administrators_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    remove_destination(found)
    notify(request, f"{found.name} is removed. What was sent there stays there.")
    return HttpResponseRedirect(reverse("destinations"))


@login_required
@require_POST
def item_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a segment or a field there."""
    administrators_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    what, key = request.POST.get("what", ""), request.POST.get("key", "").strip()
    kind, _, name = what.partition(":")
    try:
        if kind not in ("segment", "field"):
            raise BadValue("Choose a segment or a field.")
        item = add_item(
            found, segment=name if kind == "segment" else "", field=name if kind == "field" else "", key=key
        )
    except BadValue as error:
        return shown(request, found, problem=str(error), given={"what": what, "key": key})
    notify(request, f"“{item.key}” is sent from now on; everything that is known goes first.")
    return _back(pk)


@login_required
@require_POST
def item_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it no more; a first sync that is under way is cancelled."""
    administrators_only(request)
    item = get_object_or_404(SyncItem, pk=pk, ended_at=None)
    dropped = end_item(item)
    more = f" {dropped:,} waiting message{' was' if dropped == 1 else 's were'} dropped." if dropped else ""
    notify(request, f"“{item.key}” is sent no more.{more}")
    return _back(item.destination_id)


def _back(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("destination", args=[pk]))
