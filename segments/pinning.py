"""Pinning: putting a member into a segment by hand, or keeping it out; each asks for the refresh that shows it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, EndUser
from core.clock import moment
from core.intake import BadValue, clean_text
from core.locks import xact_lock
from segments.models import Pin, Segment
from segments.refresh import request_refresh
from segments.subjects import members_of


def pin_member(
    segment: Segment,
    member: Account | EndUser,
    *,
    kind: str,
    reason: str,
    until: dt.date | None = None,
    author: Any = None,
) -> Pin:
    """Pin an account (or a user) into a segment, or keep it out; a pin that is there is replaced and stays as history.

    Raises BadValue for an unknown kind, without a reason, for a last day that is past, and for a member of another kind
    than the segment's.
    """
    reason = clean_text(reason, 255)
    if kind not in Pin.Kind.values:
        raise BadValue("Say “in” to pin the account in, or “out” to keep it out.")
    if not reason:
        raise BadValue("Give a reason, for example “Pilot agreed with their board”.")
    if until is not None and until < moment().today:
        raise BadValue("The last day is past. Give today or a later day, or none.")
    about = members_of(segment)
    if not isinstance(member, about.model):
        raise BadValue(f"{segment.name} is about {about.subject.many}. Only {about.subject.many} can be pinned there.")
    with transaction.atomic():
        xact_lock("pins", segment.pk)
        _end(segment, member)
        made = Pin.objects.create(
            segment=segment,
            **{about.column: member},
            kind=kind,
            reason=reason,
            until=until,
            author=author if getattr(author, "pk", None) else None,
        )
        request_refresh([segment])
    return made


def unpin_member(segment: Segment, member: Account | EndUser) -> bool:
    """Leave the account, or the user, to the rule again; False if no pin was there."""
    with transaction.atomic():
        xact_lock("pins", segment.pk)
        ended = _end(segment, member)
        if ended:
            request_refresh([segment])
    return ended


def restore_pin(pin: Pin) -> Pin:
    """Make a pin that was taken out count again, in place of what came after it."""
    with transaction.atomic():
        xact_lock("pins", pin.segment_id)
        _end(pin.segment, pin.member)
        Pin.objects.filter(pk=pin.pk).update(ended_at=None)
        request_refresh([pin.segment])
    pin.refresh_from_db()
    return pin


def _end(segment: Segment, member: Account | EndUser) -> bool:
    mine = {members_of(segment).column: member}
    return bool(Pin.objects.open().filter(segment=segment, **mine).update(ended_at=timezone.now()))
