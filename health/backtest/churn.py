"""Who left and when, by everything that is known now: an outcome is told with hindsight, unlike what led to it.

An account is gone

* while its lifecycle stage is of the type Cancelled, from the day of that change, or from its date of churn;
* after the last day of its last active subscription, if it has none today;
* for so many days without any event, or longer, from the first day of these until the next event.

Stretches that touch are one; the churn is the first day of each. An account that was cancelled when csbox first heard
of it, without a date of churn or a subscription that ended, left nobody knows when: it is left out altogether.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection

from accounts.models import Account, AttributeChange, LifecycleStage
from core.clock import Moment
from core.spans import ONE_DAY

Stretch = tuple[dt.date, dt.date]  # the first day and the first day after it
_SUBSCRIPTIONS = """
SELECT account_id, max(ended) FROM (
    SELECT s.account_id, k.kind, coalesce(s.ends_on, left_on.day - 1) AS ended
    FROM accounts_subscription AS s JOIN accounts_subscriptionstatus AS k ON k.key = s.status
    LEFT JOIN LATERAL (
        SELECT (c.at AT TIME ZONE %(zone)s)::date AS day FROM accounts_attributechange AS c
        WHERE c.subject = 'subscription' AND c.object_id = s.id AND c.key = 'status' AND k.kind = 'cancelled'
          AND c.old IS NOT NULL
        ORDER BY c.at DESC LIMIT 1
    ) AS left_on ON true
    WHERE k.kind <> 'future'
) AS sold
GROUP BY account_id
HAVING max(ended) < %(today)s AND bool_and(coalesce(ended < %(today)s, kind = 'cancelled'))
"""
# A stretch of at least so many whole days between two days with events, or between the last one and today.
_SILENT = """
SELECT account_id, day + 1, next FROM (
    SELECT account_id, day, lead(day) OVER (PARTITION BY account_id ORDER BY day) AS next
    FROM (SELECT DISTINCT account_id, day FROM usage_dailyusage WHERE count > absent AND day <= %(today)s) AS seen
) AS gaps
WHERE coalesce(next, %(today)s) - day > %(days)s
"""


@dataclass(frozen=True)
class Churn:
    """When accounts were gone (sorted), those that are left out, and the last day whose churns are known now."""

    gone: Mapping[int, list[Stretch]]
    unknown: frozenset[int]
    known_until: dt.date

    def days(self) -> dict[int, list[dt.date]]:
        """The churns of each account."""
        return {account: [first for first, _ in stretches] for account, stretches in self.gone.items()}

    def is_gone(self, account: int, day: dt.date) -> bool:
        """Whether an account had left on a day, or is left out."""
        return account in self.unknown or any(first <= day < end for first, end in self.gone.get(account, ()))


def find_churn(present: Moment, *, cancelled: bool, silent_days: int | None) -> Churn:
    """Every churn that is known now, by the definitions that are wanted."""
    found: dict[int, list[Stretch]] = defaultdict(list)
    unknown: set[int] = set()
    known_until = present.today
    if cancelled:
        unknown = _by_stage(found, present)
        _by_subscription(found, present)
        unknown -= found.keys()
    if silent_days is not None:
        _by_silence(found, present, silent_days)
        known_until = present.today - dt.timedelta(days=silent_days)
    return Churn({account: joined(rows) for account, rows in found.items()}, frozenset(unknown), known_until)


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Sorted, with those that overlap or touch made one."""
    found: list[Stretch] = []
    for first, end in sorted(stretches):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def _by_stage(found: dict[int, list[Stretch]], present: Moment) -> set[int]:
    """Stretches in a stage of the type Cancelled; returns the accounts whose first one has no known beginning."""
    gone = set(LifecycleStage.objects.filter(kind=LifecycleStage.Kind.CANCELLED).values_list("key", flat=True))
    now = Account.objects.order_by().values_list("pk", "stage_id", "churned_on")
    dates = {pk: (stage in gone, day) for pk, stage, day in now if stage in gone or day}
    rows = AttributeChange.objects.filter(subject="account", key="stage").order_by("object_id", "at", "id")
    by_account: dict[int, list[Stretch]] = defaultdict(list)
    undated: set[int] = set()
    for pk, old, new, at in rows.values_list("object_id", "old", "new", "at"):
        day, mine = at.astimezone(present.zone).date(), by_account[pk]
        if new in gone and old not in gone:
            mine.append((day, dt.date.max))
            if old is None and len(mine) == 1:
                undated.add(pk)
        elif old in gone and new not in gone and mine:
            mine[-1] = (mine[-1][0], day)
    for pk, (is_gone, churned_on) in dates.items():
        mine = by_account[pk]
        if churned_on is None:
            undated |= {pk} if is_gone and not mine else set()
        elif mine and mine[-1][1] == dt.date.max:
            mine[-1] = (min(mine[-1][0], churned_on) if pk not in undated else churned_on, dt.date.max)
            undated.discard(pk)
        elif not mine:
            mine.append((churned_on, dt.date.max))
    for pk, mine in by_account.items():
        if pk not in undated:
            found[pk] += mine
    return undated


def _by_subscription(found: dict[int, list[Stretch]], present: Moment) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, {"today": present.today, "zone": present.zone.key})
        for account, last in cursor.fetchall():
            found[account].append((last + ONE_DAY, dt.date.max))


def _by_silence(found: dict[int, list[Stretch]], present: Moment, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, {"today": present.today, "days": days})
        for account, first, end in cursor.fetchall():
            found[account].append((first, end or dt.date.max))
