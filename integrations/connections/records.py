"""What a system hands over, whichever it is: records with their values, page by page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Cursor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A customer, company, contact or subscription as it is over there.

    `values` are fields of ours (`name`, `custom.region`, `mrr`, …) with what they are; `at` is when the record was last
    changed, None if that is not told. `keys` are ids by which an account of ours may be known, the surest first, and
    `domain` is the company's. `parents` are the remote ids that it belongs to (a subscription's customer, a contact's
    companies), `merged` those that were merged into it. `gone` means archived or deleted.
    """

    kind: str
    id: str
    label: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    at: dt.datetime | None = None
    keys: tuple[str, ...] = ()
    domain: str = ""
    email: str = ""
    parents: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of a step, and where it goes on; None at its end. `others` came along and are not counted."""

    records: Sequence[Record]
    next: Cursor | None
    others: Sequence[Record] = ()
    problems: Sequence[str] = ()


class Service(Protocol):
    """One connected system. Every method raises Passing or Refused (`integrations.connections.http`)."""

    def steps(self, full: bool) -> tuple[str, ...]:
        """The names of the steps of a run, in order."""

    def kinds_of(self, step: str) -> tuple[str, ...]:
        """The kinds of record that a step of a full run reads completely."""

    def page(self, step: str, cursor: Cursor | None, since: dt.datetime | None) -> Page:
        """One page of a step; a cursor of None begins it."""

    def check(self) -> dict[str, list[str]]:
        """Try the credential for everything that a run needs; the names of the system's fields by kind of record."""

    def close(self) -> None:
        """Let go of what is held open."""
