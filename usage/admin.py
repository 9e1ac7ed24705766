"""What was received and counted, to look at."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import ReadOnly
from usage.models import (
    AccountUsage,
    DailyUsage,
    DirtyDay,
    Event,
    EventName,
    RecentCount,
    RecentDay,
    RecentMark,
    UserActivity,
)
from usage.traits.admin import TraitAdmin

__all__ = ["TraitAdmin"]


@admin.register(EventName)
class EventNameAdmin(ReadOnly):
    """Every kind of event that was ever received."""

    list_display = ("name", "first_seen_at")
    search_fields = ("name",)


@admin.register(Event)
class EventAdmin(ReadOnly):
    """Events, the newest first. Narrow them by account or user: the table is large."""

    list_display = ("at", "name", "account", "user", "source", "message_id")
    list_select_related = ("name", "account", "user")
    list_display_links = None
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Newest first, which the partitions can answer month by month."""
        return super().get_queryset(request).order_by("-at")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """By account, user and name, as the links of other pages do."""
        return lookup in ("account__id__exact", "user__id__exact", "name__id__exact")


class FiguresAdmin(ReadOnly):
    """Figures per account or user."""

    list_select_related: ClassVar[Any] = ("account",)
    list_display_links = None


@admin.register(AccountUsage)
class AccountUsageAdmin(FiguresAdmin):
    """The newest figures of each account."""

    list_display = (
        "account", "active_users_7d", "active_users_30d", "active_users_90d", "events_30d", "active_days_30d",
        "last_seen_at",
    )  # fmt: skip
    search_fields = ("account__name_folded", "account__external_id")


@admin.register(DailyUsage)
class DailyUsageAdmin(FiguresAdmin):
    """Counts per day, account, user and event."""

    list_display = ("day", "account", "user", "name", "count")
    list_select_related = ("account", "user", "name")


@admin.register(RecentCount)
class RecentCountAdmin(FiguresAdmin):
    """Counts of the last 7, 30 and 90 days, per account and event."""

    list_display = ("day", "days", "account", "name", "count", "users", "active_days")
    list_select_related = ("account", "name")
    list_filter = ("days",)
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(RecentDay)
class RecentDayAdmin(ReadOnly):
    """The day for which those counts are kept."""

    list_display = ("day",)
    list_display_links = None


@admin.register(RecentMark)
class RecentMarkAdmin(ReadOnly):
    """Writes to the daily usage that those counts do not know of yet; the next roll-up empties the list."""

    list_display = ("made_by",)
    list_display_links = None


@admin.register(UserActivity)
class UserActivityAdmin(FiguresAdmin):
    """When each user was first and last seen in each account."""

    list_display = ("user", "account", "first_seen_at", "last_seen_at")
    list_select_related = ("account", "user")
    search_fields = ("user__name_folded", "account__name_folded")


@admin.register(DirtyDay)
class DirtyDayAdmin(ReadOnly):
    """Days whose events changed since they were counted; the list empties itself."""

    list_display = ("day",)
    list_display_links = None
