"""The back office: tokens of the API, and the work that was due on each day."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from core.api.tokens import make_token
from core.backoffice import BackOffice, ReadOnly
from core.models import ApiToken, DailyJob, WakeUp


@admin.register(ApiToken)
class ApiTokenAdmin(BackOffice):
    """Tokens of programs, by their last four characters. A new one is shown once; deleting one ends it."""

    fields = ("user", "name")
    autocomplete_fields = ("user",)
    list_display = ("user", "name", "hint", "created_at")
    list_select_related = ("user",)
    list_filter = ("created_at",)
    search_fields = ("user__username", "name", "hint")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is made and deleted, never changed."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make it, and show the token."""
        made, token = make_token(obj.user, obj.name)
        obj.pk, obj.digest, obj.hint, obj.created_at = made.pk, made.digest, made.hint, made.created_at
        self.message_user(request, f"The token of {obj.user} is {token}. It is shown this once.", messages.WARNING)


@admin.register(DailyJob)
class DailyJobAdmin(ReadOnly):
    """What was due on which local date, and whether it was done."""

    list_display = ("name", "local_date", "attempts", "started_at", "finished_at")
    list_filter = ("name",)
    search_fields = ("name",)
    date_hierarchy = "local_date"


@admin.register(WakeUp)
class WakeUpAdmin(ReadOnly):
    """Tasks that were sent and have not begun; the list empties itself."""

    list_display = ("task", "at")
    list_filter = ("at",)
    search_fields = ("task",)
    list_display_links = None
