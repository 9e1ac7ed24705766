"""Making a destination, and changing what is sent there and how."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from core.intake import BadValue
from integrations.destinations.editing import change_destination, make_destination, rotate_secret
from integrations.models import Destination
from web.notices import notify
from web.pages import page
from web.views.connections import administrators_only
from web.views.destinations import shown

CHOICES = ("groups", "to_users", "events", "events_of_first", "events_of_definition")
TEXTS = ("name", "address", "write_key", "entered_name", "exited_name", "computed_name")


@login_required
@require_http_methods(["GET", "POST"])
def destination_new(request: HttpRequest) -> HttpResponse:
    """A new destination: its kind, a name, and where it is. A webhook's signing key is shown this once."""
    administrators_only(request)
    asked = request.POST if request.method == "POST" else request.GET
    kind = asked.get("kind", "")
    kind = kind if kind in Destination.Kind.values else Destination.Kind.WEBHOOK
    problem = ""
    if request.method == "POST":
        try:
            made, secret = make_destination(
                kind=kind, name=request.POST.get("name", ""), address=request.POST.get("address", "").strip(),
                write_key=request.POST.get("write_key", "").strip(), author=request.user,
            )  # fmt: skip
        except BadValue as error:
            problem = str(error)
        else:
            if secret:
                return shown(request, made, secret=secret)
            notify(request, f"{made.name} is stored. Send a test, then choose what is sent.")
            return HttpResponseRedirect(reverse("destination", args=[made.pk]))
    context = {
        "kind": kind, "problem": problem, "name": request.POST.get("name", ""),
        "address": request.POST.get("address", ""),
    }  # fmt: skip
    return page(request, "web/destinations/new.html", context, status=422 if problem else 200)


@login_required
@require_http_methods(["GET", "POST"])
def destination_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change where it is and what is sent."""
    administrators_only(request)
    found, problem = get_object_or_404(Destination.objects.known(), pk=pk), ""
    if request.method == "POST":
        values: dict[str, Any] = {name: request.POST.get(name, "").strip() for name in TEXTS}
        values |= {name: request.POST.get(name) == "1" for name in CHOICES}
        values["tools"] = request.POST.get("tools", "").split(",")
        try:
            change_destination(found, values)
        except BadValue as error:
            problem = str(error)
            for name in (*CHOICES, *TEXTS[3:], "name"):
                setattr(found, name, values[name])
        else:
            notify(request, f"{values['name']} saved.")
            return HttpResponseRedirect(reverse("destination", args=[pk]))
    context = {"destination": found, "problem": problem, "tools": ", ".join(found.tools)}
    return page(request, "web/destinations/edit.html", context, status=422 if problem else 200)


@login_required
@require_POST
def destination_rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """A new signing key, shown this once; the former one signs besides for a day."""
    administrators_only(request)
    found = get_object_or_404(Destination.objects.known(), pk=pk)
    try:
        secret = rotate_secret(found)
    except BadValue as error:
        return shown(request, found, problem=str(error))
    found.refresh_from_db()
    return shown(request, found, secret=secret)
