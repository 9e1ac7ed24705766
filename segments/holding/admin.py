"""Who was told of which silent feed, to look at."""

from __future__ import annotations

from django.contrib import admin

from core.backoffice import ReadOnly
from segments.holding.models import HoldNotice


@admin.register(HoldNotice)
class HoldNoticeAdmin(ReadOnly):
    """One line for each person and silence."""

    list_display = ("created_at", "user", "silence", "seen_at")
    list_select_related = ("user", "silence__feed")
    search_fields = ("user__username", "silence__feed__source")
    list_filter = (("seen_at", admin.EmptyFieldListFilter),)
