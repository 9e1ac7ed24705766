"""Replays of alert rules in the back office, to look at; the pages start and cancel them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from alerts.models import AlertReplay, AlertReplayDay
from core.backoffice import ReadOnly


@admin.register(AlertReplay)
class AlertReplayAdmin(ReadOnly):
    """Rules asked of past days: who, when, how far, what became of it."""

    list_display = ("id", "rule", "first_day", "last_day", "state", "done", "steps", "author", "created_at", "error")
    list_select_related = ("rule", "author")
    list_filter: ClassVar[tuple[str, ...]] = ("state",)
    search_fields = ("rule__name_folded",)
    page_via = ("rule",)


@admin.register(AlertReplayDay)
class AlertReplayDayAdmin(ReadOnly):
    """Days that a running replay has done."""

    list_display = ("replay", "day")
    list_select_related = ("replay__rule",)
    list_filter = (("replay", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("replay__rule__name_folded",)
    page_via = ("replay",)
