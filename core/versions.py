"""What has versions, through time: what changed from one to the next in words, whatever it is that was saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import QuerySet


@dataclass(frozen=True)
class Change:
    """One difference between two definitions: `kind` is added, removed, changed, regrouped or moved."""

    kind: str
    words: str


@dataclass(frozen=True)
class VersionChange:
    """A version, and how it differs from the one before it (the first one has no differences)."""

    version: Any
    changes: list[Change]


class SavedVersion(models.Model):
    """What somebody saved of a record, with the one line they gave for it; a subclass names the record, which knows
    these as its `versions`, and holds what was saved."""

    number = models.PositiveIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ("-number",)


class Stale(Exception):
    """Somebody saved the record since it was read; `current` is what they saved."""

    def __init__(self, current: Any) -> None:
        self.current = current
        super().__init__(f"{current.name} was changed meanwhile (version {current.version}).")


class UnknownVersion(LookupError):
    """There never was a version of this number."""


def tell_versions(
    rows: QuerySet[Any], between: Callable[[Any, Any], list[Change]], numbers: Iterable[int] | None = None
) -> list[VersionChange]:
    """The versions among rows that come newest first (or those of some numbers), each with what changed in it since
    the one before; `between` says what differs between two versions, the earlier one first."""
    wanted = None if numbers is None else set(numbers)
    if wanted is not None:
        rows = rows.filter(number__in=wanted | {number - 1 for number in wanted})
    before = {row.number: row for row in rows}
    return [
        VersionChange(row, between(before[row.number - 1], row) if row.number - 1 in before else [])
        for row in rows
        if wanted is None or row.number in wanted
    ]


def version_of(record: Any, number: int) -> Any:
    """An earlier version of a record. Raises UnknownVersion."""
    found = record.versions.filter(number=number).first()
    if found is None:
        raise UnknownVersion(f"{record.name} has no version {number}.")
    return found
