"""Numbers as SVG paths, drawn on the server: sparklines, the mix bar, the usage chart.

Coordinates are plain strings with a point, whatever the language of the page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Spark:
    """A line without axes, and what it says for those who do not see it."""

    path: str
    text: str


def spark(values: Sequence[int], *, width: int = 88, height: int = 22, unit: str = "weekly users") -> Spark | None:
    """Twelve weekly points or so as one grey line; None if there never was anything."""
    if not values or not any(values):
        return None
    low, high = min(values), max(values)
    step = width / max(1, len(values) - 1)
    reach = (high - low) or 1
    points = [(i * step, height - 2 - (v - low) / reach * (height - 4)) for i, v in enumerate(values)]
    if high == low:
        points = [(x, height / 2) for x, _ in points]
    return Spark(_path(points), f"{values[0]:,} to {values[-1]:,} {unit} over {len(values)} weeks")


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


@dataclass(frozen=True)
class Slice:
    """One part of a mix bar: key of its colour, label, number, where it begins and how wide it is (percent)."""

    key: str
    label: str
    number: int
    x: str
    width: str


@dataclass(frozen=True)
class Mix:
    """A bar of parts with its text."""

    slices: list[Slice]
    text: str


def mix(parts: Sequence[tuple[str, str, int]]) -> Mix:
    """A bar from (key, label, number); empty parts are left out, a hair of space stands between the others."""
    filled = [item for item in parts if item[2]]
    total = sum(number for _, _, number in filled) or 1
    slices, x = [], 0.0
    for key, label, number in filled:
        width = 100 * number / total
        slices.append(Slice(key, label, number, f"{x:.2f}", f"{max(0.4, width - 0.5):.2f}"))
        x += width
    return Mix(slices, ", ".join(f"{number:,} {label}" for _, label, number in filled) or "no accounts")


@dataclass(frozen=True)
class Mark:
    """A text beside an axis."""

    x: str
    y: str
    text: str
    line: str = ""


@dataclass(frozen=True)
class UsageChart:
    """The usage chart for one width, ready for the template."""

    width: int
    height: int
    x0: str
    x1: str
    line: str
    area: str
    ticks: list[Mark]
    days: list[Mark]
    last: Mark
    level: str
    level_text: str


def usage_chart(
    points: Sequence[tuple[dt.date, int]], *, licences: int | None, width: int, height: int, every: int
) -> UsageChart:
    """Active users over time as a line with an area, the licences as a dashed line; a label on every n-th point."""
    top = nice_top(max([v for _, v in points] + [licences or 0, 4]))
    x0 = max(34.0, 12.0 + 6.5 * len(f"{top:,.0f}"))  # the labels stand before it
    x1, y0, y1 = width - 16.0, 14.0, height - 24.0
    step = (x1 - x0) / max(1, len(points) - 1)

    def at(value: float) -> float:
        return y1 - (y1 - y0) * value / top

    line = [(x0 + i * step, at(v)) for i, (_, v) in enumerate(points)]
    ticks = [
        Mark(f"{x0 - 8:.1f}", f"{at(v) + 4:.1f}", f"{v:,.0f}", f"{at(v):.1f}")
        for v in (0, top / 4, top / 2, top * 3 / 4, top)
    ]
    labels = [
        Mark(f"{x0 + i * step:.1f}", f"{height - 6}", f"{d.day} {d:%b}")
        for i, (d, _) in enumerate(points)
        if (len(points) - 1 - i) % every == 0
    ]
    path = _path(line)
    return UsageChart(
        width, height, f"{x0:.1f}", f"{x1:.1f}", path,
        f"{path} L{line[-1][0]:.1f} {y1:.1f} L{x0:.1f} {y1:.1f} Z",
        ticks, labels,
        Mark(f"{line[-1][0]:.1f}", f"{line[-1][1]:.1f}", f"{points[-1][1]:,}", f"{max(11.0, line[-1][1] - 8):.1f}"),
        f"{at(licences):.1f}" if licences else "",
        f"{licences:,} licences" if licences else "",
    )  # fmt: skip


@dataclass(frozen=True)
class SizeChart:
    """How the size of a segment moved: two drawings, the days on which its definition changed, the finding in words."""

    wide: UsageChart
    narrow: UsageChart
    wide_markers: list[Mark]
    narrow_markers: list[Mark]
    finding: str


def size_chart(points: Sequence[tuple[dt.date, int]], markers: Sequence[tuple[dt.date, int]]) -> SizeChart:
    """Members by day as a line, with a dashed line where a new definition (day, number of the version) came."""
    every = max(1, len(points) // 6)
    drawings = [
        usage_chart(points, licences=None, width=width, height=190, every=every * dense)
        for width, dense in ((1120, 1), (340, 2))
    ]
    placed = [_markers(points, markers, drawing) for drawing in drawings]
    first, last = points[0], points[-1]
    moved = "stayed at" if first[1] == last[1] else f"{'grew' if last[1] > first[1] else 'fell'} from {first[1]:,} to"
    text = f"The segment {moved} {last[1]:,} between {first[0].day} {first[0]:%b %Y} and {last[0].day} {last[0]:%b %Y}."
    text += f" Its definition changed {len(markers)} time{'' if len(markers) == 1 else 's'}." if markers else ""
    return SizeChart(drawings[0], drawings[1], placed[0], placed[1], text)


def _markers(
    points: Sequence[tuple[dt.date, int]], markers: Sequence[tuple[dt.date, int]], drawing: UsageChart
) -> list[Mark]:
    start, end = float(drawing.x0), float(drawing.x1)
    step = (end - start) / max(1, len(points) - 1)
    place = {day: start + number * step for number, (day, _) in enumerate(points)}
    return [Mark(f"{place[day]:.1f}", "11", f"v{number}") for day, number in markers if day in place]


def nice_top(value: int) -> int:
    """The next number above that divides into four even steps."""
    step = 10 ** max(0, len(str(max(1, value))) - 1)
    for factor in (0.4, 0.8, 1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10):
        top = ceil(step * factor)
        if top >= value and top % 4 == 0:
            return top
    return ceil(value / 4) * 4
