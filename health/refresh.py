"""Scoring: one statement for each config compares, stores, keeps the day and notes the bands that changed.

An account is scored by the first config whose segment it is in, by the stored members; the default config scores the
rest. Everything is seen at one moment. Running it again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from accounts.models import Account
from core.clock import Moment, moment
from core.deadline import TooSlow, time_limit
from core.ids import Ids, OneOf
from core.locks import xact_lock
from health.definition import UNSCORED, Definition, DefinitionError, Dimension, Measure, read_definition
from health.models import AccountHealth, BandChange, HealthConfig
from health.scoring import arithmetic, columns
from health.statements import CAUSES, SCORE, TRENDS
from segments.models import AccountMembership, RefreshRun
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
        scoring = _Scoring(present, reader, cause, asked, run)
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
    taken: list[int] = field(default_factory=list)
    everybody: bool = False

    def by(self, config: HealthConfig) -> None:
        """Score the accounts of one config; a measure that fails is left out, flagged, and the others count."""
        mine = self.base()
        if config.segment_id is None:
            self.everybody = True
        else:
            mine = mine.filter(_in_segments([config.segment_id]))
        try:
            definition = read_definition(config.definition, self.reader, lenient=True)
        except DefinitionError as error:
            self.settle(config, {"": error.problems[0].message})
            definition = UNSCORED
        else:
            definition, problems = self.scored(config, definition, mine)
            self.settle(config, problems)
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
        return found.exclude(_in_segments(self.taken)) if self.taken else found

    def scored(
        self, config: HealthConfig, definition: Definition, mine: QuerySet[Account]
    ) -> tuple[Definition, dict[str, str]]:
        """Run the statement; if it fails, find the measures that make it fail and run it without them. If it takes too
        long all the same, the accounts keep the scores that they have, and the next config has its turn."""
        problems = {measure.key: measure.problem for measure in definition.measures if measure.problem}
        try:
            self.execute(config, definition, mine)
        except (DatabaseError, TooSlow) as error:
            if isinstance(error, OperationalError) and not getattr(error.__cause__, "sqlstate", None):
                raise
            sound, failed = self.without_failing(definition, mine)
            log.warning("health measures fail", extra={"config": config.name, "measures": sorted(failed)})
            problems |= failed
            try:
                self.execute(config, sound, mine)
            except TooSlow:
                return definition, problems | {"": f"Scoring took longer than {LIMIT_MS // 1000} s."}
            return sound, problems
        return definition, problems

    def without_failing(self, definition: Definition, mine: QuerySet[Account]) -> tuple[Definition, dict[str, str]]:
        """Try each measure alone; those that fail are kept with the reason as their problem."""
        failed: dict[str, str] = {}

        def tried(measure: Measure) -> Measure:
            alone = columns(Definition((Dimension("", "", measure.weight, (measure,)),)), self.reader.context)
            try:
                with time_limit(LIMIT_MS), connection.cursor() as cursor:
                    sql, params = mine.order_by().annotate(**alone).values_list("pk", *alone).query.sql_with_params()
                    cursor.execute(f"SELECT count(one) FROM ({sql}) AS one", params)  # noqa: S608  # compiled
            except EmptyResultSet:
                return measure
            except (DatabaseError, TooSlow) as error:
                text = "It takes too long." if isinstance(error, TooSlow) else str(error).splitlines()[0][:200]
                failed[measure.key] = text
                return Measure(measure.key, measure.name, measure.weight, problem=text)
            return measure

        sound = tuple(replace(one, measures=tuple(map(tried, one.measures))) for one in definition.dimensions)
        return replace(definition, dimensions=sound), failed

    def execute(self, config: HealthConfig | None, definition: Definition, mine: QuerySet[Account]) -> None:
        """The one statement, in a savepoint, so that what fails can be found and left out."""
        read = columns(definition, self.reader.context)
        try:
            sql, params = mine.order_by().annotate(**read).values_list("pk", *read).query.sql_with_params()
        except EmptyResultSet:
            return
        values: dict[str, Any] = {
            "config": config.pk if config else None,
            "version": config.version if config else 0,
            "cause": self.cause,
            "now": self.present.now,
            "today": self.present.today,
            "least": definition.least_coverage,
            "good": definition.good,
            "poor": definition.poor,
        }
        with time_limit(LIMIT_MS), connection.cursor() as cursor:
            # Its values are bound by place, the others by name: what is bound already is one text.
            bound = cast(Any, connection.ops).compose_sql(sql, params).replace("%", "%%")
            read_sql = f"SELECT * FROM ({bound}) AS answer ({', '.join(['id', *read])})"  # noqa: S608  # compiled
            cursor.execute(statement(definition, read_sql), values)
            scored, changed, flipped = cursor.fetchone()
        self.run.scored += scored
        self.run.changed += changed
        self.run.band_changes += flipped

    def settle(self, config: HealthConfig, problems: dict[str, str]) -> None:
        """Say on the config what could not be scored, and when it was."""
        self.run.problems |= {config.name: problems} if problems else {}
        HealthConfig.objects.filter(pk=config.pk).update(problems=problems, scored_at=self.present.now)


def statement(definition: Definition, read: str) -> str:
    """The scoring statement of a definition over a query of its columns."""
    sums = arithmetic(definition)
    n = len(sums.measures)
    measures = "".join(f", {sql} AS m{i}" for i, sql in enumerate(sums.measures))
    values = "".join(f", {sql} AS x{i}" for i, sql in enumerate(sums.values))
    dimensions = "".join(f", {sql} AS d{i}" for i, (_, sql) in enumerate(sums.dimensions))
    pairs = ", ".join(f"'{key}', d{i}" for i, (key, _) in enumerate(sums.dimensions))
    return SCORE.format(
        read=read,
        measures=measures,
        values=values,
        dimensions=dimensions,
        score=sums.score,
        coverage=sums.coverage,
        by_key=f"jsonb_build_object({pairs})",
        measure_array=f"ARRAY[{', '.join(f'm{i}' for i in range(n))}]::numeric(4, 1)[]",
        value_array=f"ARRAY[{', '.join(f'x{i}' for i in range(n))}]::numeric(30, 6)[]",
    )


def _in_segments(segments: Collection[int]) -> Exists:
    """That an account is a stored member of one of these segments."""
    return Exists(
        AccountMembership.objects.filter(account=OuterRef("pk"), segment_id__in=list(segments), left_at__isnull=True)
    )
