"""The bands of a past day: the engine of the live scoring over the tables as they were known at the end of that day."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import DatabaseError, OperationalError, connection
from django.db.models import QuerySet

from accounts.models import Account
from core.clock import moment
from core.deadline import TooSlow, time_limit
from health.backtest.figures import LETTERS
from health.backtest.models import BackTest
from health.definition import Definition, Measure, fields_of_measure, read_definition
from health.effect import accounts_of
from health.judging import judged, without_failing
from health.models import HealthConfig
from health.past import show_pulses
from segments.models import Segment
from segments.past_days import PastDays, past_days
from segments.questions import Reader, named_in

log = logging.getLogger(__name__)
LIMIT_MS = 60_000


class ConfigGone(Exception):
    """The config or its segment was deleted, so nobody can say whom it would have scored."""


@dataclass(frozen=True)
class Day:
    """The bands of a day: accounts (primary keys, ascending) and a letter for each, of both definitions."""

    accounts: list[int]
    letters: str
    against: str


@dataclass
class Replay:
    """Both definitions with all that is needed to score by them as of past days, in the order of time.

    `problems` gathers what cannot be scored, by the key of the measure.
    """

    config: HealthConfig | None
    segment: Segment | None
    definitions: list[Definition]
    past: PastDays
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        """What definitions are read against today."""
        return self.past.reader

    def day(self, day: dt.date) -> Day:
        """Score a day, which is later than the one before, and leave no trace of it."""
        with self.past.day(day) as (reader, failed):
            self.leave_out(failed)
            found = [self.bands(place, reader) for place in range(len(self.definitions))]
        accounts = sorted(found[0])
        letters = ["".join(LETTERS[bands[account]] for account in accounts) for bands in found]
        return Day(accounts, letters[0], letters[1] if len(letters) > 1 else "")

    def bands(self, place: int, reader: Reader) -> dict[int, str]:
        """The band of each account by one of the definitions; measures that fail are left out from then on."""
        definition, mine = self.definitions[place], self.population()
        try:
            return _bands(definition, reader, mine)
        except (DatabaseError, TooSlow) as error:
            if isinstance(error, OperationalError) and not getattr(error.__cause__, "sqlstate", None):
                raise
            sound, failed = without_failing(definition, mine, reader.context, LIMIT_MS)
            log.warning("health measures fail in a back-test", extra={"measures": sorted(failed)})
            self.definitions[place] = sound
            self.problems |= failed
            return _bands(sound, reader, mine)

    def population(self) -> QuerySet[Account]:
        """The accounts that the config would have scored: of its segment, and of none that is asked before it."""
        return accounts_of(self.config, self.segment, Account.objects.live())

    def leave_out(self, fields: dict[str, str]) -> None:
        """Measures that read one of these fields cannot be scored, for the reason that is given."""
        if fields:
            self.definitions = [_without(one, fields, self.problems) for one in self.definitions]


@contextmanager
def replay_of(test: BackTest) -> Iterator[Replay]:
    """What a back-test needs; its tables of the session go at the end. Raises ConfigGone, or DefinitionError where a
    definition cannot be read at all."""
    config = HealthConfig.objects.filter(pk=test.config_id or 0).first()
    segment = Segment.everything.filter(pk=test.segment_id or 0).first()
    if config is None and not test.is_new or segment is None and test.of_segment:
        raise ConfigGone
    reader = Reader.now(moment())
    sources = [source for source in (test.definition, test.against) if source is not None]
    definitions = [read_definition(source, reader, lenient=True) for source in sources]
    before = segments_before(config)
    keys = {key for source in sources for key in named_in(source)} | {segment.key for segment in before}
    keys |= {segment.key} if segment else set()
    with past_days(reader, sources, keys, [show_pulses]) as past:
        problems = {measure.key: measure.problem for one in definitions for measure in one.measures if measure.problem}
        found = Replay(config, segment, definitions, past, problems)
        found.leave_out(past.unknown)
        yield found


def segments_before(config: HealthConfig | None) -> list[Segment]:
    """The segments of the active configs that are asked before this one, by their order of today; a new one would come
    after all others."""
    others = HealthConfig.objects.filter(active=True, is_default=False).select_related("segment")
    if config is None or config.is_default:
        return [one.segment for one in others if one.segment and one != config]
    mine = (config.position, config.pk)
    return [one.segment for one in others if one.segment and (one.position, one.pk) < mine]


def _bands(definition: Definition, reader: Reader, mine: QuerySet[Account]) -> dict[int, str]:
    text = judged(definition, mine, reader.context, parts=False)
    if text is None:
        return {}
    with time_limit(LIMIT_MS), connection.cursor() as cursor:
        cursor.execute(f"WITH {text} SELECT id, computed FROM wanted", {"today": reader.moment.today})  # noqa: S608
        return dict(cursor.fetchall())


def _without(definition: Definition, fields: dict[str, str], problems: dict[str, str]) -> Definition:
    def kept(measure: Measure) -> Measure:
        reason = next((fields[key] for key in sorted(fields_of_measure(measure)) if key in fields), "")
        if not reason or measure.problem:
            return measure
        problems[measure.key] = reason
        return Measure(measure.key, measure.name, measure.weight, problem=reason)

    return definition.but(kept)
