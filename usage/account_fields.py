"""What usage says about an account and about a user in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db.models import F, IntegerField, OuterRef, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest

from accounts.fields import (
    Category,
    EventSource,
    Field,
    Kind,
    Owner,
    Rows,
    RowSet,
    provide,
    register,
    register_events,
    register_rows,
)
from accounts.fields.attributes import column, where_known
from accounts.fields.expressions import ratio
from accounts.fields.rows import OnlyRow
from usage.models import DailyUsage, Event, FirstUse, Trait, UserActivity
from usage.properties import distinct, event_names, number, property_field, recent_properties
from usage.recent import COMPARED, recent_counts, recent_windows
from usage.traits.fields import trait_fields


def counted(name: str) -> Callable[[str], Combinable]:
    """A count, which is 0 for an account that nothing was ever heard of."""

    def value(prefix: str) -> Combinable:
        count = Coalesce(f"{prefix}usage__{name}", 0, output_field=IntegerField())
        return where_known(prefix.removesuffix("__"), count)

    return value


def share(part: str, whole: str) -> Callable[[str], Combinable]:
    """One count in percent of another."""
    return ratio(lambda prefix: F(f"{prefix}usage__{part}") * 100, column(f"usage__{whole}"))


def change(now: str, before: str) -> Callable[[str], Combinable]:
    """How many percent a count is above what it was, negative below; missing where it was 0."""
    return ratio(
        lambda prefix: (F(f"{prefix}usage__{now}") - F(f"{prefix}usage__{before}")) * 100, column(f"usage__{before}")
    )


def days_of_half_year(prefix: str) -> Combinable:
    """The active days of the last 90 days and of the 90 before."""
    days = F(f"{prefix}usage__active_days_90d") + F(f"{prefix}usage__active_days_before_90d")
    return where_known(prefix.removesuffix("__"), Coalesce(days, 0, output_field=IntegerField()))


def usual_gap(prefix: str) -> Combinable:
    """The mean distance of two active days that follow each other; missing where there is but one."""
    return ratio(column("usage__active_span_180d"), lambda p: Greatest(days_of_half_year(p), Value(1)) - 1)(prefix)


def seen_in_account(name: str) -> Callable[[str], Combinable]:
    """When the user was first or last seen in this very account (the row in hand is the relationship)."""

    def value(prefix: str) -> Combinable:
        relationship = prefix.removesuffix("user__")
        mine = UserActivity.objects.filter(
            account=OuterRef(f"{relationship}account_id"), user=OuterRef(f"{relationship}user_id")
        )
        return OnlyRow(mine.values(name)[:1])

    return value


# What is counted is as old as the newest event that was counted.
newest = column("usage__last_seen_at")
account = partial(Field, owner=Owner.ACCOUNT, category=Category.USAGE, known=newest, fed=newest)
register(
    account(
        key="account.active_users_7d",
        label="Active users, 7 days",
        kind=Kind.NUMBER,
        value=counted("active_users_7d"),
        unit="users",
    ),
    account(
        key="account.active_users_30d",
        label="Active users, 30 days",
        kind=Kind.NUMBER,
        value=counted("active_users_30d"),
        unit="users",
    ),
    account(
        key="account.active_users_90d",
        label="Active users, 90 days",
        kind=Kind.NUMBER,
        value=counted("active_users_90d"),
        unit="users",
    ),
    account(
        key="account.events_30d", label="Events, 30 days", kind=Kind.NUMBER, value=counted("events_30d"), unit="events"
    ),
    account(
        key="account.active_days_30d",
        label="Active days, 30 days",
        kind=Kind.NUMBER,
        value=counted("active_days_30d"),
        unit="days",
    ),
    account(
        key="account.active_users_365d",
        label="Active users, 365 days",
        kind=Kind.NUMBER,
        value=counted("active_users_365d"),
        unit="users",
    ),
    account(
        key="account.active_days_90d",
        label="Active days, 90 days",
        kind=Kind.NUMBER,
        value=counted("active_days_90d"),
        unit="days",
    ),
    account(
        key="account.active_days_180d",
        label="Active days, 180 days",
        kind=Kind.NUMBER,
        value=days_of_half_year,
        unit="days",
    ),
    account(
        key="account.event_kinds_30d",
        label="Kinds of events, 30 days",
        kind=Kind.NUMBER,
        value=counted("event_kinds_30d"),
        unit="kinds",
        description="How many different events happened: how much of the product is used.",
    ),
    account(
        key="account.event_kinds_90d",
        label="Kinds of events, 90 days",
        kind=Kind.NUMBER,
        value=counted("event_kinds_90d"),
        unit="kinds",
    ),
    *(
        account(
            key=f"account.active_{what}_change_{days}d",
            label=f"Active {what}, {days} days: change",
            kind=Kind.PERCENT,
            value=change(f"active_{what}_{days}d", f"active_{what}_before_{days}d"),
            description=f"Against the {days} days before; missing where there were none.",
        )
        for what in ("users", "days")
        for days in (30, 90)
    ),
    account(
        key="account.users_kept_90d",
        label="Users of the year still active",
        kind=Kind.PERCENT,
        value=share("active_users_90d", "active_users_365d"),
        description="Of the users active in the last 365 days, the share that was active in the last 90.",
    ),
    account(
        key="account.busiest_user_90d",
        label="Share of the busiest user, 90 days",
        kind=Kind.PERCENT,
        value=share("busiest_user_days_90d", "user_days_90d"),
        description="The active days of all users added up: the share of the user with most.",
    ),
    account(
        key="account.usual_gap",
        label="Usual days between active days",
        kind=Kind.NUMBER,
        value=usual_gap,
        unit="days",
        description="The mean of the last 180 days; missing with fewer than two active days.",
    ),
    account(key="account.first_seen_at", label="First seen", kind=Kind.DATETIME, value=column("usage__first_seen_at")),
    account(key="account.last_seen_at", label="Last seen", kind=Kind.DATETIME, value=column("usage__last_seen_at")),
    Field(
        key="user.last_seen_at",
        label="Last seen in the account",
        category=Category.USERS,
        kind=Kind.DATETIME,
        owner=Owner.USER,
        value=seen_in_account("last_seen_at"),
        known=seen_in_account("last_seen_at"),
    ),
)

register_rows(RowSet(Rows.EVENTS, lambda: Event.objects.all(), "account", {Owner.EVENT: ""}))
register_events(
    EventSource(
        names=event_names,
        daily=lambda: DailyUsage.objects.all(),
        events=lambda: Event.objects.all(),
        field=property_field,
        number=number,
        distinct=distinct,
        properties=recent_properties,
        windows=recent_windows,
        recent=recent_counts,
        compared=COMPARED,
        first=lambda: FirstUse.objects.all(),
    )
)
provide(Trait)(trait_fields)
