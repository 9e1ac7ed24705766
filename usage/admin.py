"""What was received and counted, to look at."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import ReadOnly
from usage.models import (
    AccountUsage,
    ActiveMonth,
    DailyUsage,
    DirtyDay,
    Event,
    EventName,
    Feed,
    FeedSilence,
    FirstUse,
    PendingUsage,
    PrunedMonth,
    RecentCount,
    RecentDay,
    RecentMark,
    TraitDay,
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

    list_display = ("at", "name", "account", "user", "active", "source", "message_id")
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

    list_display = ("day", "account", "user", "name", "count", "absent")
    list_select_related = ("account", "user", "name")


@admin.register(ActiveMonth)
class ActiveMonthAdmin(FiguresAdmin):
    """In which months each user was active in each account; the days are bits, the first day the lowest."""

    list_display = ("month", "account", "user", "days")
    list_select_related = ("account", "user")
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(FirstUse)
class FirstUseAdmin(FiguresAdmin):
    """On which day each event happened in each account for the first time."""

    list_display = ("day", "account", "name")
    list_select_related = ("account", "name")
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(TraitDay)
class TraitDayAdmin(FiguresAdmin):
    """What the numeric traits of an account became on a day, by the number of the trait."""

    list_display = ("day", "account", "figures")
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(RecentCount)
class RecentCountAdmin(FiguresAdmin):
    """Counts of the last 7, 30 and 90 days, and of the 7 and 30 days before, per account and event."""

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
    """Days that are to be counted anew from their events; the list empties itself."""

    list_display = ("day",)
    list_display_links = None


@admin.register(Feed)
class FeedAdmin(ReadOnly):
    """The sources that events come from, with the rhythm that was learned."""

    list_display = ("source", "rhythm", "first_at", "last_at", "judged_at")
    search_fields = ("source",)


@admin.register(FeedSilence)
class FeedSilenceAdmin(ReadOnly):
    """When which feed fell silent, and when rules went on."""

    list_display = ("feed", "since", "noticed_at", "ended_at", "settles_at", "released_at", "released_by")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), ("released_at", admin.EmptyFieldListFilter))
    list_select_related = ("feed",)


@admin.register(PendingUsage)
class PendingUsageAdmin(ReadOnly):
    """What new events add to the daily counts; the list empties itself."""

    list_display = ("id", "day", "account", "user", "name", "count", "absent")
    list_select_related = ("account", "user", "name")
    list_display_links = None


@admin.register(PrunedMonth)
class PrunedMonthAdmin(ReadOnly):
    """Months whose events were dropped when their time was over."""

    list_display = ("month", "at")
    list_display_links = None
