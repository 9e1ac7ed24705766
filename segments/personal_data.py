"""What segments hold about a person or an account: who was in which, and pins."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet

from accounts.personal_data import empty_log, logged, of_account
from accounts.privacy.holdings import ACCOUNT, USER, Holding, Subject, hold
from accounts.privacy.redacting import ERASED
from segments.models import AccountMembership, Pin, RefreshRun, Segment, UserMembership
from segments.refresh import request_refresh

_MEMBERSHIP = {"segment": "segment__name", "entered_at": "entered_at", "left_at": "left_at"}


def _pin_log(subject: Subject) -> QuerySet[LogEntry]:
    pins = Pin.objects.filter(**{subject.kind: subject.pk}).values_list("pk", flat=True)
    return LogEntry.objects.filter(logged(Pin, pins)).exclude(object_repr=ERASED)


def _end_memberships(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """The segments that the account, or the user, was in are counted again."""
    chosen = list(rows.values_list("pk", "segment", "left_at")[:limit])
    current = {segment for _, segment, left_at in chosen if left_at is None}
    if current:
        request_refresh(Segment.everything.filter(pk__in=current), RefreshRun.Trigger.DATA)
    done = rows.model._default_manager.filter(pk__in=[pk for pk, _, _ in chosen]).delete()[1]
    number = done.get(rows.model._meta.label, 0)
    key = "memberships" if rows.model is AccountMembership else "user_memberships"
    return Counter({key: number} if number else {})


hold(
    Holding(
        key="memberships", label="Times in segments", model=AccountMembership,
        find={ACCOUNT: of_account(AccountMembership)}, erase=_end_memberships, columns=_MEMBERSHIP,
    ),
    Holding(
        key="user_memberships", label="Times in segments of users", model=UserMembership,
        find={USER: of_account(UserMembership, "user")}, erase=_end_memberships, columns=_MEMBERSHIP,
    ),
    Holding(
        key="pins_log", label="Entries of the back office’s log about pins (words removed)", model=LogEntry, order=20,
        find={ACCOUNT: _pin_log, USER: _pin_log}, erase=empty_log,
    ),
    Holding(
        key="pins", label="Pins", model=Pin, order=55, find={ACCOUNT: of_account(Pin), USER: of_account(Pin, "user")},
        columns={
            "segment": "segment__name", "kind": "kind", "reason": "reason", "until": "until",
            "created_at": "created_at", "ended_at": "ended_at",
        },
    ),
)  # fmt: skip
