"""A page of the timeline: one statement finds which rows of all sources come next, then each source reads its own.

A page begins below a place (instant, source, row), which the address carries, so that it costs the same however far
down it lies and neither repeats nor leaves out what is written meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, IntegerField, Q, QuerySet, Value

from core.clock import Moment
from web.timeline.entries import Entry, Source, Told

A_PAGE = 15
_EARLIEST, _LATEST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Place:
    """Below which row a page begins."""

    at: dt.datetime
    source: str
    pk: int

    @property
    def text(self) -> str:
        """As the address has it: microseconds, source, row."""
        return f"{int(self.at.timestamp() * 1_000_000)}.{self.source}.{self.pk}"


def read_place(text: str, sources: Sequence[Source]) -> Place | None:
    """The place that an address means; None, which is the top, for anything else."""
    parts = text.split(".")
    if len(parts) != 3 or parts[1] not in {one.key for one in sources} or not parts[2].isascii():
        return None
    micros, pk = parts[0].removeprefix("-"), parts[2]
    if not (micros.isascii() and micros.isdigit() and pk.isdigit() and len(micros) < 18 and len(pk) < 19):
        return None
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(parts[0]))
    return Place(at, parts[1], int(pk)) if _EARLIEST <= at <= _LATEST else None


@dataclass(frozen=True)
class Timeline:
    """One page of entries; `before` is where the next one begins, empty on the last."""

    entries: list[Entry]
    show: str
    start: str
    before: str


def page_of(told: Told, sources: Sequence[Source], show: str, start: Place | None) -> Timeline:
    """A page of some sources, the newest entry first. Ties are in the order of the sources."""
    wanted = {rank: source for rank, source in enumerate(sources) if show in ("", source.show)}
    now = told.reader.moment
    below = (
        None if start is None else (start, next(rank for rank, one in enumerate(sources) if one.key == start.source))
    )
    parts = [_keys(source.rows(told.account, now), rank, now, below) for rank, source in wanted.items()]
    first, *rest = parts
    found = list(
        first.union(*rest, all=True).order_by("-happened", "source_rank", "-pk")[: A_PAGE + 1] if rest else first
    )
    shown, more = found[:A_PAGE], len(found) > A_PAGE
    entries = _entries(shown, wanted, told)
    last = Place(shown[-1][0], wanted[shown[-1][1]].key, shown[-1][2]).text if more else ""
    return Timeline(entries, show, start.text if start else "", last)


Key = tuple[dt.datetime, int, int]


def _keys(rows: QuerySet, rank: int, now: Moment, below: tuple[Place, int] | None) -> QuerySet:  # type: ignore[type-arg]
    """Instant, rank of the source and primary key of the first rows below a place."""
    if below is not None:
        place, at_rank = below
        same = Q(happened=place.at)
        same &= Q(pk__lt=place.pk) if rank == at_rank else Q(pk__isnull=rank < at_rank)
        # The bound alone, so that an index on the instant begins at the right place.
        rows = rows.filter(Q(happened__lte=place.at) & (Q(happened__lt=place.at) | same))
    rows = rows.annotate(source_rank=Value(rank, output_field=IntegerField()))
    keys = rows.order_by(F("happened").desc(), F("pk").desc()).values_list("happened", "source_rank", "pk")
    return keys[: A_PAGE + 1]


def _entries(keys: Sequence[Key], sources: dict[int, Source], told: Told) -> list[Entry]:
    """Each source tells its rows at once; the page keeps the order of the keys."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for _, rank, pk in keys:
        wanted[rank].append(pk)
    found: dict[tuple[int, int], Entry] = {}
    for rank, ids in wanted.items():
        source = sources[rank]
        rows = list(source.rows(told.account, told.reader.moment).filter(pk__in=ids))
        for row, entry in zip(rows, source.tell(rows, told), strict=True):
            found[(rank, row.pk)] = entry
    return [found[(rank, pk)] for _, rank, pk in keys if (rank, pk) in found]
