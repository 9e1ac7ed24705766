"""What is lent: said under a name that may turn out to be somebody else's, so that it can be taken back.

The stamp of a lent value has a third part: the row's own value beneath it with time and source, or None. What is said
of the row itself and is older goes there, so that after a value was taken back the row is as if it had never been lent.
The same for marks of belonging, of which a relationship keeps its own and the lent ones apart as long as there are any.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from accounts.facts.base import instant
from accounts.facts.shapes import Shape
from accounts.facts.values import canonical, jsonable

OWN, LENT = "own", "lent"  # the marks of a pair, in the stamps of its first relationship
Mark = tuple[dt.datetime, int]


class Told(Protocol):
    """A fact that was told."""

    @property
    def values(self) -> Any:
        """Its values by key."""

    @property
    def at(self) -> dt.datetime:
        """When it was true."""


def beneath(stamp: Sequence[Any] | None, value: Any) -> list[Any] | None:
    """The row's own value with its time and source, as it lies beneath a value that is lent now."""
    if stamp is not None and len(stamp) > 2:
        found: list[Any] | None = stamp[2]
        return found
    return None if stamp is None and value is None else [jsonable(value), *(stamp or ("", ""))]


def slip_beneath(row: Any, key: str, own: list[Any]) -> bool:
    """Put a value of the row's own beneath the lent one, if it is newer than what is there; whether it did."""
    at, source, *under = row.stamps[key]
    if not under:
        return False
    known = under[0]
    if known is not None and (own[1], own[2], canonical(own[0])) <= (known[1], known[2], canonical(known[0])):
        return False
    row.stamps[key] = [at, source, own]
    return True


def take_back(shape: Shape, row: Any, told: Iterable[Told]) -> dict[str, Any]:
    """Take lent values back where they stand; the row's own ones are there again. What was taken, by key."""
    taken: dict[str, Any] = {}
    for fact in told:
        for key in fact.values:
            stamp = row.stamps.get(key)
            if stamp is None or len(stamp) < 3 or stamp[0] != instant(fact.at):
                continue
            taken[key] = shape.read(row, key)
            value, *own = stamp[2] or (None,)
            shape.write(row, key, shape.stored(key, value))
            if own and own[0]:
                row.stamps[key] = own
            else:
                del row.stamps[key]
    return taken


def marks_in(stamps: Any, key: str) -> set[Mark]:
    """The marks that are kept under a key of a relationship's stamps."""
    return {(dt.datetime.fromisoformat(at), kind) for at, kind in stamps.get(key, ())}


def kept(marks: Iterable[Mark]) -> list[list[Any]]:
    """Marks as stamps keep them."""
    return [[instant(at), kind] for at, kind in sorted(marks)]
