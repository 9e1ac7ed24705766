"""Sending what is due: rows are claimed in one short transaction, sent outside of any, and marked one by one.

A worker that is killed leaves rows that are claimed; their claim runs out, and the next one sends them again with the
same key. So each is sent at least once, and twice only if the worker died between the answer and the mark. The attempt
is counted before it is made, so that a message which kills its worker does so a few times and not for ever.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing

from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone

from alerts.channels import Later, Message, Refused, Sender, sender_for
from alerts.channels.editing import opened_address
from alerts.models import Delivery, Notice, NoticeChannel
from alerts.notifying.choosing import local_day, not_before, wants_of
from alerts.notifying.composing import composed
from alerts.notifying.kinds import KINDS
from core.clock import Moment, moment
from core.intake import short
from core.locks import xact_lock
from core.retrying import backoff
from core.sealing import CannotOpen

log = logging.getLogger(__name__)
State = Delivery.State
LEASE = dt.timedelta(minutes=5)  # longer than the time of a run and the longest attempt
BATCH = 25
GIVE_UP = 8
BUDGET = 120.0  # seconds of work before the queue gets its worker back
LONGEST_REST = dt.timedelta(hours=1)
PAUSE = dt.timedelta(seconds=30)


def is_due(now: dt.datetime | None = None) -> bool:
    """Whether anything is to be sent."""
    return Delivery.objects.due(now or timezone.now()).exists()


def send_due(budget: float = BUDGET) -> int:
    """Send what is due until nothing is, or the time is up; how many were sent."""
    ends, sent = time.monotonic() + budget, 0
    with ExitStack() as stack:
        senders: dict[str, Sender] = {}
        while time.monotonic() < ends and (batch := _claim(moment())) is not None:
            resting: set[tuple[str, int | None]] = set()
            for delivery in batch:
                way = (delivery.via, delivery.channel_id)
                if way in resting or time.monotonic() >= ends:
                    # A channel says itself until when it rests; e-mail waits a little.
                    _release(delivery, PAUSE if way in resting and not delivery.channel_id else dt.timedelta())
                    continue
                if delivery.via not in senders:
                    senders[delivery.via] = stack.enter_context(closing(sender_for(delivery.via)))
                taken = _send(delivery, senders[delivery.via])
                sent += taken is True
                if taken is None:
                    resting.add(way)
    return sent


def _claim(now: Moment) -> list[Delivery] | None:
    """The next rows that may be sent now; those that may not are put off, left to the digest, or dropped. None if
    nothing is due."""
    with transaction.atomic():
        due = Delivery.objects.due(now.now).select_for_update(skip_locked=True, of=("self",))
        rows = list(
            due.select_related("notice__member__user", "notice__account", "channel").order_by("due_at", "pk")[:BATCH]
        )
        if not rows:
            return None
        members = sorted({row.notice.member_id for row in rows if row.notice.member_id})
        shared = [row.channel for row in rows if row.channel and not row.notice.member_id]
        capped = sorted({one.pk for one in shared if one.cap})
        for name, ids in (("notices of", members), ("notices of channel", capped)):
            for pk in ids:
                xact_lock(name, pk)  # two workers count the same day
        wants, used = wants_of(members), _used(members, capped)
        mine = []
        for row in rows:
            row.state = State.SENDING
            if row.notice.member_id:
                settings = wants.settings[row.notice.member_id]
                day, free_at = local_day(settings, now), not_before(settings, now)
                _decide(row, day, free_at, settings.cap, used, now.now)
            elif row.channel is None or not row.channel.active:
                row.state = State.DROPPED
            elif row.channel.cap:
                _count(row, "channel", row.channel.pk, now.today, row.channel.cap, used)
            if row.state == State.SENDING:
                row.due_at = now.now + LEASE
                mine.append(row)
        Delivery.objects.bulk_update(rows, ["state", "due_at", "counted_on"])
        folded = [row.notice_id for row in rows if row.state == State.FOLDED]
        Notice.objects.filter(pk__in=folded, digest=None).update(waits=True)
    return mine


Used = Counter[tuple[str, int, dt.date]]  # messages of a colleague ("member") or a channel on a day


def _decide(row: Delivery, day: dt.date, free_at: dt.datetime, cap: int, used: Used, now: dt.datetime) -> None:
    """What becomes of a colleague's message at this moment."""
    member = row.notice.member
    assert member is not None
    wanted = member.user.is_active and (row.channel.active if row.channel else bool(member.user.email))
    if not wanted:
        row.state = State.DROPPED
    elif free_at > now:
        row.state, row.due_at = State.WAITING, free_at
    else:
        _count(row, "member", member.pk, day, cap, used)


def _count(row: Delivery, whose: str, pk: int, day: dt.date, cap: int, used: Used) -> None:
    """Count a message on the day of whoever gets it, once; beyond the cap it is left to the digest."""
    if row.counted_on is not None or not KINDS[row.notice.kind].capped:
        return
    if used[whose, pk, day] >= cap:
        row.state = State.FOLDED
    else:
        row.counted_on = day
        used[whose, pk, day] += 1


def _used(members: Sequence[int], channels: Sequence[int]) -> Used:
    """How many messages count on the days of these colleagues and channels."""
    since, found = timezone.now().date() - dt.timedelta(days=2), Used()
    for whose, ids in (("member", members), ("channel", channels)):
        if ids:
            rows = Delivery.objects.filter(**{f"notice__{whose}__in": ids}, counted_on__gte=since).order_by()
            for pk, day, n in rows.values_list(f"notice__{whose}", "counted_on").annotate(n=Count("pk")):
                found[whose, pk, day] = n
    return found


def _send(delivery: Delivery, sender: Sender) -> bool | None:
    """One attempt: True if it was taken, None if whatever goes the same way had better wait too."""
    mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, due_at=delivery.due_at)
    if not mine.update(attempts=F("attempts") + 1):
        return False  # the claim ran out, and another worker has it
    delivery.attempts += 1
    try:
        sender.send(_message(delivery))
    except Later as error:
        _later(delivery, str(error), error.wait)
        return None if error.whole else False
    except Refused as error:
        _failed(delivery, str(error), gone=error.gone)
        return None if error.gone and delivery.channel_id else False
    except CannotOpen:
        _failed(delivery, "The address cannot be read with the present CSBOX_SECRET_KEY. Enter it again.", gone=True)
        return None
    except Exception as error:  # one that cannot be made must not stop the others
        log.exception("notification not made", extra={"delivery": delivery.pk})
        _later(delivery, f"The message could not be made ({type(error).__name__}).", None, rest=False)
        return False
    _sent(delivery)
    return True


def _release(delivery: Delivery, pause: dt.timedelta) -> None:
    """Give back what was claimed and not tried."""
    mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, due_at=delivery.due_at)
    mine.update(state=State.WAITING, due_at=timezone.now() + pause)


def _message(delivery: Delivery) -> Message:
    notice, channel = delivery.notice, delivery.channel
    if channel is None:
        assert notice.member is not None
        return composed(notice, via=delivery.via, key=str(delivery.key), to=notice.member.user.email)
    address, secret = opened_address(channel)
    return composed(notice, via=delivery.via, key=str(delivery.key), to=address, secret=secret)


def _sent(delivery: Delivery) -> None:
    """Whoever has the claim by now: it was sent."""
    unsent = Delivery.objects.filter(pk=delivery.pk).exclude(state=State.SENT)
    unsent.update(state=State.SENT, sent_at=timezone.now(), error="")
    channel = delivery.channel
    if channel is not None and (channel.failures or channel.error):
        channel.failures = 0
        NoticeChannel.objects.filter(pk=channel.pk).update(failures=0, rests_until=None, error="")


def _later(delivery: Delivery, text: str, wait: dt.timedelta | None, *, rest: bool = True) -> None:
    """Try again later, or give up. The channel rests too, so that what is for others does not wait for it."""
    log.info("notification not sent", extra={"delivery": delivery.pk, "via": delivery.via, "reason": text[:200]})
    pause = wait or backoff(delivery.attempts)
    values = {"error": short(text, 300), "due_at": timezone.now() + pause}
    state = State.FAILED if delivery.attempts >= GIVE_UP else State.WAITING
    Delivery.objects.filter(pk=delivery.pk, state=State.SENDING).update(state=state, **values)
    if delivery.channel_id and rest:
        NoticeChannel.objects.filter(pk=delivery.channel_id).update(
            failures=F("failures") + 1, rests_until=timezone.now() + min(pause, LONGEST_REST), error=short(text, 300)
        )


def _failed(delivery: Delivery, text: str, *, gone: bool) -> None:
    """It would not be taken another time either; an address that is gone is switched off with what it said."""
    log.warning("notification refused", extra={"delivery": delivery.pk, "via": delivery.via, "reason": text[:200]})
    Delivery.objects.filter(pk=delivery.pk, state=State.SENDING).update(state=State.FAILED, error=short(text, 300))
    if gone and delivery.channel_id:
        NoticeChannel.objects.filter(pk=delivery.channel_id).update(active=False, error=short(text, 300))
