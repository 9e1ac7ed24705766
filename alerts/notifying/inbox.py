"""The inbox: what a colleague was told, read and unread; and what the clock has to do with notifications."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Account, TeamMember
from alerts.models import Notice
from alerts.models.notice import NoticeQuerySet
from alerts.notifying.channel_digests import waiting_channels
from alerts.notifying.digests import digest_due
from alerts.notifying.sending import is_due
from alerts.notifying.telling import TASK, mentions_wait
from core.clock import moment
from core.jobs import enqueue

MOST_COUNTED = 100


def inbox_of(member: TeamMember | None) -> NoticeQuerySet:
    """What a colleague was told, but for accounts that they may not see any more; nothing without a colleague."""
    rows = Notice.objects.inbox_of(member)
    if member is None or not member.is_restricted():
        return rows
    seen = Account.objects.visible_to(member.user).order_by()
    return rows.filter(Q(account__isnull=True) | Q(account__in=seen))


def unread_number(member: TeamMember | None) -> int:
    """How many are unread, counted up to 100; one statement."""
    return Notice.objects.inbox_of(member).unread().order_by()[:MOST_COUNTED].count() if member else 0


def mark(rows: QuerySet[Notice], *, read: bool, ids: Iterable[int] | None = None) -> int:
    """Mark notices of somebody's inbox as read or unread, all or some; how many changed."""
    chosen = rows if ids is None else rows.filter(pk__in=list(ids))
    return chosen.filter(read_at__isnull=read).update(read_at=timezone.now() if read else None)


def wake_due() -> None:
    """The tick's part: wake a worker if somebody is to be told, a digest is due, or a lost wake-up left something."""
    if is_due() or mentions_wait() or digest_due(now := moment()) or waiting_channels(now):
        enqueue(TASK)


def forget_notices_before(at: dt.datetime) -> int:
    """Delete old notices with what was sent of them; how many rows. Those that wait for a digest stay."""
    return Notice.objects.filter(at__lt=at, waits=False).delete()[0]
