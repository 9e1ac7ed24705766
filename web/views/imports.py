"""Imports: the list, the upload, how far one has come and what became of it, the rejected rows, undoing."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.download import csv_response
from core.intake import whole
from core.working import NotNow
from integrations.imports.guessing import guess_rows_kind
from integrations.imports.rejects import reject_head, reject_rows
from integrations.imports.running import ask_undo, cancel
from integrations.imports.storing import discard, store
from integrations.imports.undoing import outlook
from integrations.imports.wording import on_screen
from integrations.models import Import
from integrations.models.importing import ImportKind
from integrations.sources.files import NotReadable
from web.notices import notify
from web.pages import is_part, page, progress_part
from web.views.segments import editors_only

PAGE, FIRST_REJECTS = 50, 20


def get_import(request: HttpRequest, pk: int) -> Import:
    """The import, for those who may import."""
    editors_only(request)
    return get_object_or_404(Import.objects.select_related("author__member", "schedule"), pk=pk)


@login_required
@require_GET
def imports(request: HttpRequest) -> HttpResponse:
    """The newest imports first, fifty a page."""
    editors_only(request)
    rows = Import.objects.select_related("author__member", "schedule").defer("mapping", "header")
    before = whole(request.GET.get("before"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE + 1])
    context = {"imports": found[:PAGE], "older": found[PAGE - 1].pk if len(found) > PAGE else None, "before": before}
    return page(request, "web/imports/page.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def import_new(request: HttpRequest) -> HttpResponse:
    """Choose a file; it is kept as a draft, and its mapping comes next."""
    editors_only(request)
    error, kind = "", request.POST.get("kind", request.GET.get("kind", ""))
    if request.method == "POST":
        job, error = _stored(request, kind)
        if job is not None:
            return HttpResponseRedirect(reverse("import_mapping", args=[job.pk]))
    context = {
        "kinds": ImportKind.choices, "kind": kind, "error": error, "days": settings.IMPORT_DAYS,
        "megabytes": settings.IMPORT_BYTES // 1024**2,
    }  # fmt: skip
    return page(request, "web/imports/new.html", context, status=422 if error else 200)


def _stored(request: HttpRequest, kind: str) -> tuple[Import | None, str]:
    file = request.FILES.get("file")
    if file is None or isinstance(file, list):
        return None, "Choose a file first."
    known = kind in ImportKind.values
    try:
        job = store(file.chunks(), kind=kind if known else "accounts", name=file.name or "file", author=request.user)
    except NotReadable as error:
        return None, on_screen(str(error))
    if not known:
        job.kind = guess_rows_kind(job.header)
        job.save(update_fields=["kind"])
    return job, ""


@login_required
@require_GET
def import_page(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it has come, what became of it, and what can be done now."""
    job = get_import(request, pk)
    if job.state == Import.State.DRAFT:
        return HttpResponseRedirect(reverse("import_mapping", args=[pk]))
    return page(request, "web/imports/import.html", _about(job))


def _about(job: Import) -> dict[str, Any]:
    reasons = job.rejects.values("line", "column", "reason").order_by("line", "id")[:FIRST_REJECTS]
    return {
        "job": job, "rejects": list(reasons), "working": job.state in Import.WORKING,
        "can_undo": not outlook(job)["why_not"], "stored_words": "stored" if job.kind == "events" else "created",
    }  # fmt: skip


@login_required
@require_GET
def import_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The progress for a page that looks every second; 286 and a wish to be loaded anew when the work has ended."""
    job = get_import(request, pk)
    if not is_part(request):
        return HttpResponseRedirect(reverse("import", args=[pk]))
    working = job.state in Import.WORKING
    return progress_part(request, "web/imports/_progress.html", {"job": job, "working": working}, running=working)


@login_required
@require_POST
def import_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop after the batch in hand."""
    job = get_import(request, pk)
    try:
        cancel(job)
        notify(request, "Cancelled. What was imported until then stays; “Undo” takes it back.")
    except NotNow as error:
        notify(request, str(error))
    return HttpResponseRedirect(reverse("import", args=[pk]))


@login_required
@require_http_methods(["GET", "POST"])
def import_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what undoing would do; do it when that is confirmed."""
    job = get_import(request, pk)
    if request.method == "POST":
        try:
            ask_undo(job)
        except NotNow as error:
            notify(request, str(error))
        return HttpResponseRedirect(reverse("import", args=[pk]))
    later = Import.objects.filter(pk__gt=pk, kind=job.kind).exclude(state__in=("draft", "undone")).count()
    return page(request, "web/imports/undo.html", {"job": job, "outlook": outlook(job), "later": later})


@login_required
@require_GET
def import_rejects(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The rejected rows with their reasons, as a file that can be corrected and uploaded again."""
    job = get_import(request, pk)
    return csv_response(f"rejects of {job.name}", reject_head(job), reject_rows(job))


@login_required
@require_POST
def import_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a draft away, with its file."""
    job = get_import(request, pk)
    if job.state == Import.State.DRAFT:
        discard(job)
        notify(request, f"{job.name} discarded.")
    return HttpResponseRedirect(reverse("imports"))
