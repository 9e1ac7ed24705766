"""The two steps between a file and its import: which column becomes what, and a look at what would be stored."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.working import NotNow
from integrations.imports import guessing
from integrations.imports.mapping_form import (
    ENCODINGS,
    MappingForm,
    column_list,
    keep_mapping,
    propose_mapping,
    read_mapping,
)
from integrations.imports.previewing import ROWS, preview
from integrations.imports.running import start
from integrations.imports.wording import on_screen
from integrations.models import Import
from integrations.models.importing import ImportKind
from integrations.sources.files import NotReadable
from web.notices import notify
from web.pages import page
from web.views.imports import get_import

EXAMPLE_DAY = dt.date(2026, 4, 3)


@login_required
@require_http_methods(["GET", "POST"])
def import_mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """Each column: a field, a new attribute, or left out."""
    job = get_import(request, pk)
    if job.state != Import.State.DRAFT:
        return HttpResponseRedirect(reverse("import", args=[pk]))
    try:
        if request.method != "POST":
            return _page(request, propose_mapping(job))
        kind = request.POST.get("kind", job.kind)
        if kind in ImportKind.values and kind != job.kind:
            job.kind, job.mapping = kind, {}
            job.save(update_fields=["kind", "mapping"])
            return HttpResponseRedirect(reverse("import_mapping", args=[pk]))
        form = read_mapping(job, {name: str(value) for name, value in request.POST.items()})
    except NotReadable as error:
        return page(request, "web/imports/unreadable.html", {"job": job, "error": on_screen(str(error))}, status=422)
    if form.errors or request.POST.get("do") == "update":
        if not form.errors:
            keep_mapping(form)
        return _page(request, form, failed=request.POST.get("do") != "update")
    keep_mapping(form)
    return HttpResponseRedirect(reverse("import_preview", args=[pk]))


def _page(request: HttpRequest, form: MappingForm, *, failed: bool = False) -> HttpResponse:
    forms = [(form_, f"{EXAMPLE_DAY.strftime(form_)}") for form_ in guessing.FORMS]
    context: dict[str, Any] = {
        "form": form, "job": form.job, "columns": column_list(form), "kinds": ImportKind.choices,
        "encodings": ENCODINGS, "forms": forms, "failed": failed and bool(form.errors), "again": _same_file(form.job),
        "general": form.errors.get(""), "date_error": form.errors.get("date_format"),
    }  # fmt: skip
    return page(request, "web/imports/mapping.html", context, status=422 if context["failed"] else 200)


def _same_file(job: Import) -> Import | None:
    """A finished import of the very same file: once more would change nothing."""
    same = Import.objects.filter(digest=job.digest, kind=job.kind, state=Import.State.DONE)
    return same.order_by("-pk").first()


@login_required
@require_GET
def import_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The first rows as they would be stored, and what is wrong with them."""
    job = get_import(request, pk)
    if job.state != Import.State.DRAFT:
        return HttpResponseRedirect(reverse("import", args=[pk]))
    if not job.mapping:
        return HttpResponseRedirect(reverse("import_mapping", args=[pk]))
    context = {"job": job, "preview": preview(job), "most": ROWS, "new": job.mapping.get("attributes", {})}
    return page(request, "web/imports/preview.html", context)


@login_required
@require_POST
def import_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Run it in the background."""
    job = get_import(request, pk)
    if not job.mapping:
        return HttpResponseRedirect(reverse("import_mapping", args=[pk]))
    try:
        start(job)
    except NotNow as error:
        notify(request, str(error))
    return HttpResponseRedirect(reverse("import", args=[pk]))
