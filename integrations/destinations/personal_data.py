"""What destinations hold about a person or an account: what they were told, and what waits to be told.

Erasing covers what is here. Receivers are other programs: whoever runs those is asked there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import QuerySet

from accounts.personal_data import of_account
from accounts.privacy.holdings import ACCOUNT, USER, Find, Holding, Subject, hold
from accounts.privacy.mentions import mentioning
from accounts.privacy.redacting import ERASED
from integrations.models import Outgoing, SyncedValue, SyncMark


def _both(find: Find) -> dict[str, Find]:
    return {USER: find, ACCOUNT: find}


def _of_others(model: type[Outgoing] | type[SyncedValue]) -> Find:
    """The values of others that name the subject."""

    def find(subject: Subject) -> QuerySet[Any]:
        named = mentioning(model, subject, "value")
        return named.exclude(**{subject.kind: subject.pk}).exclude(value=ERASED)

    return find


def _empty(key: str) -> Any:
    """Take the value away and keep its number: the next look sends what is true by then, as a change of its own."""

    def erase(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
        chosen = list(rows.values_list("pk", flat=True)[:limit])
        rows.model._default_manager.filter(pk__in=chosen).update(value=ERASED)
        return Counter({key: len(chosen)} if chosen else {})

    return erase


hold(
    Holding(
        key="outgoing", label="Messages to destinations", model=Outgoing, order=30,
        find={ACCOUNT: of_account(Outgoing), USER: of_account(Outgoing, "user")},
        columns={
            "destination": "destination__name", "key": "item__key", "call": "call", "value": "value", "at": "at",
            "state": "state", "sent_at": "sent_at",
        },
    ),
    Holding(
        key="outgoing_mentions", label="Messages to destinations that name it", model=Outgoing, order=31,
        find=_both(_of_others(Outgoing)),
    ),
    Holding(
        key="synced", label="What destinations were told", model=SyncedValue, order=32,
        find={ACCOUNT: of_account(SyncedValue), USER: of_account(SyncedValue, "user")},
        columns={"destination": "item__destination__name", "key": "item__key", "value": "value", "at": "at"},
    ),
    Holding(
        key="synced_mentions", label="What destinations were told that names it (value removed)", model=SyncedValue,
        order=33, find=_both(_of_others(SyncedValue)), erase=_empty("synced_mentions"),
    ),
    Holding(
        key="sync_marks", label="Marks for destinations", model=SyncMark, order=34, find={ACCOUNT: of_account(SyncMark)}
    ),
)  # fmt: skip
