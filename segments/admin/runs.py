"""Versions, refreshes and runs in the back office, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from core.backoffice import FirstRowsInline, ReadOnly, VersionsAdmin, list_link
from segments.models import RefreshRun, SegmentRefresh, SegmentVersion


@admin.register(SegmentVersion)
class SegmentVersionAdmin(VersionsAdmin):
    """Definitions as somebody saved them."""

    of = "segment"
    list_display = ("segment", "number", "words", "author", "reason", "created_at")
    search_fields = ("segment__name_folded", "words", "reason")
    page_name = "segment_versions"
    page_key = "segment_id"


@admin.register(SegmentRefresh)
class SegmentRefreshAdmin(ReadOnly):
    """What each run did to each segment."""

    list_display = (
        "at",
        "segment",
        "members",
        "joined",
        "left",
        "milliseconds",
        "new_definition",
        "held",
        "error",
        "run",
    )
    list_filter = (
        ("error", admin.EmptyFieldListFilter),
        ("held", admin.EmptyFieldListFilter),
        "new_definition",
        "segment",
    )
    list_select_related = ("segment", "run")
    search_fields = ("segment__name_folded", "error", "held")
    page_name = "segment_members"
    page_key = "segment_id"

    @admin.display(description="ms", ordering="duration_ms")
    def milliseconds(self, refresh: SegmentRefresh) -> str:
        """How long it took."""
        return f"{refresh.duration_ms:,.0f}"


class RefreshesInline(FirstRowsInline):
    """The segments of a run, those with errors first."""

    model = SegmentRefresh
    fields = ("segment", "members", "joined", "left", "duration_ms", "held", "error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SegmentRefresh]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("segment", "run").order_by("-error", "id")


@admin.register(RefreshRun)
class RefreshRunAdmin(ReadOnly):
    """Pieces of refreshing: why, when, how far, and what went wrong."""

    list_display = ("now", "trigger", "looked_at", "state", "progress", "joined", "left", "held", "seconds", "errors")
    list_filter = ("state", "trigger")
    search_fields = ("refreshes__segment__name_folded", "refreshes__error")
    search_help_text = "Part of the name of a segment that it refreshed, or of an error"
    inlines = (RefreshesInline,)

    @admin.display(description="Accounts", ordering="accounts")
    def looked_at(self, run: RefreshRun) -> str:
        """Those with new data, or all."""
        return "All" if run.accounts is None else f"{run.accounts:,}"

    @admin.display(description="Segments")
    def progress(self, run: RefreshRun) -> str:
        """How many are done, of how many."""
        return f"{run.done} of {run.total}"

    @admin.display(description="Seconds")
    def seconds(self, run: RefreshRun) -> str:
        """From start to end; empty while it runs."""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f}" if run.finished_at else ""

    @admin.display(description="Errors")
    def errors(self, run: RefreshRun) -> SafeString | str:
        """A link to what failed."""
        failed = run.state == RefreshRun.State.FAILED
        return list_link(SegmentRefresh, "Look", run__id__exact=run.pk, error__isempty=0) if failed else ""
