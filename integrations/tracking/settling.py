"""The events of visitors in slices: those of a visitor who is known get the user, those of another one their account.

A request takes the first slice; a visitor who has more is marked, and the background takes the others.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from django.db import transaction

from accounts.facts.rows import account_ids, user_ids
from accounts.touching import touch
from integrations.models import Identity, PendingEvent, UserMerge
from integrations.tracking.merging import GIVEN
from integrations.tracking.owners import owner_at, sights_of
from integrations.tracking.visitors import spans
from usage.placing.homes import home_at
from usage.store import EventPlace, PostgresStore

SLICE = 10_000  # events that one transaction takes


def settle_slice(row: Identity, after: int = 0) -> tuple[set[int], int | None]:
    """One slice of the visitor's events beyond a number; the accounts concerned, and the last number if there are
    more. The caller holds the identity's row."""
    waiting = PendingEvent.objects.filter(identity=row, pk__gt=after).order_by("pk")
    if row.user_id is None:
        waiting = waiting.filter(inferred=True)
    found = list(waiting[: SLICE + 1])
    events = found[:SLICE]
    concerned = _place(row, events) if row.user_id is None else _give(row, events)
    return concerned, events[-1].pk if len(found) > SLICE else None


def _place(row: Identity, events: list[PendingEvent]) -> set[int]:
    """Move the events of a visitor who is nobody yet to where the visitor belonged; the accounts concerned."""
    homes = zip(events, _homes(row, events), strict=True)
    changed = [(event, home) for event, home in homes if event.account_id != home]
    if changed:
        PostgresStore().complete([_where(event) for event, _ in changed], [home for _, home in changed], user=None)
    concerned = {account for event, home in changed for account in (event.account_id, home) if account is not None}
    for event, home in changed:
        event.account_id = home
    PendingEvent.objects.bulk_update([event for event, _ in changed], ["account_id"], batch_size=1_000)
    return concerned


def _give(row: Identity, events: list[PendingEvent]) -> set[int]:
    """Give the events of a visitor the users whom the visitor was; the accounts concerned."""
    sights = sights_of([row])[row.name]
    head = row.user.external_id if row.user else ""
    ids = user_ids({*sights, head})
    changed: dict[tuple[int | None, int], list[PendingEvent]] = defaultdict(list)
    for event in events:
        owner = ids[head if event.former else owner_at(sights, event.at)]
        if event.user_id != owner:
            changed[event.user_id, owner].append(event)
    store = PostgresStore()
    for (before, owner), theirs in changed.items():
        places = [_where(event) for event in theirs]
        if before is None:
            store.complete(places, [event.account_id for event in theirs], user=owner)
        else:
            merging = UserMerge.objects.filter(old=before).values_list("into", flat=True)
            store.give(places, [before, *merging], owner)
        PendingEvent.objects.filter(pk__in=[event.pk for event in theirs]).update(user_id=owner)
    return {event.account_id for theirs in changed.values() for event in theirs if event.account_id is not None}


def _where(event: PendingEvent) -> EventPlace:
    return EventPlace(event.at, event.source, event.message_id, event.account_id)


def _homes(row: Identity, events: list[PendingEvent]) -> list[int | None]:
    """Where the visitor belonged at the time of each event."""
    periods = spans(row.facts)
    ids = account_ids(span.account for span in periods)
    return [ids.get(home_at(periods, event.at) or "") for event in events]


def forget_given(now: dt.datetime) -> None:
    """Forget where the events are that were given a user so long ago that they stay with that user."""
    PendingEvent.objects.filter(user_id__isnull=False, at__lt=now - GIVEN).delete()


def is_behind() -> bool:
    """Whether events of visitors wait for the background."""
    return Identity.objects.filter(behind=True).exists()


def catch_up() -> None:
    """Take the events of all visitors that requests have left, one slice after the other."""
    for number in Identity.objects.filter(behind=True).order_by("pk").values_list("pk", flat=True):
        after, said = 0, None
        while (step := _catch_up(number, after, said)) is not None:
            after, said = step


@transaction.atomic
def _catch_up(number: int, after: int, said: Any) -> tuple[int, Any] | None:
    """One slice; after which number the next one begins, and what the visitor has said. None if that was the last."""
    rows = Identity.objects.filter(pk=number, behind=True).select_related("user")
    row = rows.select_for_update(of=("self",), no_key=True).first()
    if row is None:
        return None
    says = [row.user_id, row.facts, sights_of([row])]
    if said is not None and said != says:
        after = 0  # something was said meanwhile that may move those that were looked at
    accounts, reached = settle_slice(row, after)
    touch(accounts)
    if reached is None:
        row.behind = False
        row.save(update_fields=["behind"])
        return None
    return reached, says
