"""How a destination stands: its state in a word, its backlog, how far the first sync of each item has come."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Count, Min
from django.utils import timezone

from integrations.models import Destination, Outgoing, SyncItem

State = Outgoing.State


@dataclass(frozen=True)
class Standing:
    """`word` is one of: off, paused, failing, sending, quiet. `oldest` is when the first of what waits changed."""

    word: str
    waiting: int = 0
    failed: int = 0
    oldest: dt.datetime | None = None


def standings(destinations: Collection[Destination]) -> dict[int, Standing]:
    """How each stands; two statements for any number."""
    ids = [one.pk for one in destinations]
    waits = Outgoing.objects.waiting().filter(destination__in=ids).order_by()
    waiting = {pk: (n, at) for pk, n, at in waits.values_list("destination").annotate(n=Count("pk"), at=Min("at"))}
    failed = Outgoing.objects.filter(destination__in=ids, state=State.FAILED).order_by()
    lost = dict(failed.values_list("destination").annotate(n=Count("pk")))
    found = {}
    for one in destinations:
        number, oldest = waiting.get(one.pk, (0, None))
        found[one.pk] = Standing(_word(one, number), number, lost.get(one.pk, 0), oldest)
    return found


def _word(one: Destination, waiting: int) -> str:
    if not one.active:
        return "off" if one.error else "paused"
    if one.failures and one.rests_until and one.rests_until > timezone.now():
        return "failing"
    return "sending" if waiting else "quiet"


@dataclass
class Progress:
    """How far an item has come: what was sent and what waits."""

    item: SyncItem
    sent: int = 0
    waiting: int = 0
    failed: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether its first sync is under way."""
        return self.item.first_done_at is None or (self.waiting > 0 and self.sent == 0)


def progress_of(destination: Destination) -> list[Progress]:
    """Every item that is sent, with its messages by state; two statements."""
    items = list(destination.items.filter(ended_at=None).select_related("segment").order_by("key"))
    counted: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Outgoing.objects.filter(destination=destination).order_by().values_list("item", "state")
    for item, state, number in rows.annotate(n=Count("pk")):
        counted[item][state] = number
    return [
        Progress(
            item, counted[item.pk].get(State.SENT, 0), counted[item.pk].get(State.WAITING, 0),
            counted[item.pk].get(State.FAILED, 0), counted[item.pk],
        )
        for item in items
    ]  # fmt: skip
