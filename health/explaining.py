"""Why an account has the health that it has: every measure with its number, its limits and what it was before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Kind
from accounts.models import Account
from core.clock import Moment
from health.definition import Definition, DefinitionError, Limit, Measure, read_definition
from health.hands import say_by_hand
from health.models import AccountHealth, Band, HealthConfig, HealthConfigVersion, HealthDay, HealthOverride
from segments.questions import Reader

LOOK_BACK_DAYS = 30
REASON_LENGTH = 60


@dataclass(frozen=True)
class MeasureTold:
    """A measure of one account. `score` 0 to 100, None without data; `was` the number of a month ago.

    `share` is how many points of the whole the measure takes away from 100, by which measures are ranked.
    """

    key: str
    name: str
    weight: Decimal
    score: Decimal | None
    band: str
    value: str
    was: str
    good: str
    poor: str
    share: Decimal
    problem: str = ""

    @property
    def label(self) -> str:
        """The word for its band."""
        return str(Band(self.band).label)

    @property
    def line(self) -> str:
        """The measure in one line: "Licences in use 34 %, was 61 %"."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        if self.score is None:
            return f"{self.name} is not known"
        text = f"{self.name} {self.value}" if self.value else f"{self.name} is {Band(self.band).label}"
        return f"{text}, was {self.was}" if self.was and self.was != self.value else text


@dataclass(frozen=True)
class DimensionTold:
    """A dimension with its measures."""

    key: str
    name: str
    weight: Decimal
    score: Decimal | None
    band: str
    measures: list[MeasureTold]

    @property
    def label(self) -> str:
        """The word for its band."""
        return str(Band(self.band).label)


@dataclass(frozen=True)
class HealthTold:
    """All of it; `reason` is the one line for lists, below 60 characters."""

    account: Account
    band: str
    score: Decimal | None
    coverage: Decimal
    config: HealthConfig | None
    dimensions: list[DimensionTold]
    reason: str
    health: AccountHealth | None
    hand: HealthOverride | None = None

    @property
    def overridden(self) -> bool:
        """Whether a person's word decides."""
        return self.hand is not None


def band_of(score: Decimal | float | None, definition: Definition) -> str:
    """The band of a score, by the bands of a definition."""
    if score is None:
        return str(Band.NONE)
    return str(Band.GOOD if score >= definition.good else Band.POOR if score < definition.poor else Band.AVERAGE)


class Teller:
    """Tells the health of many accounts: configs, versions and past days are read once for all of them."""

    def __init__(self, accounts: Iterable[Account], reader: Reader, *, look_back: int = LOOK_BACK_DAYS) -> None:
        self.reader = reader
        ids = [account.pk for account in accounts]
        self.health = AccountHealth.objects.select_related("config").in_bulk(ids)
        self.hands = say_by_hand(self.health, ids, reader.moment)
        self.before = _days_before(ids, reader.moment, look_back)
        wanted = {(row.config_id, row.version) for row in [*self.health.values(), *self.before.values()]}
        self.definitions = definitions_of(wanted, reader)

    def told(self, account: Account) -> HealthTold:
        """The health of one account with its reason."""
        health = self.health.get(account.pk)
        if health is None:
            hand = self.hands.get(account.pk)
            band, reason = (hand.band, hand.words) if hand else (str(Band.NONE), "Health was not computed yet")
            return HealthTold(account, band, None, Decimal(0), None, [], reason, None, hand)
        definition = self.definitions.get((health.config_id, health.version))
        dimensions = self.dimensions(health, definition) if definition else []
        reason = reason_of(health, dimensions)
        return HealthTold(
            account, health.band, health.score, health.coverage, health.config, dimensions, reason, health,
            self.hands.get(account.pk),
        )  # fmt: skip

    def dimensions(self, health: AccountHealth, definition: Definition) -> list[DimensionTold]:
        """Each dimension with its measures, in the order of the config."""
        found, place = [], 0
        earlier = self.values_before(health)
        for dimension in definition.dimensions:
            whole = sum(measure.weight for measure in dimension.measures)
            measures = []
            for measure in dimension.measures:
                weight = dimension.weight * measure.weight / whole
                measures.append(_told(measure, place, weight, health, earlier, definition))
                place += 1
            score = health.dimensions.get(dimension.key)
            score = None if score is None else Decimal(str(score))
            found.append(
                DimensionTold(
                    dimension.key, dimension.name, dimension.weight, score, band_of(score, definition), measures
                )
            )
        return found

    def values_before(self, health: AccountHealth) -> dict[str, Decimal | None]:
        """The numbers of a month ago by the key of their measure, whatever the version was then."""
        day = self.before.get(health.account_id)
        definition = self.definitions.get((day.config_id, day.version)) if day else None
        if day is None or definition is None:
            return {}
        keys = [measure.key for measure in definition.measures]
        return dict(zip(keys, day.values, strict=False))


def explain_health(account: Account, reader: Reader | None = None) -> HealthTold:
    """The health of one account, with every measure."""
    return Teller([account], reader or Reader.now()).told(account)


def reason_of(health: AccountHealth, dimensions: Sequence[DimensionTold]) -> str:
    """What weighs most, in one line. A person's word comes first; then the measure that takes the most points."""
    if health.overridden:
        return _short(f"Set to {Band(health.band).label} by hand")
    if health.config_id is None:
        return "No health config for this account"
    measures = [measure for dimension in dimensions for measure in dimension.measures]
    if health.score is None:
        missing = [measure.name for measure in measures if measure.score is None]
        return _short(f"No data for {', '.join(missing)}" if missing else "Too little data to score")
    scored = [dimension for dimension in dimensions if dimension.score is not None]
    if all(dimension.band == Band.GOOD for dimension in scored):
        return "All dimensions Good" if len(scored) > 1 else f"{scored[0].name} is Good"
    worst = max((measure for measure in measures if measure.score is not None), key=lambda measure: measure.share)
    return _short(worst.line)


def _told(
    measure: Measure,
    place: int,
    weight: Decimal,
    health: AccountHealth,
    earlier: Mapping[str, Decimal | None],
    definition: Definition,
) -> MeasureTold:
    score = health.measures[place] if place < len(health.measures) else None
    value = health.values[place] if place < len(health.values) else None
    lost = Decimal(0) if score is None else weight * (100 - score) / 100
    good, poor = _limits(measure)
    return MeasureTold(
        measure.key, measure.name, weight, score, band_of(score, definition), number_in_words(value, measure),
        number_in_words(earlier.get(measure.key), measure), good, poor, lost, measure.problem,
    )  # fmt: skip


def _limits(measure: Measure) -> tuple[str, str]:
    if measure.good_rule and measure.poor_rule:
        return measure.good_rule.words, measure.poor_rule.words
    if measure.good is None or measure.poor is None or measure.field is None:
        return "", ""
    return limit_in_words(measure.good, measure), limit_in_words(measure.poor, measure)


def limit_in_words(limit: Limit, measure: Measure) -> str:
    """A limit as people read it: "70 % of Licences", "14 days ago"."""
    if limit.of is not None:
        return f"{_plain(limit.number)} % of {limit.of.label}"
    return number_in_words(limit.number, measure)


def number_in_words(value: Decimal | None, measure: Measure) -> str:
    """The number of a measure with its unit; "" if there is none."""
    if value is None:
        return ""
    if measure.in_days:
        days = int(value)
        unit = "day" if abs(days) == 1 else "days"
        return "today" if days == 0 else f"{days:,} {unit} ago" if days > 0 else f"in {-days:,} {unit}"
    field: Field | None = measure.field
    if field is not None and field.kind is Kind.PERCENT:
        return f"{_plain(value)} %"
    return _plain(value)


def _plain(value: Decimal) -> str:
    rounded = value.quantize(Decimal(1)) if abs(value) >= 100 else value.quantize(Decimal("0.1"))
    return f"{rounded:,f}".rstrip("0").rstrip(".") if "." in f"{rounded:f}" else f"{rounded:,f}"


def _short(text: str) -> str:
    return text if len(text) < REASON_LENGTH else f"{text[: REASON_LENGTH - 2].rstrip()}…"


def _days_before(ids: Sequence[int], now: Moment, days: int) -> dict[int, HealthDay]:
    """The row that counted so many days ago, by account."""
    day = now.today - dt.timedelta(days=days)
    rows = HealthDay.objects.filter(account_id__in=ids, day__lte=day).order_by("account_id", "-day")
    return {row.account_id: row for row in rows.distinct("account_id")}


def definitions_of(
    wanted: Iterable[tuple[int | None, int]], reader: Reader
) -> dict[tuple[int | None, int], Definition]:
    """The versions of configs (primary key and number) that scores were made with, as far as they can be read."""
    pairs = {(config, version) for config, version in wanted if config is not None}
    rows = HealthConfigVersion.objects.filter(config_id__in={config for config, _ in pairs})
    found: dict[tuple[int | None, int], Definition] = {}
    for row in rows:
        if (row.config_id, row.number) in pairs:
            found[row.config_id, row.number] = _lenient(row.definition, reader)
    return found


def _lenient(data: Any, reader: Reader) -> Definition:
    try:
        return read_definition(data, reader, lenient=True)
    except DefinitionError:
        return Definition(())
