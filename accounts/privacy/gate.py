"""Keeping erased ids out: whoever stores something asks first, in the transaction of its writes.

The shared lock makes the answer certain. An erasure takes the lock for itself when it begins, so every writer that did
not see it has committed by then and its rows are found; every later writer sees it and refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models.privacy import Erasure
from accounts.privacy.digests import digests
from core.locks import shared_xact_lock, xact_lock

_LOCK = "erasures"
WHY = "This {kind} was erased on {day:%d %b %Y}. What comes in about it is refused until the erasure is lifted."


class Refusal(str):
    """Why something is refused: it is about somebody who was erased."""


Ids = Mapping[str, Iterable[str]]


def erased_among(ids: Ids | Callable[[], Ids]) -> dict[tuple[str, str], Refusal]:
    """Those of the external ids (by kind of subject) that were erased, `(kind, id)` to the reason for a refusal.

    A function is asked for the ids only if any erasure is in force; if none is, the answer costs two small statements.
    Every one that is found is counted as refused, once the transaction is committed. Call it inside a transaction.
    """
    shared_xact_lock(_LOCK)
    in_force = Erasure.objects.filter(lifted_at__isnull=True)
    if not in_force.exists():
        return {}
    named = ids() if callable(ids) else ids
    by_digest = {
        made: (kind, external_id)
        for kind, found in named.items()
        for external_id in set(found)
        for made in digests(kind, external_id)
    }
    refused: dict[tuple[str, str], Refusal] = {}
    rows: list[int] = []
    for erasure in in_force.filter(digest__in=list(by_digest)):
        kind, external_id = by_digest[erasure.digest]
        if kind == erasure.kind:
            refused[kind, external_id] = Refusal(WHY.format(kind=kind, day=erasure.requested_at))
            rows.append(erasure.pk)
    if rows:
        # Afterwards, so that no writer waits for another's count.
        transaction.on_commit(partial(_count, rows))
    return refused


def _count(rows: list[int]) -> None:
    for pk in sorted(rows):
        Erasure.objects.filter(pk=pk).update(refused=F("refused") + 1, refused_at=timezone.now())


def close_gate() -> None:
    """Wait for every writer that may not have seen what this transaction is about to commit."""
    xact_lock(_LOCK)
