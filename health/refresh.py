"""Scoring: one statement for each config compares, stores, keeps the day and notes the bands that changed.

An account is scored by the first config whose segment it is in, by the stored members; the default config scores the
rest. Everything is seen at one moment. Running it again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, Max, QuerySet

from accounts.models import Account
from core.clock import Moment, moment
from core.deadline import TooSlow, time_limit
from core.ids import Ids, OneOf
from core.locks import xact_lock
from health.definition import UNSCORED, Definition, DefinitionError, read_definition
from health.holding import held_measures, held_words
from health.judging import in_segments, judged, without_failing
from health.models import AccountHealth, BandChange, HealthConfig
from health.overlap import both_hold
from health.scoring import by_rules, overlapping_sql
from health.statements import CAUSES, SCORE, TRENDS
from segments.holding.holds import Holds
from segments.models import RefreshRun
from segments.questions import Reader

log = logging.getLogger(__name__)
LIMIT_MS = 60_000
LATE_DAYS = 90  # an event that came this late is not looked for when a change is told apart from the clock


@dataclass
class HealthRun:
    """What a scoring did: how many accounts were looked at, how many differ, whose band changed."""

    scored: int = 0
    changed: int = 0
    band_changes: int = 0
    problems: dict[str, dict[str, str]] = field(default_factory=dict)


def refresh_health(
    trigger: str = RefreshRun.Trigger.DAILY, now: Moment | None = None, accounts: Collection[int] | None = None
) -> HealthRun:
    """Score every live account (or some) by the config that counts for it, and bring the trends up to date."""
    present = now or moment()
    run = HealthRun()
    if not HealthConfig.objects.exists() and not AccountHealth.objects.exists():
        return run
    asked = None if accounts is None else Ids.of(accounts)
    reader = replace(Reader.now(present), accounts=asked)
    cause = BandChange.Cause.DATA if trigger == RefreshRun.Trigger.DATA else BandChange.Cause.TIME
    with transaction.atomic():
        xact_lock("health")
        since = HealthConfig.objects.aggregate(last=Max("scored_at"))["last"]
        scoring = _Scoring(present, reader, cause, asked, run, Holds.now(reader.vocabulary))
        for config in HealthConfig.objects.filter(active=True).select_related("segment"):
            scoring.by(config)
        scoring.the_rest()
        with connection.cursor() as cursor:
            ids = Ids.of(asked or ()).array
            cursor.execute(TRENDS, {"today": present.today, "all": asked is None, "ids": ids})
            if since is not None and run.band_changes:
                oldest = since - dt.timedelta(days=LATE_DAYS)
                cursor.execute(CAUSES, {"now": present.now, "since": since, "oldest": oldest})
    return run


@dataclass
class _Scoring:
    """One run over the configs in their order; `taken` are the segments whose accounts have had their config."""

    present: Moment
    reader: Reader
    cause: str
    accounts: Ids | None
    run: HealthRun
    holds: Holds
    taken: list[int] = field(default_factory=list)
    everybody: bool = False

    def by(self, config: HealthConfig) -> None:
        """Score the accounts of one config; a measure that fails is left out, flagged, and the others count."""
        mine = self.base()
        if config.segment_id is None:
            self.everybody = True
        else:
            mine = mine.filter(in_segments([config.segment_id]))
        try:
            definition = read_definition(config.definition, self.reader, lenient=True)
        except DefinitionError as error:
            self.settle(config, {"": error.first}, "")
            definition = UNSCORED
        else:
            definition, problems = self.scored(config, definition, mine)
            self.settle(config, problems, held_words(definition, held_measures(definition, self.holds)))
        if not definition.dimensions:
            self.execute(config, UNSCORED, mine)
        if config.segment_id is not None:
            self.taken.append(config.segment_id)

    def the_rest(self) -> None:
        """Accounts that no config scores are Not scored."""
        if not self.everybody:
            self.execute(None, UNSCORED, self.base())

    def base(self) -> QuerySet[Account]:
        """The live accounts that no config before this one has scored."""
        found = Account.objects.live()
        if self.accounts is not None:
            found = found.filter(OneOf(F("pk"), self.accounts))
        return found.exclude(in_segments(self.taken)) if self.taken else found

    def scored(
        self, config: HealthConfig, definition: Definition, mine: QuerySet[Account]
    ) -> tuple[Definition, dict[str, str]]:
        """Run the statement; if it fails, find the measures that make it fail and run it without them. If it takes too
        long all the same, the accounts keep the scores that they have, and the next config has its turn."""
        problems = {measure.key: measure.problem for measure in definition.measures if measure.problem}
        try:
            return definition, problems | self.execute(config, definition, mine)
        except (DatabaseError, TooSlow) as error:
            if isinstance(error, OperationalError) and not getattr(error.__cause__, "sqlstate", None):
                raise
            sound, failed = without_failing(definition, mine, self.reader.context, LIMIT_MS)
            log.warning("health measures fail", extra={"config": config.name, "measures": sorted(failed)})
            problems |= failed
            try:
                return sound, problems | self.execute(config, sound, mine)
            except TooSlow:
                return definition, problems | {"": f"Scoring took longer than {LIMIT_MS // 1000} s."}

    def execute(self, config: HealthConfig | None, definition: Definition, mine: QuerySet[Account]) -> dict[str, str]:
        """The one statement, in a savepoint, so that what fails can be found and left out. Returns what is to be said
        of measures whose two rules hold for one account, by key."""
        text = judged(definition, mine, self.reader.context, held=held_measures(definition, self.holds))
        if text is None:
            return {}
        values: dict[str, Any] = {
            "config": config.pk if config else None,
            "version": config.version if config else 0,
            "cause": self.cause,
            "now": self.present.now,
            "today": self.present.today,
        }
        with time_limit(LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(SCORE.format(judged=text, overlapping=overlapping_sql(definition)), values)
            scored, changed, flipped, overlapping = cursor.fetchone()
        self.run.scored += scored
        self.run.changed += changed
        self.run.band_changes += flipped
        return {
            measure.key: both_hold(number)
            for measure, number in zip(by_rules(definition).values(), overlapping or (), strict=True)
            if number
        }

    def settle(self, config: HealthConfig, problems: dict[str, str], held: str) -> None:
        """Say on the config what is wrong with it, what of it is held, and when it was scored. A scoring of some
        accounts knows nothing of the others, so it takes nothing back."""
        if self.accounts is not None:
            problems = problems | config.problems
        self.run.problems |= {config.name: problems} if problems else {}
        HealthConfig.objects.filter(pk=config.pk).update(problems=problems, held=held, scored_at=self.present.now)
