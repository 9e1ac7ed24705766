"""What was received and counted, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Account, EndUser
from core.backoffice import ReadOnly
from core.figures import Figure, add_figure, change_since
from core.intake import fold
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
MOST_OFFERED = 100  # kinds of event that a filter names
MOST_MEANT = 50  # accounts, and users, that a search of a large table stands for


@admin.register(EventName)
class EventNameAdmin(ReadOnly):
    """Every kind of event that was ever received."""

    list_display = ("name", "first_seen_at")
    list_filter = ("first_seen_at",)
    search_fields = ("name",)


class EventNameFilter(admin.SimpleListFilter):
    """The kind of event; the first by name are offered, and a link may name any."""

    title = "event"
    parameter_name = "name__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The first names."""
        return [(str(pk), name) for pk, name in EventName.objects.values_list("pk", "name")[:MOST_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(name_id=int(value)) if value.isdecimal() and len(value) < 6 else queryset.none()


class OfSomebodyAdmin(ReadOnly):
    """A table of millions of rows. What is searched for is looked up among accounts and users, by whose indexes the
    rows are found; the words themselves are in no index."""

    search_fields = ("account__name_folded", "account__external_id", "user__name_folded", "user__external_id")
    search_help_text = "Part of the name of an account or a user, or an id"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        """The rows of the first accounts and users that are meant."""
        term = search_term.strip()
        if not term or "\x00" in term:
            return (queryset if not term else queryset.none()), False
        meant = Q(name_folded__contains=fold(term)) | Q(external_id=term)
        accounts, users = (
            list(model.objects.filter(meant).order_by("name_folded", "pk").values_list("pk", flat=True)[:MOST_MEANT])
            for model in (Account, EndUser)
        )
        return queryset.filter(Q(account__in=accounts) | Q(user__in=users)), False


@admin.register(Event)
class EventAdmin(OfSomebodyAdmin):
    """Events, the newest first. Narrow them by account or user: the table is large."""

    list_display = ("at", "name", "account", "user", "active", "source", "message_id")
    list_select_related = ("name", "account", "user")
    list_filter = ("at", "active", EventNameFilter)
    list_display_links = None
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Newest first, which the partitions can answer month by month."""
        return super().get_queryset(request).order_by("-at")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """By account, user and name, as the links of other pages do, and as the filters do."""
        return lookup in (
            "account__id__exact", "user__id__exact", "name__id__exact", "at__gte", "at__lt", "active__exact",
        )  # fmt: skip


class FiguresAdmin(ReadOnly):
    """Figures per account or user."""

    list_select_related: ClassVar[Any] = ("account",)
    list_display_links = None


def activity_of(accounts: Sequence[int]) -> dict[int, SafeString]:
    """Active users of 30 days of some accounts, with the change against the 30 days before."""
    found = AccountUsage.objects.filter(account__in=accounts)
    rows = found.values_list("pk", "active_users_30d", "active_users_before_30d")
    return {
        pk: format_html("{} {}", f"{now:,}", change_since(now, before, "in the 30 days before"))
        for pk, now, before in rows
    }


add_figure(Account, Figure("active", "Active, 30 days", activity_of))


@admin.register(AccountUsage)
class AccountUsageAdmin(FiguresAdmin):
    """The newest figures of each account."""

    list_display = (
        "account", "active_users_7d", "active_users_30d", "active_users_90d", "events_30d", "active_days_30d",
        "last_seen_at",
    )  # fmt: skip
    list_filter = ("last_seen_at",)
    search_fields = ("account__name_folded", "account__external_id")


@admin.register(DailyUsage)
class DailyUsageAdmin(OfSomebodyAdmin):
    """Counts per day, account, user and event."""

    list_display = ("day", "account", "user", "name", "count", "absent")
    list_display_links = None
    list_select_related = ("account", "user", "name")
    list_filter = ("day", EventNameFilter)


@admin.register(ActiveMonth)
class ActiveMonthAdmin(FiguresAdmin):
    """In which months each user was active in each account; the days are bits, the first day the lowest."""

    list_display = ("month", "account", "user", "days")
    list_filter = ("month",)
    list_select_related = ("account", "user")
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(FirstUse)
class FirstUseAdmin(FiguresAdmin):
    """On which day each event happened in each account for the first time."""

    list_display = ("day", "account", "name")
    list_filter = ("day",)
    list_select_related = ("account", "name")
    search_fields = ("account__name_folded", "account__external_id")
    sortable_by = ()


@admin.register(TraitDay)
class TraitDayAdmin(FiguresAdmin):
    """What the numeric traits of an account became on a day, by the number of the trait."""

    list_display = ("day", "account", "figures")
    list_filter = ("day",)
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
    list_filter = ("last_seen_at",)
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
    list_filter = ("last_at",)
    search_fields = ("source",)


@admin.register(FeedSilence)
class FeedSilenceAdmin(ReadOnly):
    """When which feed fell silent, and when rules went on."""

    list_display = ("feed", "since", "noticed_at", "ended_at", "settles_at", "released_at", "released_by")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), ("released_at", admin.EmptyFieldListFilter))
    list_select_related = ("feed",)
    search_fields = ("feed__source",)


@admin.register(PendingUsage)
class PendingUsageAdmin(ReadOnly):
    """What new events add to the daily counts; the list empties itself."""

    list_display = ("id", "day", "account", "user", "name", "count", "absent")
    list_filter = ("day",)
    search_fields = ("account__name_folded",)
    list_select_related = ("account", "user", "name")
    list_display_links = None


@admin.register(PrunedMonth)
class PrunedMonthAdmin(ReadOnly):
    """Months whose events were dropped when their time was over."""

    list_display = ("month", "at")
    list_display_links = None
