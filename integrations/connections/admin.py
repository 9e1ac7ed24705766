"""Connections in the back office: settings, runs and links, with a way to the page; never a credential."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice, FirstRowsInline, ReadOnly
from integrations.connections.running import cancel
from integrations.models import Connection, ConnectionLink, ConnectionRun


class RunsInline(FirstRowsInline):
    """The newest runs of a connection."""

    model = ConnectionRun
    fields = ("created_at", "full", "state", "read", "created", "updated", "unmatched", "problem_count", "error")


@admin.register(Connection)
class ConnectionAdmin(BackOffice):
    """Connected systems. A credential is entered on the connection's page, where it is tried at once."""

    list_display = ("name", "kind", "active", "since", "next_run_at", "error")
    list_filter = ("kind", "active", ("error", admin.EmptyFieldListFilter))
    search_fields = ("name__icontains",)
    fields = (
        "name", "kind", "active", "every_minutes", "secret_hint", "secret_env", "mapping", "since", "full_at",
        "next_run_at", "checked_at", "error", "author",
    )  # fmt: skip
    readonly_fields = (
        "kind", "secret_hint", "secret_env", "mapping", "since", "full_at", "next_run_at", "checked_at", "error",
        "author",
    )  # fmt: skip
    inlines = (RunsInline,)
    page_name = "connection"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Connecting is done on its page, because the credential is tried there."""
        return False


@admin.register(ConnectionRun)
class ConnectionRunAdmin(ReadOnly):
    """What each run did, and how far one that is open has come."""

    list_display = (
        "created_at", "connection", "trigger", "full", "state", "step", "read", "created", "updated", "unmatched",
        "problem_count", "attempts", "error",
    )  # fmt: skip
    list_filter = ("state", "full", "trigger", "connection")
    search_fields = ("connection__name", "error")
    list_select_related = ("connection",)
    page_via = ("connection",)
    actions = ("stop",)

    @admin.action(description="Cancel the selected runs", permissions=["view"])
    def stop(self, request: HttpRequest, queryset: QuerySet[ConnectionRun]) -> None:
        """After the page at hand; they can be resumed."""
        if not request.user.has_perm("integrations.change_connectionrun"):
            self.message_user(request, "Only administrators can cancel runs here.", level="ERROR")
            return
        for run in queryset.open():  # type: ignore[attr-defined]
            cancel(run)

    def get_actions(self, request: HttpRequest) -> Any:
        """Only for those who may use it."""
        found = super().get_actions(request)
        return found if request.user.has_perm("integrations.change_connectionrun") else {}


@admin.register(ConnectionLink)
class ConnectionLinkAdmin(ReadOnly):
    """Which record is which account or user."""

    list_display = ("label", "kind", "remote_id", "connection", "account", "user", "by_hand", "primary", "gone_at")
    list_filter = (
        "connection",
        "kind",
        "by_hand",
        ("account", admin.EmptyFieldListFilter),
        ("gone_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("connection", "account", "user")
    search_fields = ("label_folded", "remote_id__exact")
