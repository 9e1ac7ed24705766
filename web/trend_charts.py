"""Health over time as a picture: the accounts of each band stacked, and the mean score below, on one axis of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from health.models import Band
from health.trends import TrendDay, VersionMark
from web.charts import Mark, nice_top

# From the ground up: what is Poor stands on the axis, where its height is read most easily.
ORDER = (Band.POOR, Band.AVERAGE, Band.GOOD, Band.NONE)
STACK_TOP, STACK, BETWEEN, SCORE, FOOT = 20.0, 132.0, 22.0, 52.0, 24.0


@dataclass(frozen=True)
class TrendChart:
    """The drawing for one width, ready for the template."""

    width: int
    height: int
    x0: str
    x1: str
    areas: list[tuple[str, str]]
    ticks: list[Mark]
    days: list[Mark]
    lines: list[str]
    last: Mark | None
    marks: list[Mark]
    score_top: str
    score_base: str
    base: str


@dataclass(frozen=True)
class Trend:
    """Two drawings of one history, and its finding in words."""

    wide: TrendChart
    narrow: TrendChart
    finding: str


def trend(days: Sequence[TrendDay], marks: Sequence[VersionMark]) -> Trend | None:
    """The drawings of two days or more; None for less."""
    if len(days) < 2:
        return None
    return Trend(_chart(days, marks, 1120, 6), _chart(days, marks, 340, 3), finding(days))


def finding(days: Sequence[TrendDay]) -> str:
    """What moved between the first day and the last, in a sentence or two."""
    first, last = days[0], days[-1]
    before, after = (f"{day.bands['poor']:,} of {day.total:,} ({day.share('poor')} %)" for day in (first, last))
    if before == after:
        text = f"Poor was {after} on {_day(first.day)} and on {_day(last.day)}."
    else:
        text = f"Poor went from {before} on {_day(first.day)} to {after} on {_day(last.day)}."
    if first.mean is None or last.mean is None:
        return text
    way = "stayed at" if first.mean == last.mean else "rose from" if last.mean > first.mean else "fell from"
    began = "" if first.mean == last.mean else f" {first.mean:.0f} to"
    return f"{text} The mean score {way}{began} {last.mean:.0f}."


def _day(value: dt.date) -> str:
    return f"{value.day} {value:%b %Y}"


def _chart(days: Sequence[TrendDay], marks: Sequence[VersionMark], width: int, labels: int) -> TrendChart:
    x0, x1 = 34.0, width - 16.0
    base = STACK_TOP + STACK
    score_top = base + BETWEEN
    score_base = score_top + SCORE
    top = nice_top(max(4, *(day.total for day in days)))
    xs = [x0 + (x1 - x0) * i / (len(days) - 1) for i in range(len(days))]
    every = max(1, -(-len(days) // labels))
    lines, last = _scores(days, xs, score_top)
    return TrendChart(
        width, int(score_base + FOOT), f"{x0:.1f}", f"{x1:.1f}",
        _areas(days, xs, base, top),
        [
            Mark(f"{x0 - 8:.1f}", f"{y + 4:.1f}", text, f"{y:.1f}")
            for y, text in (
                *((base - STACK * share, f"{top * share:,.0f}") for share in (0, 0.5, 1)),
                *((score_base - SCORE * share, f"{100 * share:.0f}") for share in (0, 1)),
            )
        ],
        [
            Mark(f"{x:.1f}", f"{score_base + FOOT - 6:.1f}", f"{day.day.day} {day.day:%b}")
            for i, (x, day) in enumerate(zip(xs, days, strict=True))
            if (len(days) - 1 - i) % every == 0
        ],
        lines, last, _placed(days, marks, xs), f"{score_top:.1f}", f"{score_base:.1f}", f"{base:.1f}",
    )  # fmt: skip


def _areas(days: Sequence[TrendDay], xs: Sequence[float], base: float, top: int) -> list[tuple[str, str]]:
    """Each band's area between what lies under it and what it adds."""
    below = [0] * len(days)
    found = []
    for band in ORDER:
        above = [low + day.bands[str(band)] for low, day in zip(below, days, strict=True)]
        if above != below:
            upper = " ".join(f"{x:.1f} {base - STACK * v / top:.1f}" for x, v in zip(xs, above, strict=True))
            lower = " ".join(
                f"{x:.1f} {base - STACK * v / top:.1f}" for x, v in reversed(list(zip(xs, below, strict=True)))
            )
            found.append((f"band-{band}", f"M{upper} L{lower} Z"))
        below = above
    return found


def _scores(days: Sequence[TrendDay], xs: Sequence[float], top: float) -> tuple[list[str], Mark | None]:
    """The mean score as a line that breaks where nobody was scored, and its last point with the number."""
    lines: list[str] = []
    points: list[str] = []
    last = None
    for x, day in zip(xs, days, strict=True):
        if day.mean is None:
            points = []
            continue
        y = top + SCORE * (1 - float(day.mean) / 100)
        points.append(f"{x:.1f} {y:.1f}")
        if len(points) == 1:
            lines.append("")
        lines[-1] = "M" + " ".join(points)
        last = Mark(f"{x:.1f}", f"{y:.1f}", f"{day.mean:.0f}", f"{y - 7:.1f}")
    return lines, last


def _placed(days: Sequence[TrendDay], marks: Sequence[VersionMark], xs: Sequence[float]) -> list[Mark]:
    """Versions where their day lies between the days that are drawn; several of one place share a line."""
    first, span = days[0].day, (days[-1].day - days[0].day).days or 1
    found: dict[str, Mark] = {}
    for number, mark in enumerate(marks, start=1):
        if mark.day < first:
            continue
        x = f"{xs[0] + (xs[-1] - xs[0]) * (mark.day - first).days / span:.1f}"
        text = f"{found[x].text}, {number}" if x in found else str(number)
        found[x] = Mark(x, "12", text)
    return list(found.values())
