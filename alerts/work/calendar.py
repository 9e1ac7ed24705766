"""Tasks as an iCalendar feed (RFC 5545) at a secret address of each colleague.

A task is an event that lasts its day. Such days have no zone: a calendar program shows them on that date in whichever
zone its owner is. The events are transparent, so that nobody counts as busy for them.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from icalendar import Calendar, Event

from accounts.models import Account, TeamMember
from alerts.models import Task, TaskCalendar
from core.api.tokens import digest_of

MOST = 1_000
DONE_KEPT = dt.timedelta(days=30)
REFRESH = dt.timedelta(hours=1)
READ_NOTED = dt.timedelta(minutes=10)


def renew_calendar(member: TeamMember) -> str:
    """A new secret for a colleague's feed; the one before leads nowhere from now on. The answer is the only copy."""
    secret = secrets.token_urlsafe(32)
    made = {"digest": digest_of(secret), "hint": secret[-4:], "created_at": timezone.now(), "read_at": None}
    with transaction.atomic():
        TaskCalendar.objects.update_or_create(member=member, defaults=made)
    return secret


def close_calendar(member: TeamMember) -> None:
    """Let the address lead nowhere."""
    TaskCalendar.objects.filter(member=member).delete()


def calendar_of(secret: str) -> TeamMember | None:
    """Whose feed it is; None if there is no such address, or its owner may no longer log in."""
    now = timezone.now()
    rows = TaskCalendar.objects.select_related("member__user").filter(member__user__is_active=True)
    found = rows.filter(digest=digest_of(secret)).first()
    if found is None:
        return None
    if found.read_at is None or found.read_at < now - READ_NOTED:
        TaskCalendar.objects.filter(pk=found.pk).update(read_at=now)
    return found.member


def tasks_in_calendar(member: TeamMember) -> QuerySet[Task]:
    """The colleague's tasks with a day, of accounts they may see: the open ones, and what was over lately."""
    seen = Account.objects.visible_to(member.user).order_by()
    mine = Task.objects.filter(assignee=member, due_on__isnull=False, account__in=seen)
    recent = mine.filter(done_at__gte=timezone.now() - DONE_KEPT)
    return (mine.open() | recent).select_related("account").order_by("due_on", "pk")[:MOST]


def feed(tasks: Iterable[Task], *, name: str, site: str) -> bytes:
    """The feed as it is sent. `site` is the address of the dashboard: where links lead, and what makes ids unique."""
    made = Calendar()
    made.add("prodid", "-//csbox//tasks//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("x-wr-calname", name)
    made.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    made.add("x-published-ttl", REFRESH)
    host = site.split("://", 1)[-1].split("/", 1)[0]
    for task in tasks:
        made.add_component(_event(task, site, host))
    return bytes(made.to_ical())


def _event(task: Task, site: str, host: str) -> Event:
    over = task.state != Task.State.OPEN
    event = Event()
    event.add("uid", f"task-{task.pk}@{host}")
    event.add("dtstamp", task.updated_at)
    event.add("last-modified", task.updated_at)
    event.add("summary", f"{'✓ ' if over else ''}{task.title} ({task.account})")
    event.add("dtstart", task.due_on)
    event.add("dtend", task.due_on + dt.timedelta(days=1) if task.due_on else None)
    event.add("transp", "TRANSPARENT")
    link = f"{site.rstrip('/')}/tasks/?task={task.pk}"
    event.add("url", link)
    event.add("description", "\n\n".join(part for part in (task.text, task.note, link) if part))
    return event
