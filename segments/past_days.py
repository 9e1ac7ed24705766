"""Rules asked of past days: the engine of the present over the tables as they were known at the end of each day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from accounts.past.changes import Needed, forget_changes, prepare_changes
from accounts.past.rows import PastRows
from core.clock import Moment
from core.shadow import Shadows, shadows
from core.spans import ONE_DAY
from segments.past import PastSegments
from segments.questions import Reader
from usage.past import PastUsage, columns_read, forget_usage, show_traits, traits_read, unknowable

Show = Callable[[Shadows, Moment], None]


@dataclass
class PastDays:
    """What some rules need of the past, to be gone through in the order of time.

    `figures` are the columns of usage that are read; `unknown` tells why nobody can say what some fields were; `also`
    shows what apps above keep of the past.
    """

    reader: Reader
    segments: PastSegments
    rows: PastRows
    figures: frozenset[str]
    traits: list[Any]
    unknown: dict[str, str]
    also: Sequence[Show] = ()
    usage: PastUsage | None = None

    @contextmanager
    def day(self, day: dt.date) -> Iterator[tuple[Reader, dict[str, str]]]:
        """The block reads the end of a day, which is later than the one before, and leaves no trace of it. Yields what
        rules are read against, and the fields of traits that could not be computed, with the reason."""
        at = end_of(day, self.reader.moment)
        self.prepare(day).advance(day)
        self.rows.advance(at)
        with shadows() as others:
            reader = replace(self.reader, moment=at)
            self.rows.show(others, at)
            self.prepare(day).show(others, at)
            for show in self.also:
                show(others, at)
            failed = show_traits(others, at, self.traits, reader.vocabulary) if self.traits else {}
            self.segments.show(others, at, reader)
            yield reader, failed

    def prepare(self, day: dt.date) -> PastUsage:
        """Make the tables of the session, once."""
        if self.usage is None:
            prepare_changes(self.reader.moment, self.rows.needed)
            self.usage = PastUsage.up_to(day, self.figures)
        return self.usage


@contextmanager
def past_days(
    reader: Reader, definitions: Iterable[Any], segments: Iterable[str], also: Sequence[Show] = ()
) -> Iterator[PastDays]:
    """What these definitions (rules, or anything that names fields) and segments need; the tables of the session go at
    the end."""
    past = PastSegments.needed(segments, reader.moment)
    words = set[str]().union(*map(words_in, [*definitions, *past.rules()]))
    traits = traits_read(words, reader.vocabulary)
    words = words.union(*(words_in(trait.definition) for trait in traits))
    unknown = unknowable(traits)
    known = [trait for trait in traits if trait.field_key not in unknown]
    try:
        figures = columns_read(words, reader.vocabulary)
        yield PastDays(reader, past, PastRows(Needed.by(words)), figures, known, unknown, also)
    finally:
        if connection.is_usable():
            forget_changes()
            forget_usage()


def end_of(day: dt.date, now: Moment) -> Moment:
    """The last instant of a local day."""
    return Moment(now.start_of(day + ONE_DAY) - dt.timedelta(microseconds=1), now.zone)


def words_in(data: Any) -> set[str]:
    """Every text of a JSON tree, the names of its members too: what a definition or a rule may be about."""
    if isinstance(data, dict):
        return set(data).union(*map(words_in, data.values()))
    return (
        set[str]().union(*map(words_in, data)) if isinstance(data, list) else {data} if isinstance(data, str) else set()
    )
