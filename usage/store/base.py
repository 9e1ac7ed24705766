"""What an event store takes and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from accounts.facts import Reject


@dataclass(frozen=True, slots=True)
class EventFact:
    """Something that happened, as its sender tells it.

    `message_id` is unique within its source and makes a repetition harmless; `at` is the client's corrected time.
    Account and user are external ids. Without an account it happened in the only one to which the user belonged at
    that time (`usage.placing`), and goes with the user's periods when those change; so does one whose account is
    `inferred` by the caller and was not named by the sender. An event that is not `active` was sent about a user who
    was not there: it counts, but nobody was seen.
    """

    message_id: str
    name: str
    at: dt.datetime
    account: str | None = None
    user: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    active: bool = True
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class EventPlace:
    """Where a stored event is found: its time, source and message id, and the account that it has (a primary key)."""

    at: dt.datetime
    source: str
    message_id: str
    account: int | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a caller has done for its events in this transaction.

    The partitions of their months are there, their message ids are claimed and told apart, and the accounts and users
    that they name are looked up (external id to primary key).
    """

    accounts: Mapping[str, int]
    users: Mapping[str, int]


@dataclass(slots=True)
class Appended:
    """What became of a batch: events stored, repetitions left out, events stored for no account, and rejects.

    `accounts` holds, by place in the batch, the primary key of the account of each event that was not rejected, None
    for no account.
    `received_at` is what the stored events bear, so that a batch can be withdrawn as a whole.
    """

    stored: int = 0
    repeated: int = 0
    homeless: int = 0
    rejected: list[Reject] = field(default_factory=list)
    accounts: dict[int, int | None] = field(default_factory=dict)
    received_at: dt.datetime | None = None


class EventStore(Protocol):
    """An append-only store of events."""

    def claim(self, message_ids: Iterable[str], *, source: str) -> set[str]:
        """The ids that this source has not used before; from now on they are used. Works as a lock until the commit."""

    def append(
        self,
        events: Sequence[EventFact],
        *,
        source: str,
        create_missing: bool = False,
        prepared: Prepared | None = None,
    ) -> Appended:
        """Store each event exactly once, with what it adds to the daily counts."""

    def complete(self, events: Sequence[EventPlace], homes: Sequence[int | None], *, user: int | None) -> int:
        """Give stored events the user (a primary key) whom they lack, and a home; how many changed."""

    def give(self, events: Sequence[EventPlace], olds: Sequence[int], new: int) -> int:
        """Make these events, of users among `olds` (primary keys), those of another one; how many changed."""

    def move_user(self, old: int, new: int, limit: int | None = None) -> int:
        """Make events of one user (a primary key) those of another one, at most `limit`; how many. Fewer than that were
        the last ones."""

    def withdraw(self, source: str, received_at: dt.datetime, first: dt.datetime, last: dt.datetime) -> int:
        """Take back what a batch stored (its events lie from `first` to `last`) as if it had never come; how many."""

    def drop_before(self, month: dt.date) -> list[str]:
        """Forget the events of whole months before the given one; daily usage stays."""
