"""One message a morning for a channel that had more messages than its cap: what they were.

Its notices that wait say themselves what is due, so two ticks make one digest, and a killed one none or a whole.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Max, QuerySet
from django.urls import reverse

from alerts.models import Notice, NoticeChannel, NoticeSettings
from alerts.notifying.kinds import DIGEST
from alerts.notifying.telling import Telling, tell
from core.clock import Moment
from core.daily import newest_slot


def waiting_channels(now: Moment) -> list[NoticeChannel]:
    """Those with messages that waited for the morning, by the workspace's clock."""
    channels = _waiting(now).order_by().values("channel")
    return list(NoticeChannel.objects.filter(pk__in=channels, active=True).order_by("pk"))


def make_channel_digest(channel: NoticeChannel, now: Moment) -> int:
    """The digest of a channel; 0 if there is nothing to tell."""
    with transaction.atomic():
        NoticeChannel.objects.select_for_update().get(pk=channel.pk)
        waiting = _waiting(now).filter(channel=channel)
        number, last = waiting.count(), waiting.aggregate(last=Max("pk"))["last"]
        if not number:
            return 0
        telling = Telling(
            kind=DIGEST.key, what=f"up to:{last}", title=f"{number:,} more notification{'' if number == 1 else 's'}",
            channel=channel, path=reverse("alerts"),
        )  # fmt: skip
        made = tell([telling], now)
        waiting.update(waits=False, digest=Notice.objects.get(key=telling.key))
    return made


def _waiting(now: Moment) -> QuerySet[Notice]:
    """What was left to digests of channels before the newest morning."""
    at: dt.time = NoticeSettings._meta.get_field("digest_at").default
    slot = newest_slot(now.now.astimezone(now.zone), at)
    morning = dt.datetime.combine(slot, at, tzinfo=now.zone)
    return Notice.objects.filter(member__isnull=True, waits=True, at__lt=morning)
