"""The back office: the one row of settings, and the work that was due on each day."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.backoffice import BackOffice, ReadOnly
from core.models import DailyJob, WakeUp, Workspace


@admin.register(Workspace)
class WorkspaceAdmin(BackOffice):
    """One company, one row: it is changed, never added or deleted."""

    fields = ("name", "currency", "time_zone", "refresh_at", "csm_reach")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """It exists."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It stays."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Go to the row at once."""
        return HttpResponseRedirect(reverse("admin:core_workspace_change", args=[Workspace.get().pk]))


@admin.register(DailyJob)
class DailyJobAdmin(ReadOnly):
    """What was due on which local date, and whether it was done."""

    list_display = ("name", "local_date", "attempts", "started_at", "finished_at")
    list_filter = ("name",)
    date_hierarchy = "local_date"


@admin.register(WakeUp)
class WakeUpAdmin(ReadOnly):
    """Tasks that were sent and have not begun; the list empties itself."""

    list_display = ("task", "at")
    list_display_links = None
