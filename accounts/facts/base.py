"""What goes into the write side and what comes out of it."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Cleared(enum.Enum):
    """A value that its sender removed."""

    CLEARED = "cleared"


# None for an attribute that may not be defined yet: its time is kept, so that an older value that comes later, and with
# which the attribute is defined, does not count.
CLEARED = Cleared.CLEARED


@dataclass(frozen=True, slots=True)
class Fact:
    """Some values of one row, as they were at an instant.

    `values` holds `{column or "custom.<key>": value}`; None clears a value (CLEARED one
    that may not be defined yet), a key that is not named stays as it is.
    `at` is the sender's time, with a zone. A fact that is `lent` may be taken back later.
    """

    external_id: str
    values: Mapping[str, Any]
    at: dt.datetime
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A fact that was not taken: its place in the batch, the key at fault ("" if it is the fact itself), and why."""

    index: int
    key: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What a batch did, by the primary keys of the rows; a row that was created is not counted as updated too."""

    created: set[int] = field(default_factory=set)
    updated: set[int] = field(default_factory=set)
    unchanged: set[int] = field(default_factory=set)
    rejected: list[Reject] = field(default_factory=list)

    @property
    def touched(self) -> set[int]:
        """The rows that are not what they were before."""
        return self.created | self.updated

    def add(self, other: Outcome) -> None:
        """Take in what a second pass over the same rows did."""
        self.created |= other.created
        self.updated = (self.updated | other.updated) - self.created
        self.unchanged = (self.unchanged | other.unchanged) - self.touched
        self.rejected += other.rejected


def instant(at: dt.datetime) -> str:
    """An instant as it is kept in stamps: UTC with microseconds, so that texts sort as times do."""
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds")
