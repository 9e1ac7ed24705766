"""The logs of erasures and exports, to look at; both are asked for on the page Privacy."""

from __future__ import annotations

from django.contrib import admin

from accounts.models import DataExport, Erasure
from core.backoffice import ReadOnly


@admin.register(Erasure)
class ErasureAdmin(ReadOnly):
    """What was erased: who asked, when, how many rows, and what was refused since. No personal data is kept."""

    list_display = ("requested_at", "kind", "requested_by", "state", "rows", "refused", "lifted_at", "short_digest")
    list_filter = ("kind", "state", ("lifted_at", admin.EmptyFieldListFilter))
    search_fields = ("requested_by", "digest")
    fields = (
        "kind", "digest", "requested_by", "requested_at", "state", "removed", "finished_at", "error", "refused",
        "refused_at", "lifted_at", "lifted_by",
    )  # fmt: skip

    @admin.display(description="Keyed hash of the id")
    def short_digest(self, erasure: Erasure) -> str:
        """Its beginning."""
        return erasure.digest[:12]


@admin.register(DataExport)
class DataExportAdmin(ReadOnly):
    """What was given out: who asked, when, how much, how often it was downloaded."""

    list_display = ("requested_at", "kind", "requested_by", "state", "rows", "size", "downloads", "expires_at")
    list_filter = ("kind", "state")
    search_fields = ("requested_by", "digest")
    fields = (
        "kind", "digest", "requested_by", "requested_at", "state", "rows", "size", "ready_at", "expires_at",
        "downloads", "error",
    )  # fmt: skip
