"""The tasks of a book that are late, due today or due within a week: those of its colleague or its team."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts.models import Account
from alerts.models import Task
from core.clock import Moment
from health.portfolio import SHOWN, Whose

SOON_DAYS = 7


@dataclass(frozen=True)
class TasksDue:
    """How many open tasks are late, are due today, and are due within the 7 days after; the first of them by day."""

    overdue: int
    today: int
    soon: int
    shown: list[Task]

    @property
    def total(self) -> int:
        """All three together."""
        return self.overdue + self.today + self.soon


def tasks_due(whose: Whose, seen: QuerySet[Account], now: Moment, limit: int = SHOWN) -> TasksDue:
    """Of the accounts that may be seen, what is assigned to whose book it is, or to anybody; two statements."""
    rows = Task.objects.open().filter(account__in=seen.order_by())
    if whose.member is not None:
        rows = rows.filter(assignee=whose.member)
    elif whose.team is not None:
        rows = rows.filter(assignee__team=whose.team)
    today, end = now.today, now.today + dt.timedelta(days=SOON_DAYS)
    near = rows.filter(due_on__lte=end)
    counts = near.order_by().aggregate(
        overdue=Count("pk", filter=Q(due_on__lt=today)),
        today=Count("pk", filter=Q(due_on=today)),
        soon=Count("pk", filter=Q(due_on__gt=today)),
    )
    shown = near.select_related("account", "assignee").order_by("due_on", "pk")[:limit] if any(counts.values()) else []
    return TasksDue(counts["overdue"], counts["today"], counts["soon"], list(shown))
