"""How many accounts had each band over time, drawn on the server as areas one upon the other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from web.charts import Mark, nice_top

BANDS = ("poor", "average", "good", "none")  # from the ground up
WIDE, NARROW, HEIGHT = 560, 340, 200
LABELS = 5


@dataclass(frozen=True)
class BandArea:
    """One band as an area."""

    key: str
    path: str


@dataclass(frozen=True)
class BandChart:
    """The drawing for one width, ready for the template."""

    width: int
    height: int
    x0: str
    x1: str
    areas: list[BandArea]
    ticks: list[Mark]
    days: list[Mark]


@dataclass(frozen=True)
class BandHistory:
    """The drawings, and what they show in words."""

    wide: BandChart
    narrow: BandChart
    finding: str


def band_history(points: Sequence[tuple[dt.date, dict[str, int]]], top: int) -> BandHistory:
    """Days with the number of accounts by band; `top` is the most that any drawing beside this one must hold."""
    first, last = (points[0], points[-1])
    finding = f"{_poor(first)} Poor on {first[0].day} {first[0]:%b %Y}, {_poor(last)} on {last[0].day} {last[0]:%b %Y}."
    return BandHistory(band_chart(points, top, WIDE), band_chart(points, top, NARROW), finding)


def _poor(point: tuple[dt.date, dict[str, int]]) -> str:
    return f"{point[1].get('poor', 0):,} of {sum(point[1].values()):,} accounts"


def band_chart(points: Sequence[tuple[dt.date, dict[str, int]]], top: int, width: int) -> BandChart:
    """Areas from the ground up, with numbers at the left and days below."""
    x0, x1, y0, y1 = 40.0, width - 8.0, 10.0, HEIGHT - 24.0
    high = nice_top(max(4, top))
    step = (x1 - x0) / max(1, len(points) - 1)
    ground = [0] * len(points)
    areas = []

    def at(value: float) -> float:
        return y1 - (y1 - y0) * value / high

    for key in BANDS:
        upper = [low + counts.get(key, 0) for low, (_, counts) in zip(ground, points, strict=True)]
        if upper != ground:
            there = [f"{x0 + i * step:.1f} {at(value):.1f}" for i, value in enumerate(upper)]
            back = [f"{x0 + i * step:.1f} {at(value):.1f}" for i, value in reversed(list(enumerate(ground)))]
            areas.append(BandArea(key, f"M{' L'.join(there + back)} Z"))
        ground = upper
    marks = (0, high / 2, high)
    ticks = [Mark(f"{x0 - 6:.1f}", f"{at(v) + 4:.1f}", f"{v:,.0f}", f"{at(v):.1f}") for v in marks]
    every = max(1, (len(points) - 1) // (LABELS if width == WIDE else 3))
    days = [
        Mark(f"{x0 + i * step:.1f}", f"{HEIGHT - 6}", f"{day.day} {day:%b}")
        for i, (day, _) in enumerate(points)
        if (len(points) - 1 - i) % every == 0
    ]
    return BandChart(width, HEIGHT, f"{x0:.1f}", f"{x1:.1f}", areas, ticks, days)
