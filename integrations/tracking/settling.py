"""The events of visitors in slices: those of a visitor who is known get the user, those of another one their account.

A request takes the first slice; a visitor who has more is marked, and the background takes the others.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.facts.rows import account_ids
from accounts.touching import touch
from integrations.models import Identity, PendingEvent
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
    homes = [event.account_id for event in events] if row.user_id else _homes(row, events)
    changed = [
        (event, home) for event, home in zip(events, homes, strict=True) if row.user_id or event.account_id != home
    ]
    places = [EventPlace(event.at, event.source, event.message_id, event.account_id) for event, _ in changed]
    if places:
        PostgresStore().complete(places, [home for _, home in changed], user=row.user_id)
    concerned = {account for event, home in changed for account in (event.account_id, home) if account is not None}
    if row.user_id:
        PendingEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    else:
        for event, home in changed:
            event.account_id = home
        PendingEvent.objects.bulk_update([event for event, _ in changed], ["account_id"], batch_size=1_000)
    return concerned, events[-1].pk if len(found) > SLICE else None


def _homes(row: Identity, events: list[PendingEvent]) -> list[int | None]:
    """Where the visitor belonged at the time of each event."""
    periods = spans(row.facts)
    ids = account_ids(span.account for span in periods)
    return [ids.get(home_at(periods, event.at) or "") for event in events]


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
    row = Identity.objects.filter(pk=number, behind=True).select_for_update(no_key=True).first()
    if row is None:
        return None
    if said is not None and said != [row.user_id, row.facts]:
        after = 0  # something was said meanwhile that may move those that were looked at
    accounts, reached = settle_slice(row, after)
    touch(accounts)
    if reached is None:
        row.behind = False
        row.save(update_fields=["behind"])
        return None
    return reached, [row.user_id, row.facts]
