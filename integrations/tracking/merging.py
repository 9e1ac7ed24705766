"""Two users become one: what is known of them at once, their events in slices in the background.

A request that says so takes the values and the relationships over and leaves a mark. While that stands, the former
user is still there with the events that were not moved; each slice moves events together with what is counted of them,
in a transaction of its own, so that nothing is counted twice or not at all, whenever the work stops. The last one
deletes the former user.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from accounts.facts.merging import merge_users
from accounts.models import EndUser
from accounts.touching import touch
from core.clock import moment
from core.locks import xact_lock
from core.waking import wake_evaluation
from integrations.models import Identity, PendingEvent, UserMerge, VisitorLink
from usage.models import Event
from usage.store import EventPlace, PostgresStore

SLICE = 10_000  # events that one transaction moves
GIVEN = dt.timedelta(days=90)  # after which an event stays with the user whom it was given


def begin_merge(old: EndUser, into: EndUser, *, source: str) -> set[int]:
    """Have one user become part of another one; the accounts (primary keys) concerned. Call it in a transaction."""
    accounts = merge_users(old, into, source=source)
    _take_names(old, into)
    UserMerge.objects.filter(into=old).update(into=into)
    UserMerge.objects.update_or_create(old=old, defaults={"into": into, "source": source})
    wake_evaluation()
    return accounts


def _take_names(old: EndUser, into: EndUser) -> None:
    """What meant the one means the other."""
    both = VisitorLink.objects.filter(user=old, identity__links__user=into)
    for link in both.select_related("identity"):
        link.identity.links.filter(user=into, at__gt=link.at).update(at=link.at)
        link.delete()
    VisitorLink.objects.filter(user=old).update(user=into)
    Identity.objects.filter(user=old).update(user=into)


def is_merging() -> bool:
    """Whether users wait to become one."""
    return UserMerge.objects.exists()


def continue_merges() -> None:
    """Finish all merges, one slice after the other."""
    for number in UserMerge.objects.order_by("pk").values_list("pk", flat=True):
        while merge_slice(number):
            pass


def _note(row: UserMerge, events: Sequence[Event]) -> None:
    """Note where events of the former id are, because it may turn out to have become somebody else. Those of visitors
    are noted already."""
    identity = Identity.objects.filter(name=row.old.external_id).first()
    if identity is None:
        return
    theirs = Identity.objects.filter(Q(user=row.into_id) | Q(links__user=row.into_id))
    noted = PendingEvent.objects.filter(identity__in=theirs.order_by().values("pk"), user_id=row.old_id)
    known = set(noted.values_list("source", "message_id"))
    since = moment().now - GIVEN
    PendingEvent.objects.bulk_create(
        PendingEvent(
            identity=identity, account_id=event.account_id, user_id=row.into_id, former=True, at=event.at,
            source=event.source, message_id=event.message_id,
        )
        for event in events
        if event.at >= since and (event.source, event.message_id) not in known
    )  # fmt: skip


@transaction.atomic
def merge_slice(number: int) -> bool:
    """One slice of a merge; False if it was the last one."""
    xact_lock("usage.rollup")  # before any row: the roll-up locks users too
    row = UserMerge.objects.filter(pk=number).select_for_update(of=("self",)).select_related("old", "into").first()
    if row is None:
        return False
    store = PostgresStore()
    events = list(Event.objects.filter(user_id=row.old_id).order_by()[:SLICE])
    _note(row, events)
    places = [EventPlace(event.at, event.source, event.message_id, event.account_id) for event in events]
    store.give(places, [row.old_id], row.into_id)
    if len(events) == SLICE:
        return True
    # Whoever stores something about the former user at this moment is waited for, and taken along.
    people = EndUser.objects.filter(pk__in=[row.old_id, row.into_id])
    list(people.select_for_update().order_by("external_id").values_list("pk"))
    store.move_user(row.old_id, row.into_id)
    touch(merge_users(EndUser.objects.get(pk=row.old_id), row.into, source=row.source, lent=False))
    theirs = Identity.objects.filter(Q(user=row.into_id) | Q(links__user=row.into_id))
    PendingEvent.objects.filter(identity__in=theirs, user_id=row.old_id).update(user_id=row.into_id)
    row.old.delete()
    return False
