"""Why an account has the health that it has: every measure with its number, its limits and what it was before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import zip_longest

from accounts.fields import Field, Kind
from accounts.models import Account
from health.definition import LOWER, UNSCORED, Definition, Limit, Measure
from health.hands import say_by_hand
from health.models import AccountHealth, Band, HealthConfig, HealthOverride
from health.recalling import health_with_past, lenient, versions_of, whole_of, wholes_of
from segments.questions import Reader

LOOK_BACK_DAYS = 30
REASON_LENGTH = 60
NOT_YET = "Health was not computed yet"
NO_LIMITS = "For this account its limits are missing or cross."


@dataclass(frozen=True)
class MeasureTold:
    """A measure of one account. `score` 0 to 100, None without data; `was` the number of a month ago.

    `share` is how many points of the whole the measure takes away from 100, by which measures are ranked. Where both
    limits are percentages of one field, `value` is "41 of 120, 34 %", and `short`, which lines take, "34 %".
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
    short: str = ""

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
        now = self.short or self.value
        text = f"{self.name} {now}" if now else f"{self.name} is {Band(self.band).label}"
        return f"{text}, was {self.was}" if self.was and self.was != now else text


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


@dataclass(frozen=True)
class HealthLine:
    """The health of one row of a list: the reason, whether it is praise, by key the name and band of each dimension."""

    reason: str
    fine: bool
    dimensions: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class _Earlier:
    """A measure as it was: how it was defined then, its number and its score."""

    measure: Measure
    value: Decimal | None
    score: Decimal | None


def band_of(score: Decimal | float | None, definition: Definition) -> str:
    """The band of a score, by the bands of a definition."""
    if score is None:
        return str(Band.NONE)
    return str(Band.GOOD if score >= definition.good else Band.POOR if score < definition.poor else Band.AVERAGE)


class Teller:
    """Tells the health of many accounts: configs, versions and past days are read once for all of them."""

    def __init__(self, accounts: Iterable[Account], reader: Reader, *, look_back: int = LOOK_BACK_DAYS) -> None:
        self.reader = reader
        self.ids = [account.pk for account in accounts]
        self.health, self.before = health_with_past(self.ids, reader.moment, look_back)
        self.hands = say_by_hand(self.health, self.ids, reader.moment)
        used = {(row.config_id, row.version) for row in self.health.values()}
        rows = versions_of(used | {(row.config_id, row.version) for row in self.before.values()})
        self.configs = {row.config_id: row.config for row in rows}
        self.definitions = {(row.config_id, row.number): lenient(row.definition, reader) for row in rows}

    @cached_property
    def wholes(self) -> dict[tuple[int, str], Decimal | None]:
        """What measures are percentages of; asked for when the first of them is told."""
        return wholes_of(self.ids, self.definitions.values(), self.reader)

    def told(self, account: Account) -> HealthTold:
        """The health of one account with its reason."""
        health = self.health.get(account.pk)
        if health is None:
            hand = self.hands.get(account.pk)
            band, reason = (hand.band, hand.words) if hand else (str(Band.NONE), NOT_YET)
            return HealthTold(account, band, None, Decimal(0), None, [], reason, None, hand)
        config = self.configs.get(health.config_id or 0)
        return HealthTold(
            account, health.band, health.score, health.coverage, config, self.dimensions(health), self.reason(health),
            health, self.hands.get(account.pk),
        )  # fmt: skip

    def line(self, account_id: int) -> HealthLine:
        """The same in one line: only the measure that it names is put in words."""
        health = self.health.get(account_id)
        if health is None:
            return HealthLine(NOT_YET, False, {})
        definition = self.definition_of(health)
        scores = ((one, health.dimensions.get(one.key)) for one in definition.dimensions)
        bands = {one.key: (one.name, band_of(score, definition)) for one, score in scores}
        return HealthLine(self.reason(health), health.band == Band.GOOD, bands)

    def definition_of(self, health: AccountHealth) -> Definition:
        """What an account was scored by; without dimensions if nothing did."""
        return self.definitions.get((health.config_id or 0, health.version)) or UNSCORED

    def reason(self, health: AccountHealth) -> str:
        """What weighs most, in one line."""
        found = main_reason(health, self.definition_of(health))
        return found if isinstance(found, str) else _short(self.measures(health, found, found + 1)[0].line)

    def dimensions(self, health: AccountHealth) -> list[DimensionTold]:
        """Each dimension with its measures, in the order of the config."""
        definition = self.definition_of(health)
        found, place = [], 0
        for one in definition.dimensions:
            score = health.dimensions.get(one.key)
            score = None if score is None else Decimal(str(score))
            measures = self.measures(health, place, place + len(one.measures))
            place += len(one.measures)
            found.append(DimensionTold(one.key, one.name, one.weight, score, band_of(score, definition), measures))
        return found

    def measures(self, health: AccountHealth, first: int, end: int) -> list[MeasureTold]:
        """The measures from a place on to before another, in the order of the config."""
        definition, earlier = self.definition_of(health), self.values_before(health)
        found = []
        for place, (measure, weight) in list(enumerate(_weighted(definition)))[first:end]:
            whole = self.wholes.get((health.account_id, key)) if (key := whole_of(measure)) else None
            found.append(_told(measure, place, weight, health, earlier.get(measure.key), definition, whole))
        return found

    def values_before(self, health: AccountHealth) -> dict[str, _Earlier]:
        """The measures of a month ago by their key, whatever the version was then."""
        day = self.before.get(health.account_id)
        definition = self.definitions.get((day.config_id or 0, day.version)) if day else None
        if day is None or definition is None:
            return {}
        rows = zip(definition.measures, day.values, day.measures, strict=False)
        return {measure.key: _Earlier(measure, value, score) for measure, value, score in rows}


def health_lines(ids: Sequence[int], reader: Reader) -> dict[int, HealthLine]:
    """The health of the accounts of one page by their id, in the same few statements however many they are."""
    teller = Teller([Account(pk=pk) for pk in ids], reader)
    return {pk: teller.line(pk) for pk in ids}


def explain_health(account: Account, reader: Reader | None = None) -> HealthTold:
    """The health of one account, with every measure."""
    return Teller([account], reader or Reader.now()).told(account)


def main_reason(health: AccountHealth, definition: Definition) -> str | int:
    """What weighs most: a sentence, or the place of the measure that takes the most points. A person's word comes
    first."""
    if health.overridden:
        return _short(f"Set to {Band(health.band).label} by hand")
    if health.config_id is None:
        return "No health config for this account"
    if health.score is None:
        missing = [
            measure.name
            for measure, score in zip_longest(definition.measures, health.measures[: len(definition.measures)])
            if score is None
        ]
        return _short(f"No data for {', '.join(missing)}" if missing else "Too little data to score")
    scores = ((one.name, health.dimensions.get(one.key)) for one in definition.dimensions)
    scored = [(name, score) for name, score in scores if score is not None]
    if all(score >= definition.good for _, score in scored):
        return f"{scored[0][0]} is Good" if len(scored) == 1 else "All dimensions Good"
    costs = [
        (weight * (100 - score), -place)
        for place, ((_, weight), score) in enumerate(zip(_weighted(definition), health.measures, strict=False))
        if score is not None
    ]
    return -max(costs)[1] if costs else "Too little data to score"


def _weighted(definition: Definition) -> list[tuple[Measure, Decimal]]:
    """Every measure in order, with its percentage of the whole."""
    return [
        (measure, dimension.weight * measure.weight / whole)
        for dimension in definition.dimensions
        for whole in [sum(measure.weight for measure in dimension.measures)]
        for measure in dimension.measures
    ]


def _told(
    measure: Measure,
    place: int,
    weight: Decimal,
    health: AccountHealth,
    earlier: _Earlier | None,
    definition: Definition,
    whole: Decimal | None,
) -> MeasureTold:
    score = health.measures[place] if place < len(health.measures) else None
    value = health.values[place] if place < len(health.values) else None
    lost = Decimal(0) if score is None else weight * (100 - score) / 100
    good, poor = limits_in_words(measure)
    words, short = number_in_words(value, measure), ""
    if value is not None and whole:
        short = f"{100 * value / whole:,.0f} %"
        words = f"{_plain(value)} of {_plain(whole)}, {short}"
    was = _was(earlier, as_share=bool(short))
    problem = measure.problem or (NO_LIMITS if value is not None and score is None else "")
    return MeasureTold(
        measure.key, measure.name, weight, score, band_of(score, definition), words, was, good, poor, lost,
        problem, short,
    )  # fmt: skip


def _was(earlier: _Earlier | None, *, as_share: bool) -> str:
    """What a measure was: its number; as a percentage, told from its score, because what it was a share of may have
    changed since."""
    if earlier is None or earlier.value is None:
        return ""
    if not as_share:
        return number_in_words(earlier.value, earlier.measure)
    good, poor, score = earlier.measure.good, earlier.measure.poor, earlier.score
    if not whole_of(earlier.measure) or good is None or poor is None or score is None:
        return ""
    share = poor.number + (good.number - poor.number) * score / 100
    beyond = "" if 0 < score < 100 else " or less" if (score <= 0) == (good.number > poor.number) else " or more"
    # Nobody is less than none.
    return f"{share:,.0f} %{beyond if share > 0 or beyond != ' or less' else ''}"


def limits_in_words(measure: Measure) -> tuple[str, str]:
    """Its Good and its Poor side as people read them; which way is better is said where the limits do not."""
    if measure.good_rule and measure.poor_rule:
        return measure.good_rule.words, measure.poor_rule.words
    if measure.good is None or measure.poor is None or measure.field is None:
        return "", ""
    good, poor = limit_in_words(measure.good, measure), limit_in_words(measure.poor, measure)
    return (f"{good} or {'less' if measure.better == LOWER else 'more'}", poor) if measure.mixed else (good, poor)


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
    text = f"{rounded:,f}".rstrip("0").rstrip(".") if "." in f"{rounded:f}" else f"{rounded:,f}"
    return text.replace("-", "−")


def _short(text: str) -> str:
    return text if len(text) < REASON_LENGTH else f"{text[: REASON_LENGTH - 2].rstrip()}…"
