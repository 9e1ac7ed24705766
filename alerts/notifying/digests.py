"""Digests: once a local day for each colleague who wants one, or for whom something waits; the portfolio once a week.

The day is claimed by a row that says which was the last one, in the transaction that writes the notice, so that two
ticks make one digest and a killed one makes none or a whole. After an outage there is one, from the last one on.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import Account, TeamMember
from alerts.brief import Brief, brief_of
from alerts.models import Notice, NoticeSettings
from alerts.notifying.channel_digests import make_channel_digest, waiting_channels
from alerts.notifying.choosing import zone_of
from alerts.notifying.kinds import DIGEST, WEEKLY
from alerts.notifying.tasks import tell_days
from alerts.notifying.telling import Telling, tell
from core.clock import Moment, moment
from core.daily import newest_slot
from health.portfolio import Whose
from segments.questions import Reader

log = logging.getLogger(__name__)
FIRST_REACH = dt.timedelta(days=1)
MONDAY = 0


def digest_due(now: Moment) -> list[NoticeSettings]:
    """Whose digest or weekly portfolio is to be made, by the clocks of their own zones."""
    return [one for one in _everybody() if _daily_slot(one, now) or _weekly_slot(one, now)]


def make_digests(now: Moment | None = None) -> int:
    """Make those that are due, of colleagues and of channels; how many notices were written."""
    present = now or moment()
    made = 0
    for settings in digest_due(present):
        try:
            made += _make(settings.member, present)
        except Exception:  # that of one colleague must not stop those of the others
            log.exception("digest not made", extra={"member": settings.member_id})
    for channel in waiting_channels(present):
        try:
            made += make_channel_digest(channel, present)
        except Exception:  # likewise
            log.exception("digest not made", extra={"channel": channel.pk})
    return made


def _everybody() -> list[NoticeSettings]:
    """The settings of every active colleague, the defaults where nothing was chosen."""
    members = TeamMember.objects.filter(user__is_active=True).select_related("notice_settings", "user")
    found = []
    for member in members:
        settings = getattr(member, "notice_settings", None) or NoticeSettings(member=member)
        settings.member = member
        found.append(settings)
    return found


def _daily_slot(settings: NoticeSettings, now: Moment) -> dt.date | None:
    """The local day whose digest is due; None if it was made."""
    slot = newest_slot(now.now.astimezone(zone_of(settings, now)), settings.digest_at)
    return slot if settings.digested_on is None or settings.digested_on < slot else None


def _weekly_slot(settings: NoticeSettings, now: Moment) -> dt.date | None:
    """The Monday whose portfolio is due; None if it was made, or is not wanted."""
    if not settings.weekly:
        return None
    slot = newest_slot(now.now.astimezone(zone_of(settings, now)), settings.digest_at)
    monday = slot - dt.timedelta(days=(slot.weekday() - MONDAY) % 7)
    return monday if settings.weekly_on is None or settings.weekly_on < monday else None


def _make(member: TeamMember, now: Moment) -> int:
    NoticeSettings.objects.get_or_create(pk=member.pk)
    with transaction.atomic():
        settings = NoticeSettings.objects.select_for_update().get(pk=member.pk)
        made = 0
        if day := _daily_slot(settings, now):
            made += tell_days(member, day, settings.digested_on, now)
            made += _daily(member, settings, day, now)
            settings.digested_on, settings.digested_at = day, now.now
        if monday := _weekly_slot(settings, now):
            made += _weekly(member, monday, now)
            settings.weekly_on = monday
        settings.save(update_fields=["digested_on", "digested_at", "weekly_on"])
    return made


def _daily(member: TeamMember, settings: NoticeSettings, day: dt.date, now: Moment) -> int:
    """The digest of a day, with what was left to it; none if there is nothing to tell."""
    waiting = Notice.objects.filter(member=member, waits=True)
    number, since = waiting.count(), settings.digested_at or now.now - FIRST_REACH
    brief = brief_of(_mine(member), since, Reader.now(now)) if settings.digest else None
    if not number and not (brief and brief.total):
        return 0
    telling = Telling(
        kind=DIGEST.key, what=f"day:{day.isoformat()}", member=member.pk, title=_title(brief, number, day),
        path=reverse("portfolio"), since=since if brief else now.now,
    )  # fmt: skip
    made = tell([telling], now)
    digest = Notice.objects.get(key=telling.key)
    waiting.update(waits=False, digest=digest)
    return made


def _weekly(member: TeamMember, monday: dt.date, now: Moment) -> int:
    if not _mine(member).exists():
        return 0
    said = f"{monday.day} {monday:%b %Y}"
    return tell([
        Telling(
            kind=WEEKLY.key, what=f"week:{monday.isoformat()}", member=member.pk,
            title=f"Your portfolio, week of {said}", path=reverse("portfolio"),
            since=now.now - dt.timedelta(days=7),
        )
    ], now)  # fmt: skip


def _mine(member: TeamMember) -> QuerySet[Account]:
    return Whose(member).accounts(Account.objects.visible_to(member.user))


def _title(brief: Brief | None, waiting: int, day: dt.date) -> str:
    parts = []
    if brief and brief.total:
        parts.append(f"{brief.total:,} of your accounts changed" if brief.total > 1 else "1 of your accounts changed")
    if waiting:
        parts.append(f"{waiting:,} notification{'' if waiting == 1 else 's'}")
    return f"Your day, {day.day} {day:%b}: {' and '.join(parts)}"
