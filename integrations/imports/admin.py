"""Imports, their rejected rows and their schedules in the back office, to look at; the pages change them."""

from __future__ import annotations

import datetime as dt

from django.contrib import admin
from django.utils.safestring import SafeString

from core.backoffice import ReadOnly, list_link
from integrations.models import Import, ImportReject, ScheduledImport


@admin.register(Import)
class ImportAdmin(ReadOnly):
    """Files that were imported: who, when, what became of them."""

    list_display = (
        "name",
        "kind",
        "state",
        "rows",
        "created",
        "updated",
        "rejected",
        "author",
        "schedule",
        "created_at",
    )
    list_filter = ("state", "kind", "schedule")
    list_select_related = ("author", "schedule")
    search_fields = ("name",)
    page_name = "import"

    @admin.display(description="When", ordering="created_at")
    def at(self, job: Import) -> dt.datetime:
        """When it was uploaded or fetched."""
        return job.created_at

    @admin.display(description="Rejected", ordering="bad_rows")
    def rejected(self, job: Import) -> SafeString | str:
        """A link to the rejected rows."""
        return list_link(ImportReject, f"{job.bad_rows:,}", job__id__exact=job.pk) if job.bad_rows else "0"


@admin.register(ImportReject)
class ImportRejectAdmin(ReadOnly):
    """Rows that could not be taken, with their reasons."""

    list_display = ("job", "line", "column", "reason")
    list_filter = (("job", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("job",)
    page_via = ("job",)
    search_fields = ("column", "reason")


@admin.register(ScheduledImport)
class ScheduledImportAdmin(ReadOnly):
    """Files that are fetched every day."""

    list_display = ("name", "kind", "url", "at", "active", "state", "error", "fetched_at")
    list_filter = ("state", "active", "kind")
    search_fields = ("name", "url")
    page_name = "schedule_edit"
