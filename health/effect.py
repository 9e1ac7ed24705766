"""What a draft of a config would do to the accounts of the present, beside what is stored. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import QuerySet

from accounts.models import Account
from core.deadline import TooSlow, time_limit
from health.definition import Definition, Measure
from health.differing import told
from health.judging import in_segments, judged, without_failing
from health.models import Band, HealthConfig
from health.recalling import lenient, versions_of
from health.scoring import fixed, plain, share_of
from health.statements import EFFECT
from segments.models import Segment
from segments.questions import Reader

LIMIT_MS = 8_000  # of one statement
BINS, SAMPLE = 20, 5
NOT_BY_ANY = "No config scores it at present"


@dataclass(frozen=True)
class Flow:
    """How many accounts go from one band to another (or stay), with a month's worth of them."""

    before: str
    after: str
    number: int
    mrr: Decimal


@dataclass(frozen=True)
class Mover:
    """An account whose band would change, with its score now and then (None where there is none), and what decides:
    "Used gives 5 of 100, was 50"."""

    pk: int
    name: str
    before: str
    after: str
    score_before: Decimal | None
    score_after: Decimal | None
    why: str = ""


@dataclass(frozen=True)
class Spread:
    """How the accounts fall on one measure: numbers by band (`none`: no data), and its values in steps of `step` from
    `start` on. `good` and `poor` are the limits on the same scale, whose unit is `scale`: "number" (of the field),
    "percent" (of the field in both limits) or "score". A measure by rules has no steps."""

    bands: Mapping[str, int]
    scale: str = ""
    start: Decimal = Decimal(0)
    step: Decimal = Decimal(0)
    bins: tuple[int, ...] = ()
    middle: Decimal = Decimal(0)
    good: Decimal = Decimal(0)
    poor: Decimal = Decimal(0)


@dataclass(frozen=True)
class Effect:
    """All of it. `movers` are a few of each pair of bands, the largest first; `leaving` counts accounts that the config
    scores at present and would not any more; `problems` the measures that could not be computed, by key."""

    flows: tuple[Flow, ...]
    movers: tuple[Mover, ...]
    spreads: tuple[Spread, ...]
    leaving: int
    problems: Mapping[str, str]

    @property
    def scored(self) -> int:
        """How many accounts the draft looks at."""
        return sum(flow.number for flow in self.flows)

    @property
    def changed(self) -> int:
        """How many would have another band."""
        return sum(flow.number for flow in self.flows if flow.before != flow.after)

    def number(self, band: str, *, after: bool) -> int:
        """How many are in a band now, or would be."""
        return sum(flow.number for flow in self.flows if (flow.after if after else flow.before) == band)

    def mrr(self, band: str, *, after: bool) -> Decimal:
        """A month's worth of the accounts in a band now, or then."""
        return sum((flow.mrr for flow in self.flows if (flow.after if after else flow.before) == band), Decimal(0))


def effect_of(
    definition: Definition,
    reader: Reader,
    *,
    seen: QuerySet[Account],
    config: HealthConfig | None = None,
    segment: Segment | None = None,
) -> Effect:
    """What a definition would give the accounts (of those `seen`) that a config of this segment scores at its place in
    the order. Without a segment it is the default config. Raises TooSlow past eight seconds a statement.
    """
    mine = accounts_of(config, segment, seen)
    problems = {measure.key: measure.problem for measure in definition.measures if measure.problem}
    try:
        row = _row(definition, mine, reader)
    except TooSlow:
        raise
    except DatabaseError:
        definition, failed = without_failing(definition, mine, reader.context, LIMIT_MS)
        problems |= failed
        row = _row(definition, mine, reader)
    flows, movers, scores, steps = row
    return Effect(
        tuple(Flow(one["before"], one["after"], one["n"], Decimal(one["mrr"])) for one in flows or ()),
        tuple(_movers(movers or (), definition, reader)),
        tuple(
            _spread(measure, (scores or {}).get(str(i)), (steps or {}).get(str(i)))
            for i, measure in enumerate(definition.measures, start=1)
        ),
        _leaving(config, mine, seen),
        problems,
    )


def accounts_of(config: HealthConfig | None, segment: Segment | None, seen: QuerySet[Account]) -> QuerySet[Account]:
    """The accounts that a config of this segment scores: the members of its segment that no config before it has; for
    the default config, those of none. A new config comes after the others."""
    others = HealthConfig.objects.filter(active=True, is_default=False)
    order = list(others.exclude(pk=config.pk) if config else others)
    if config is not None and not config.is_default and segment is not None:
        order = [one for one in order if (one.position, one.pk) < (config.position, config.pk)]
    taken = [one.segment_id for one in order if one.segment_id is not None and one.segment_id != _pk(segment)]
    found = seen.filter(in_segments([segment.pk])) if segment is not None else seen
    return found.exclude(in_segments(taken)) if taken else found


def _movers(rows: Sequence[Mapping[str, Any]], definition: Definition, reader: Reader) -> Iterator[Mover]:
    """Each with the reason, by what it was scored by until now; one statement for all of them."""
    versions = versions_of({(row["config"], row["version"]) for row in rows})
    until_now = {(one.config_id, one.number): lenient(one.definition, reader) for one in versions}
    for row in rows:
        was, now = (list(map(_number, row[side] or ())) for side in ("was", "now"))
        old, bands = until_now.get((row["config"], row["version"])), (row["before"], row["after"])
        why = told(old, definition, was, now, bands) if old else NOT_BY_ANY
        yield Mover(row["id"], row["name"], *bands, _number(row["score_before"]), _number(row["score"]), why)


def _pk(segment: Segment | None) -> int | None:
    return segment.pk if segment else None


def _row(definition: Definition, mine: QuerySet[Account], reader: Reader) -> tuple[Any, ...]:
    text = judged(definition, mine, reader.context, shown=True)
    if text is None:
        return None, None, None, None
    limits = [_limits(measure) for measure in definition.measures]
    values: dict[str, Any] = {
        "today": reader.moment.today,
        "low": [min(pair) if pair else None for pair in limits],
        "high": [max(pair) if pair else None for pair in limits],
        "bins": BINS,
        "sample": SAMPLE,
    }
    statement = EFFECT.format(judged=text, good=plain(definition.good), poor=plain(definition.poor))
    with time_limit(LIMIT_MS), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return tuple(cursor.fetchone())


def _limits(measure: Measure) -> tuple[Decimal, Decimal] | None:
    """Good and poor limit on the scale of health.scoring.shown_sql; None by rules."""
    if measure.problem or measure.good is None or measure.poor is None:
        return None
    if fixed(measure) or share_of(measure):
        return measure.good.number, measure.poor.number
    return Decimal(100), Decimal(0)


def _spread(measure: Measure, bands: Mapping[str, int] | None, steps: Mapping[str, Any] | None) -> Spread:
    counted = {str(band): (bands or {}).get(str(band), 0) for band in Band.values}
    limits = _limits(measure)
    if limits is None or steps is None:
        return Spread(counted)
    found: Mapping[str, int] = steps["bins"] or {}
    scale = "number" if fixed(measure) else "percent" if share_of(measure) else "score"
    return Spread(
        counted, scale, Decimal(steps["start"]), Decimal(steps["step"]),
        tuple(found.get(str(i), 0) for i in range(BINS)), Decimal(steps["middle"]), *limits,
    )  # fmt: skip


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _leaving(config: HealthConfig | None, mine: QuerySet[Account], seen: QuerySet[Account]) -> int:
    """The accounts that the config has scored and that are not its any more."""
    if config is None:
        return 0
    with time_limit(LIMIT_MS):
        return seen.filter(health__config=config).exclude(pk__in=mine.order_by().values("pk")).count()
