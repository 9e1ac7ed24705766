"""What an event store takes and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from accounts.facts import Reject


@dataclass(frozen=True, slots=True)
class EventFact:
    """Something that happened, as its sender tells it.

    `message_id` is unique within its source and makes a repetition harmless; `at` is the client's corrected time.
    Account and user are external ids. Without an account, the user's only open relationship fills it in.
    """

    message_id: str
    name: str
    at: dt.datetime
    account: str | None = None
    user: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Appended:
    """What became of a batch: events stored, repetitions left out, events stored for no account, and rejects.

    `received_at` is what the stored events bear, so that a batch can be withdrawn as a whole.
    """

    stored: int = 0
    repeated: int = 0
    homeless: int = 0
    rejected: list[Reject] = field(default_factory=list)
    received_at: dt.datetime | None = None


class EventStore(Protocol):
    """An append-only store of events."""

    def append(self, events: Sequence[EventFact], *, source: str, create_missing: bool = False) -> Appended:
        """Store each event exactly once, and mark the local days that must be counted again."""

    def withdraw(self, source: str, received_at: dt.datetime, first: dt.datetime, last: dt.datetime) -> int:
        """Take back what a batch stored (its events lie from `first` to `last`) as if it had never come; how many."""

    def drop_before(self, month: dt.date) -> list[str]:
        """Forget the events of whole months before the given one; daily usage stays."""
