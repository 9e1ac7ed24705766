"""Destinations in the back office: settings, what each is told, its messages; never an address or a key."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice, FirstRowsInline, ReadOnly
from integrations.destinations.editing import retry
from integrations.models import Destination, Outgoing, SyncedValue, SyncItem


class ItemsInline(FirstRowsInline):
    """What a destination is told."""

    model = SyncItem
    fields = ("key", "segment", "field", "first_done_at", "ended_at", "error")


@admin.register(Destination)
class DestinationAdmin(BackOffice):
    """Where changes are sent to. An address or a key is entered on the destination's page, where it can be tried."""

    list_display = ("name", "kind", "active", "hint", "failures", "rests_until", "sent_at", "ended_at", "error")
    list_filter = ("kind", "active", ("error", admin.EmptyFieldListFilter), ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("name__icontains", "origin__exact")
    fields = readonly_fields = (
        "name", "kind", "active", "hint", "groups", "to_users", "events", "events_of_first", "events_of_definition",
        "entered_name", "exited_name", "computed_name", "tools", "origin", "former_until", "failures", "refusals",
        "failing_since", "rests_until", "sent_at", "error", "ended_at", "author",
    )  # fmt: skip
    inlines = (ItemsInline,)
    page_name = "destination"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Destinations are made on their page, because the address is tried there."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are removed on their page: their keys are never given again."""
        return False


@admin.register(SyncItem)
class SyncItemAdmin(ReadOnly):
    """What is sent where, under which key; what was ended too, because its key stays taken."""

    list_display = ("key", "destination", "segment", "field", "first_done_at", "answered_at", "ended_at", "error")
    list_select_related = ("destination", "segment")
    list_filter = (
        ("segment", admin.EmptyFieldListFilter), ("ended_at", admin.EmptyFieldListFilter),
        ("error", admin.EmptyFieldListFilter), "destination",
    )  # fmt: skip
    search_fields = ("key", "destination__name", "segment__name_folded", "field")


@admin.register(SyncedValue)
class SyncedValueAdmin(ReadOnly):
    """What destinations know of each account and user."""

    list_display = ("item", "account", "user", "value", "seq", "cause", "at")
    list_select_related = ("item", "account", "user")
    list_filter = ("cause", ("user", admin.EmptyFieldListFilter))
    search_fields = ("item__key", "account__name_folded", "user__name_folded")


@admin.register(Outgoing)
class OutgoingAdmin(ReadOnly):
    """Messages to destinations, the newest first."""

    list_display = (
        "at", "destination", "call", "item", "account", "user", "value", "cause", "state", "attempts", "status",
        "sent_at", "error",
    )  # fmt: skip
    list_select_related = ("destination", "item", "account", "user")
    list_filter = ("state", "call", "cause", "destination")
    search_fields = ("item__key", "account__name_folded", "user__name_folded", "error")
    actions = ("send_again",)

    @admin.action(description="Send the selected messages again that failed", permissions=["view"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Outgoing]) -> None:
        """Those for which no newer value was written."""
        if not request.user.has_perm("integrations.change_outgoing"):
            self.message_user(request, "Only administrators can send messages again here.", level="ERROR")
            return
        sent, stale = retry(list(queryset.filter(state=Outgoing.State.FAILED)))
        self.message_user(request, f"{sent} will be sent again; of {stale} a newer value was written since.")

    def get_actions(self, request: HttpRequest) -> Any:
        """Only for those who may use it."""
        found = super().get_actions(request)
        return found if request.user.has_perm("integrations.change_outgoing") else {}
