"""Telling people what is held: once for each silence and person, on their pages and, where it is set up, by e-mail."""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from segments.holding.holds import Holds
from segments.holding.models import HoldNotice
from segments.holding.others import Held, go_on, others_held
from segments.models import RefreshRun, Segment
from segments.questions import Reader
from segments.refresh import request_refresh
from segments.rules.tree import RuleError
from usage.feeds.models import FeedSilence
from usage.feeds.watching import Looked, call_real

log = logging.getLogger(__name__)
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def held_for(silence: FeedSilence) -> tuple[list[Segment], list[Held]]:
    """The segments that one silence holds, those of alert rules and milestones after the company's own in their order;
    and what else it holds."""
    reader = Reader.now()
    holds = Holds.now(reader.vocabulary)
    rows = Segment.everything.filter(active=True).order_by("internal", "subject", "position", "id")
    found = []
    for segment in rows.select_related("created_by"):
        try:
            rule = reader.read(segment.rule).rule
        except RuleError:
            continue
        found += [segment] if any(one.pk == silence.pk for one in holds.of(rule)) else []
    others = [held for held in others_held(holds, reader) if any(one.pk == silence.pk for one in held.silences)]
    return found, others


def follow(looked: Looked) -> None:
    """What follows from a look at the feeds: people are told, and what is held no longer is refreshed."""
    for silence in looked.began:
        tell(silence)
    if looked.released:
        refresh_held()


def refresh_held() -> None:
    """Ask for the segments that were held; those that another silence holds stay as they are."""
    with transaction.atomic():
        request_refresh(Segment.everything.exclude(held=""), RefreshRun.Trigger.DATA)
        go_on()


def release(silence: FeedSilence, *, by: str) -> bool:
    """A person says that a silence is real: what it held is evaluated. False if it holds nothing."""
    done = call_real(silence, by=by)
    if done:
        refresh_held()
    return done


@transaction.atomic
def tell(silence: FeedSilence) -> list[HoldNotice]:
    """Tell each author of what is theirs, and the administrators of those whose author is gone (or that there is
    none). Telling again tells nobody."""
    row = FeedSilence.objects.select_for_update(of=("self",)).select_related("feed").get(pk=silence.pk)
    if row.told_at is not None:
        return []
    theirs: dict[Any, list[str]] = defaultdict(list)
    orphans = []
    segments, others = held_for(row)
    named = [(segment.created_by, segment.name) for segment in segments]
    for author, name in named + [(held.author, held.name) for held in others]:
        if author is not None and author.is_active:
            theirs[author].append(name)
        else:
            orphans.append(name)
    if orphans or not theirs:
        for person in administrators():
            theirs[person] += orphans
    row.told_at = timezone.now()
    row.save(update_fields=["told_at"])
    notices = [HoldNotice(silence=row, user=person, segments=names) for person, names in theirs.items()]
    HoldNotice.objects.bulk_create(notices)
    for notice in notices:
        if notice.user.email and mail_is_set_up():
            transaction.on_commit(partial(_send, notice))
    return notices


def administrators() -> QuerySet[Any]:
    """Who is told where nobody else is responsible."""
    people = get_user_model().objects.filter(is_active=True)
    return people.filter(Q(is_superuser=True) | Q(member__access="admin"))


def mail_is_set_up() -> bool:
    """Whether a mail server is named."""
    return settings.EMAIL_BACKEND != SMTP or bool(settings.EMAIL_HOST)


def words_of(notice: HoldNotice) -> str:
    """What the notice says."""
    since, source = notice.silence.since, notice.silence.feed.source
    sent = "less than a fifth of its usual volume" if notice.silence.is_thin else "nothing"
    what = f"{source} has sent {sent} since {since.day} {since:%b %Y, %H:%M} UTC, which is not usual for it."
    if not notice.segments:
        return f"{what} Nothing depends on it."
    names = ", ".join(notice.segments[:5]) + (f" and {len(notice.segments) - 5} more" * (len(notice.segments) > 5))
    return f"{what} Held as they are until it is back: {names}."


def unseen(user: Any) -> list[HoldNotice]:
    """What this person was told and has not put away."""
    return list(told(user).filter(seen_at=None))


def told(user: Any) -> QuerySet[HoldNotice]:
    """Everything that this person was told, the newest first."""
    silences = FeedSilence.objects.with_kind().select_related("feed")
    return HoldNotice.objects.filter(user=user).prefetch_related(Prefetch("silence", silences))


def _send(notice: HoldNotice) -> None:
    """The notice on the pages stands, whatever becomes of the e-mail."""
    try:
        what = "is low" if notice.silence.is_thin else "is silent"
        send_mail(f"csbox: {notice.silence.feed.source} {what}", words_of(notice), None, [notice.user.email])
    except OSError:
        log.warning("notice of a silent feed not mailed", extra={"silence": notice.silence_id}, exc_info=True)
