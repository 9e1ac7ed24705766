"""What usage holds about a person or an account: events and what was counted from them.

Daily usage is deleted and not counted again: a day's events may have been dropped by retention, and a count from what
is left would take away other people's numbers. The accounts of a person are marked for their next evaluation in the
transaction that removes the rows. The months go before the daily usage, whose trigger would take them along uncounted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounts.personal_data import of_account
from accounts.privacy.holdings import ACCOUNT, USER, Holding, Subject, exempt, hold
from accounts.touching import touch
from core.locks import xact_lock
from usage.models import (
    AccountTraits,
    AccountUsage,
    ActiveMonth,
    DailyUsage,
    Event,
    FirstUse,
    PendingUsage,
    PlacingMark,
    RecentCount,
    TraitDay,
    UserActivity,
    UserTraits,
)

# A receipt goes with its event, because a message id may have been made from the person's id.
_ERASE_EVENTS = """
WITH chosen AS (SELECT id, at FROM usage_event WHERE {column} = %s LIMIT %s),
gone AS (
    DELETE FROM usage_event e USING chosen c WHERE e.id = c.id AND e.at = c.at
    RETURNING e.account_id, e.source, e.message_id
),
receipts AS (
    DELETE FROM usage_messagereceipt r USING gone g WHERE r.source = g.source AND r.message_id = g.message_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM receipts), (SELECT array_agg(DISTINCT account_id) FROM gone)
"""
# First and last sight of an account, where it was this person's: of the others, and of events that nobody did.
_SEEN_AGAIN = """
WITH gone AS (
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS g (account_id, first_seen, last_seen)
)
UPDATE usage_accountusage u SET
    first_seen_at = CASE WHEN u.first_seen_at >= g.first_seen THEN least(p.first_seen, e.first_seen)
        ELSE u.first_seen_at END,
    last_seen_at = CASE WHEN u.last_seen_at <= g.last_seen THEN greatest(p.last_seen, e.last_seen)
        ELSE u.last_seen_at END
FROM gone g
LEFT JOIN LATERAL (
    SELECT min(first_seen_at) AS first_seen, max(last_seen_at) AS last_seen FROM usage_useractivity
    WHERE account_id = g.account_id
) p ON TRUE
LEFT JOIN LATERAL (
    SELECT min(at) AS first_seen, max(at) AS last_seen FROM usage_event
    WHERE account_id = g.account_id AND user_id IS NULL AND active
) e ON TRUE
WHERE u.account_id = g.account_id
"""


def _erase_events(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    column = "user_id" if subject.kind == USER else "account_id"
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_EVENTS.format(column=column), [subject.pk, limit])
        events, receipts, accounts = cursor.fetchone()
    if subject.kind == USER:
        touch(account for account in accounts or () if account is not None)
    return Counter({"events": events, "receipts": receipts} if events else {})


def _erase_days(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    xact_lock("usage.rollup")  # a roll-up that has read the events before they went must not write after this
    chosen = list(rows.values_list("pk", "account")[:limit])
    if subject.kind == USER:
        touch(account for _, account in chosen)
    done = DailyUsage.objects.filter(pk__in=[pk for pk, _ in chosen]).delete()[0]
    return Counter({"daily_usage": done} if done else {})


def _erase_shares(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """What events have brought and no roll-up has added up yet; before the daily usage, where a roll-up puts it."""
    xact_lock("usage.rollup")
    done = PendingUsage.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:limit])).delete()[0]
    return Counter({"pending_usage": done} if done else {})


def _erase_activity(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    xact_lock("usage.rollup")
    chosen = list(rows.values_list("pk", "account", "first_seen_at", "last_seen_at")[:limit])
    done = UserActivity.objects.filter(pk__in=[row[0] for row in chosen]).delete()[0]
    if subject.kind == USER and chosen:
        touch(row[1] for row in chosen)
        with connection.cursor() as cursor:
            cursor.execute(_SEEN_AGAIN, [[row[place] for row in chosen] for place in (1, 2, 3)])
    return Counter({"activity": done} if done else {})


hold(
    Holding(
        key="events", label="Events, with their receipts", model=Event, order=10,
        find={USER: of_account(Event, "user"), ACCOUNT: of_account(Event)}, erase=_erase_events,
        columns={
            "at": "at", "event": "name__name", "account": "account__external_id", "user": "user__external_id",
            "properties": "properties", "source": "source", "message_id": "message_id", "received_at": "received_at",
            "active": "active", "account_inferred": "inferred",
        },
    ),
    # After the relationships, which set marks when they go.
    Holding(
        key="placing_marks", label="Marks that events are to be placed anew", model=PlacingMark, order=90,
        find={USER: of_account(PlacingMark, "user")},
    ),
    Holding(
        key="pending_usage", label="Daily usage to be added up", model=PendingUsage, order=12,
        find={USER: of_account(PendingUsage, "user"), ACCOUNT: of_account(PendingUsage)}, erase=_erase_shares,
        columns={
            "day": "day", "event": "name__name", "account": "account__external_id", "user": "user__external_id",
            "count": "count", "absent": "absent",
        },
    ),
    Holding(
        key="daily_usage", label="Daily usage", model=DailyUsage, order=15,
        find={USER: of_account(DailyUsage, "user"), ACCOUNT: of_account(DailyUsage)}, erase=_erase_days,
        columns={
            "day": "day", "event": "name__name", "account": "account__external_id", "user": "user__external_id",
            "count": "count", "absent": "absent",
        },
    ),
    Holding(
        key="activity", label="First and last seen", model=UserActivity, order=16,
        find={USER: of_account(UserActivity, "user"), ACCOUNT: of_account(UserActivity)}, erase=_erase_activity,
        columns={
            "account": "account__external_id", "user": "user__external_id", "first_seen_at": "first_seen_at",
            "last_seen_at": "last_seen_at",
        },
    ),
    Holding(
        key="active_months", label="Active days by month", model=ActiveMonth, order=14,
        find={USER: of_account(ActiveMonth, "user"), ACCOUNT: of_account(ActiveMonth)},
        columns={"month": "month", "account": "account__external_id", "user": "user__external_id"},
    ),
    Holding(
        key="first_uses", label="First day of each event", model=FirstUse, order=14,
        find={ACCOUNT: of_account(FirstUse)}, columns={"day": "day", "event": "name__name"},
    ),
    Holding(
        key="account_usage", label="Usage numbers", model=AccountUsage, find={ACCOUNT: of_account(AccountUsage)},
        columns={
            name: name
            for name in (
                "active_users_7d", "active_users_30d", "active_users_90d", "active_users_365d", "events_30d",
                "active_days_30d", "active_days_90d", "last_seen_at",
            )
        },
    ),
    Holding(
        key="recent_counts", label="Counts of the last days", model=RecentCount,
        find={ACCOUNT: of_account(RecentCount)},
        columns={"day": "day", "days": "days", "event": "name__name", "count": "count", "users": "users"},
    ),
    Holding(
        key="account_traits", label="Traits", model=AccountTraits, find={ACCOUNT: of_account(AccountTraits)},
        columns={"traits": "shown"},
    ),
    Holding(
        key="trait_days", label="Traits by day", model=TraitDay, find={ACCOUNT: of_account(TraitDay)},
        columns={"day": "day", "traits": "figures"},
    ),
    Holding(
        key="user_traits", label="Traits of users", model=UserTraits,
        find={USER: of_account(UserTraits, "user"), ACCOUNT: of_account(UserTraits)},
        columns={"account": "account__external_id", "user": "user__external_id", "traits": "shown"},
    ),
)  # fmt: skip
exempt(
    {
        "usage.MessageReceipt": "Erased together with its event, or its message in the event debugger. What is left of "
        "older identify and group calls is a sender’s number of a message, with nothing that leads to anybody."
    }
)
