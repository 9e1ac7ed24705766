"""Money by band as columns side by side, drawn on the server: a week each, what is Poor on the ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from health.models import Band
from web.charts import Mark, nice_top
from web.templatetags.csbox import money_short

ORDER = (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)
WIDE, NARROW, HEIGHT = 760, 340, 196
TOP, FOOT, LEFT, RIGHT = 10.0, 24.0, 56.0, 8.0
WIDEST = 48.0  # of a column, where there are few


@dataclass(frozen=True)
class Column:
    """What one column is made of: the text below it, and the money of each band."""

    label: str
    bands: Mapping[str, Decimal]

    @property
    def whole(self) -> Decimal:
        """All bands together."""
        return sum(self.bands.values(), Decimal(0))


@dataclass(frozen=True)
class Block:
    """A band of a column."""

    key: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class ColumnChart:
    """The drawing for one width, ready for the template."""

    width: int
    height: int
    x0: str
    x1: str
    blocks: list[Block]
    ticks: list[Mark]
    labels: list[Mark]


@dataclass(frozen=True)
class Columns:
    """The drawings, and what they show in words."""

    wide: ColumnChart
    narrow: ColumnChart
    finding: str


def value_columns(columns: Sequence[Column], finding: str, currency: str) -> Columns | None:
    """The drawings for both widths; None where there is nothing of any value."""
    if not any(column.whole for column in columns):
        return None
    return Columns(_chart(columns, currency, WIDE, 9), _chart(columns, currency, NARROW, 4), finding)


def _chart(columns: Sequence[Column], currency: str, width: int, most_labels: int) -> ColumnChart:
    base, high = HEIGHT - FOOT, HEIGHT - FOOT - TOP
    top = nice_top(max(4, *(ceil(column.whole) for column in columns)))
    step = (width - LEFT - RIGHT) / len(columns)
    every = ceil(len(columns) / most_labels)
    blocks, labels = [], []
    for place, column in enumerate(columns):
        x, ground = LEFT + place * step, base
        for band in ORDER:
            tall = high * float(column.bands.get(band.value, 0)) / top
            if tall > 0:
                ground -= tall
                broad = min(WIDEST, step * 0.76)
                parts = (x + (step - broad) / 2, ground, broad, tall)
                blocks.append(Block(f"band-{band.value}", *(f"{number:.2f}" for number in parts)))
        if (len(columns) - 1 - place) % every == 0:
            labels.append(Mark(f"{x + step / 2:.1f}", f"{HEIGHT - 6}", column.label))
    ticks = [
        Mark(f"{LEFT - 8:.1f}", f"{base - high * share + 4:.1f}", str(money_short(top * share, currency)),
             f"{base - high * share:.1f}")
        for share in (0, 0.5, 1)
    ]  # fmt: skip
    return ColumnChart(width, HEIGHT, f"{LEFT:.1f}", f"{width - RIGHT:.1f}", blocks, ticks, labels)
