"""The live effect of a draft as its editor shows it: bands now and then, who changes, and each measure's spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from health.definition import Definition, Measure
from health.effect import Effect, Mover, Spread
from health.explaining import band_of, number_in_words
from health.models import Band
from web.charts import Mix
from web.histogram import Histogram, bands_mix, histogram

ORDER = (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)


@dataclass(frozen=True)
class BandRow:
    """One band: how many are in it now and would be, how many join and leave it."""

    band: str
    label: str
    now: int
    then: int
    joins: int
    leaves: int


@dataclass(frozen=True)
class Move:
    """The accounts that go from one band to another, and the largest of them."""

    before: str
    after: str
    before_label: str
    after_label: str
    number: int
    sample: list[Mover]

    @property
    def more(self) -> int:
        """How many are not in the sample."""
        return self.number - len(self.sample)


@dataclass(frozen=True)
class SpreadView:
    """One measure by the path of its form: the mix of its bands, and its values where it has any."""

    path: str
    name: str
    mix: Mix
    chart: Histogram | None
    problem: str


@dataclass(frozen=True)
class EffectView:
    """All that the editor shows of an effect."""

    effect: Effect
    now: Mix
    then: Mix
    rows: list[BandRow]
    moves: list[Move]
    spreads: list[SpreadView]
    poor_now: Decimal
    poor_then: Decimal


def effect_view(effect: Effect, definition: Definition, paths: Mapping[str, str]) -> EffectView:
    """Put an effect in the order in which it is read: what becomes worse first. `paths` has the place of each measure
    in the form, by its key."""
    rows = [_row(effect, str(band), str(band.label)) for band in ORDER]
    return EffectView(
        effect,
        bands_mix({row.band: row.now for row in rows}),
        bands_mix({row.band: row.then for row in rows}),
        rows,
        list(_moves(effect)),
        list(_spreads(effect, definition, paths)),
        effect.mrr(Band.POOR, after=False),
        effect.mrr(Band.POOR, after=True),
    )


def _row(effect: Effect, band: str, label: str) -> BandRow:
    joins = sum(flow.number for flow in effect.flows if flow.after == band != flow.before)
    leaves = sum(flow.number for flow in effect.flows if flow.before == band != flow.after)
    return BandRow(band, label, effect.number(band, after=False), effect.number(band, after=True), joins, leaves)


def _moves(effect: Effect) -> Iterator[Move]:
    places = {str(band): place for place, band in enumerate(ORDER)}
    moved = [flow for flow in effect.flows if flow.before != flow.after]
    for flow in sorted(moved, key=lambda one: (places[one.after], places[one.before])):
        sample = [one for one in effect.movers if (one.before, one.after) == (flow.before, flow.after)]
        yield Move(
            flow.before, flow.after, str(Band(flow.before).label), str(Band(flow.after).label), flow.number, sample
        )


def _spreads(effect: Effect, definition: Definition, paths: Mapping[str, str]) -> Iterator[SpreadView]:
    for measure, spread in zip(definition.measures, effect.spreads, strict=True):
        problem = effect.problems.get(measure.key, "")
        chart = _chart(measure, spread, definition)
        yield SpreadView(paths[measure.key], measure.name, bands_mix(spread.bands), chart, problem)


def _chart(measure: Measure, spread: Spread, definition: Definition) -> Histogram | None:
    def say(value: Decimal) -> str:
        if spread.scale == "number":
            return number_in_words(value, measure)
        text = f"{value:,.1f}".removesuffix(".0")
        return f"{text} %" if spread.scale == "percent" else text

    return histogram(spread, say, lambda score: band_of(score, definition))
