"""How the accounts lie on a measure, drawn on the server: bars in the colour of their band, a line at each limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from health.effect import Spread
from health.models import Band
from web.charts import Mix, mix

WIDTH, HEIGHT, TOP = 400, 72, 24


@dataclass(frozen=True)
class Bar:
    """One step: where it stands, its band, and what it says."""

    x: str
    y: str
    width: str
    height: str
    band: str
    words: str
    number: int


@dataclass(frozen=True)
class LimitLine:
    """A limit: its place, its words, and on which side of the line there is room for them."""

    x: str
    y: str
    words: str
    anchor: str
    text_x: str


@dataclass(frozen=True)
class Histogram:
    """The drawing; `text` says it in one sentence, `low` and `high` stand below its ends."""

    bars: list[Bar]
    lines: list[LimitLine]
    low: str
    high: str
    text: str
    width: int = WIDTH
    height: int = HEIGHT


def bands_mix(bands: Mapping[str, int]) -> Mix:
    """Numbers by band as a mix bar."""
    return mix([(f"band-{band}", str(label), bands.get(band, 0)) for band, label in Band.choices])


def histogram(spread: Spread, say: Callable[[Decimal], str], band_at: Callable[[Decimal], str]) -> Histogram | None:
    """Draw a spread; None if it has no values. `say` puts a value in words, `band_at` gives the band of a score."""
    filled = [i for i, number in enumerate(spread.bins) if number]
    if not filled:
        return None
    step = spread.step or Decimal(1)
    reach = (max(spread.good, spread.poor) - spread.start) / step
    count = min(len(spread.bins), max(filled[-1] + 1, int(reach) + 1))
    width, most = Decimal(WIDTH) / count, max(spread.bins)
    bars = []
    for i in filled:
        tall = max(Decimal(2), (HEIGHT - TOP) * Decimal(spread.bins[i]) / most)
        low = spread.start + i * step
        score = (low + step / 2 - spread.poor) / (spread.good - spread.poor) * 100
        bars.append(
            Bar(
                f"{i * width + Decimal('0.5'):.2f}", f"{HEIGHT - tall:.2f}", f"{max(Decimal(1), width - 1):.2f}",
                f"{tall:.2f}", band_at(min(Decimal(100), max(Decimal(0), score))),
                say(low) if spread.step == 1 else f"{say(low)} to {say(low + step)}", spread.bins[i],
            )
        )  # fmt: skip
    end = spread.start + count * step
    lines = [
        _line(value, f"{name} {say(value)}", row, (value - spread.start) / (count * step) * WIDTH)
        for row, (name, value) in enumerate((("Poor", spread.poor), ("Good", spread.good)))
    ]
    text = f"Values from {say(spread.start)} to {say(end)}, half of them up to {say(spread.middle)}"
    return Histogram(bars, lines, say(spread.start), say(end), text)


def _line(value: Decimal, words: str, row: int, place: Decimal) -> LimitLine:
    x = min(Decimal(WIDTH) - 1, max(Decimal(1), place))
    right = x > WIDTH / 2
    return LimitLine(
        f"{x:.2f}", f"{9 + 11 * row}", words, "end" if right else "start", f"{x - 4 if right else x + 4:.2f}"
    )
