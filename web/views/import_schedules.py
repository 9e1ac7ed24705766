"""Scheduled imports: the list with what became of each, the form, running one now."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.intake import whole
from integrations.imports.scheduling import BadSchedule, run_now, save_schedule
from integrations.models import Import, ScheduledImport
from web.notices import notify
from web.pages import page
from web.views.segments import editors_only

EXAMPLES, HISTORY = 50, 20
TEXTS = ("name", "url", "endpoint", "region", "credential")


@login_required
@require_GET
def import_schedules(request: HttpRequest) -> HttpResponse:
    """Every schedule, by name."""
    editors_only(request)
    rows = ScheduledImport.objects.defer("mapping")
    return page(request, "web/imports/schedules.html", {"schedules": rows})


@login_required
@require_http_methods(["GET", "POST"])
def schedule_new(request: HttpRequest) -> HttpResponse:
    """Add a schedule; `from` names an import whose mapping it takes."""
    editors_only(request)
    return _edit(request, ScheduledImport(author=request.user))  # type: ignore[misc]


@login_required
@require_http_methods(["GET", "POST"])
def schedule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a schedule, and see what it did."""
    editors_only(request)
    return _edit(request, get_object_or_404(ScheduledImport, pk=pk))


def _edit(request: HttpRequest, schedule: ScheduledImport) -> HttpResponse:
    errors: dict[str, str] = {}
    done = Import.objects.filter(state=Import.State.DONE).exclude(mapping={})
    wanted = request.POST.get("example", request.GET.get("from", ""))
    example = done.filter(pk=whole(wanted) or 0).first() if wanted else None
    if request.method == "POST":
        for name in TEXTS:
            setattr(schedule, name, request.POST.get(name, "").replace("\x00", "").strip()[:2_000])
        schedule.active = request.POST.get("active") == "1"
        schedule.only_if_changed = request.POST.get("only_if_changed") == "1"
        try:
            schedule.at = dt.time.fromisoformat(request.POST.get("at", ""))
        except ValueError:
            errors["at"] = "Write a time such as 04:00."
        errors |= _saved(request, schedule, example) if not errors else {}
        if not errors:
            notify(request, f"{schedule.name} saved.")
            return HttpResponseRedirect(reverse("import_schedules"))
    saved = not schedule._state.adding
    context = {
        "schedule": schedule, "errors": errors, "example": example, "examples": done.order_by("-pk")[:EXAMPLES],
        "history": schedule.imports.all()[:HISTORY] if saved else [], "saved": saved,
        "credentials": sorted(settings.FETCH_SECRETS),
    }  # fmt: skip
    return page(request, "web/imports/schedule.html", context, status=422 if errors else 200)


def _saved(request: HttpRequest, schedule: ScheduledImport, example: Import | None) -> dict[str, str]:
    too_long = {"endpoint": 300, "region": 60, "credential": 40}
    errors = {name: "This is too long." for name, most in too_long.items() if len(getattr(schedule, name)) > most}
    if errors:
        return errors
    try:
        secret = request.POST.get("secret", "").replace("\x00", "")
        save_schedule(schedule, example, secret=secret, forget=request.POST.get("forget") == "1")
    except BadSchedule as error:
        return error.errors
    return {}


@login_required
@require_POST
def schedule_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Fetch as soon as the worker can."""
    editors_only(request)
    schedule = get_object_or_404(ScheduledImport, pk=pk)
    if schedule.active:
        run_now(schedule)
        notify(request, f"{schedule.name} will be fetched within a minute.")
    else:
        notify(request, f"{schedule.name} is off. Switch it on first.")
    return HttpResponseRedirect(reverse("import_schedules"))


@login_required
@require_POST
def schedule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a schedule; what it imported stays."""
    editors_only(request)
    schedule = get_object_or_404(ScheduledImport, pk=pk)
    schedule.delete()
    notify(request, f"{schedule.name} deleted. What it imported stays.")
    return HttpResponseRedirect(reverse("import_schedules"))
