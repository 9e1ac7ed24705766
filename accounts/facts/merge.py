"""Folding facts into a row: per value the greatest (instant, source, value) stays, in whatever order facts arrive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from accounts.facts.base import instant
from accounts.facts.lending import beneath, slip_beneath
from accounts.facts.shapes import Shape
from accounts.facts.values import canonical, jsonable
from core.intake import BadValue


@dataclass(frozen=True, slots=True)
class Read:
    """A fact whose values were read: its place in the batch, stored values by key, when it was true, whether it is
    lent."""

    index: int
    external_id: str
    values: Mapping[str, Any]
    at: dt.datetime
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One value of one row that became another; the row is named once it has a primary key."""

    row: Any
    key: str
    old: Any
    new: Any
    at: dt.datetime


def check_spans(shape: Shape, values: Mapping[str, Any]) -> None:
    """Refuse an end before its start."""
    for first, last in shape.spans:
        start, end = values.get(first), values.get(last)
        if start and end and end < start:
            raise BadValue(f"{last} ({end}) lies before {first} ({start}).")


def merge(shape: Shape, row: Any, fact: Read, source: str) -> tuple[list[Change], bool]:
    """Fold one fact into a row in memory.

    Returns the changes, and whether the row must be written (a newer confirmation of the same value only moves its
    stamp). Raises BadValue, and leaves the row as it was, if the outcome would contradict itself.
    """
    stamp, won, written = instant(fact.at), {}, False
    for key, value in fact.values.items():
        kept = row.stamps.get(key)
        if kept is None or (stamp, source, canonical(value)) > (kept[0], kept[1], canonical(shape.read(row, key))):
            won[key] = value
        elif not fact.lent:
            written |= slip_beneath(row, key, [jsonable(value), stamp, source])
    if shape.spans and won:
        check_spans(shape, {key: won.get(key, shape.read(row, key)) for span in shape.spans for key in span})
    changes = []
    for key, value in won.items():
        old, before = shape.read(row, key), row.stamps.get(key)
        if canonical(old) != canonical(value):
            changes.append(Change(row, key, jsonable(old), jsonable(value), fact.at))
            shape.write(row, key, value)
        after = [stamp, source, beneath(before, old)] if fact.lent else [stamp, source]
        if before != after:
            row.stamps[key] = after
            written = True
    return changes, written or bool(changes)


def changes_after(
    shape: Shape, row: Any, taken: Mapping[str, Any], found: Iterable[Change], now: dt.datetime
) -> list[Change]:
    """The changes of a row from which values were taken back before facts were folded into it."""
    changes = [change for change in found if change.key not in taken]
    for key, was in taken.items():
        value = shape.read(row, key)
        if canonical(value) != canonical(was):
            changes.append(Change(row, key, jsonable(was), jsonable(value), now))
    return changes


_LOG = "COPY accounts_attributechange (subject, object_id, key, old, new, at, source, recorded_at) FROM STDIN"


def log_changes(shape: Shape, changes: Iterable[Change], source: str, now: dt.datetime) -> None:
    """Append to the history of values; what was missing is NULL."""

    def sql_json(value: Any) -> Jsonb | None:
        return None if value is None else Jsonb(value)

    with connection.cursor() as cursor, cursor.copy(_LOG) as copy:
        for change in changes:
            old, new = sql_json(change.old), sql_json(change.new)
            copy.write_row((shape.subject.value, change.row.pk, change.key, old, new, change.at, source, now))
