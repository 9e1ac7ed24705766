"""What usage says about an account and about a user in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db.models import IntegerField, OuterRef
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

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
from accounts.fields.rows import OnlyRow
from usage.models import DailyUsage, Event, UserActivity
from usage.properties import distinct, event_names, number, property_field, recent_properties
from usage.recent import recent_counts, recent_windows
from usage.traits.fields import trait_fields


def counted(name: str) -> Callable[[str], Combinable]:
    """A count, which is 0 for an account that nothing was ever heard of."""

    def value(prefix: str) -> Combinable:
        count = Coalesce(f"{prefix}usage__{name}", 0, output_field=IntegerField())
        return where_known(prefix.removesuffix("__"), count)

    return value


def seen_in_account(name: str) -> Callable[[str], Combinable]:
    """When the user was first or last seen in this very account (the row in hand is the relationship)."""

    def value(prefix: str) -> Combinable:
        relationship = prefix.removesuffix("user__")
        mine = UserActivity.objects.filter(
            account=OuterRef(f"{relationship}account_id"), user=OuterRef(f"{relationship}user_id")
        )
        return OnlyRow(mine.values(name)[:1])

    return value


account = partial(Field, owner=Owner.ACCOUNT, category=Category.USAGE)
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
    account(key="account.first_seen_at", label="First seen", kind=Kind.DATETIME, value=column("usage__first_seen_at")),
    account(key="account.last_seen_at", label="Last seen", kind=Kind.DATETIME, value=column("usage__last_seen_at")),
    Field(
        key="user.last_seen_at",
        label="Last seen in the account",
        category=Category.USERS,
        kind=Kind.DATETIME,
        owner=Owner.USER,
        value=seen_in_account("last_seen_at"),
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
    )
)
provide(trait_fields)
