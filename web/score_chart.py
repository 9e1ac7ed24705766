"""The score of one account over time as a picture: a stepped line, the limits of its bands, numbered marks.

A mark is where something else than the customer decided: a version of the config, another config, a person's hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from health.history import CourseMark, Point
from health.models import Band
from web.charts import Mark
from web.templatetags.csbox import day_text

TOP, FOOT, LEFT, RIGHT = 26.0, 24.0, 34.0, 16.0
BADGE = 17.0  # so far apart stand the numbers of two marks at least
MOST_MARKS = 9


@dataclass(frozen=True)
class Zone:
    """The limit of a band: its height, and its words at the left."""

    y: str
    text: str
    text_y: str


@dataclass(frozen=True)
class Badge:
    """A numbered mark: where its line stands, and where its number does, beside which another may stand."""

    x: str
    label_x: str
    text: str
    kind: str


@dataclass(frozen=True)
class ScoreChart:
    """The drawing for one width, ready for the template."""

    width: int
    height: int
    x0: str
    x1: str
    base: str
    lines: list[str]
    ticks: list[Mark]
    days: list[Mark]
    zones: list[Zone]
    last: Mark | None
    badges: list[Badge]


@dataclass(frozen=True)
class Course:
    """Two drawings of one history, its marks in words, its steps as rows, and what it says in a sentence."""

    wide: ScoreChart
    narrow: ScoreChart
    marks: list[CourseMark]
    rows: list[tuple[dt.date, Decimal | None, str, str]]
    finding: str


def score_course(
    points: Sequence[Point | None],
    marks: Sequence[CourseMark],
    days: Sequence[dt.date],
    limits: tuple[Decimal, Decimal],
) -> Course | None:
    """The drawings of a score by day; `limits` are where Good begins and where Poor ends. None if it never had one."""
    known = [point for point in points if point is not None]
    if len(days) < 2 or not any(point.score is not None for point in known):
        return None
    shown = list(marks)[-MOST_MARKS:]
    wide, narrow = (_chart(points, shown, days, limits, width) for width in (760, 340))
    steps: list[tuple[dt.date, Decimal | None, str, str]] = []
    for point in known:
        if not steps or (point.score, point.band) != steps[-1][1:3]:
            steps.append((point.day, point.score, point.band, str(Band(point.band).label)))
    return Course(wide, narrow, shown, steps[::-1][:60], _finding(known, shown))


def _finding(known: Sequence[Point], marks: Sequence[CourseMark]) -> str:
    scored = [point for point in known if point.score is not None]
    first, last = scored[0], scored[-1]
    assert first.score is not None and last.score is not None
    moved = (
        f"stayed at {last.score:.0f}"
        if first.score == last.score
        else f"{'rose' if last.score > first.score else 'fell'} from {first.score:.0f} to {last.score:.0f}"
    )
    text = f"The score {moved} between {day_text(first.day)} and {day_text(last.day)}."
    number = len(marks)
    return text + (f" {number} mark{'' if number == 1 else 's'} of configs and overrides." if number else "")


def _chart(
    points: Sequence[Point | None], marks: Sequence[CourseMark], days: Sequence[dt.date],
    limits: tuple[Decimal, Decimal], width: int,
) -> ScoreChart:  # fmt: skip
    height = 190 if width > 400 else 180
    x0, x1, base = LEFT, width - RIGHT, height - FOOT
    step = (x1 - x0) / (len(days) - 1)

    def at(score: Decimal | float) -> float:
        return base - (base - TOP) * float(score) / 100

    scored = [(x0 + i * step, at(p.score), p) for i, p in enumerate(points) if p is not None and p.score is not None]
    last = scored[-1] if scored else None
    every = max(1, (len(days) - 1) // (6 if width > 400 else 3))
    good, poor = limits
    return ScoreChart(
        width, height, f"{x0:.1f}", f"{x1:.1f}", f"{base:.1f}",
        _steps(points, x0, step, at),
        [Mark(f"{x0 - 8:.1f}", f"{at(v) + 4:.1f}", str(v), f"{at(v):.1f}") for v in (0, 50, 100)],
        [
            Mark(f"{x0 + i * step:.1f}", f"{height - 6}", f"{day.day} {day:%b}")
            for i, day in enumerate(days)
            if (len(days) - 1 - i) % every == 0
        ],
        [
            Zone(f"{at(good):.1f}", f"Good from {good.normalize():f}", f"{at(good) - 4:.1f}"),
            Zone(f"{at(poor):.1f}", f"Poor below {poor.normalize():f}", f"{at(poor) + 12:.1f}"),
        ],
        last
        and Mark(f"{last[0]:.1f}", f"{last[1]:.1f}", f"{last[2].score:.0f}", f"{max(TOP + 9, last[1] - 8):.1f}"),
        _badges(marks, days, x0, step, x1),
    )  # fmt: skip


def _steps(points: Sequence[Point | None], x0: float, step: float, at: object) -> list[str]:
    """A path for each stretch with a score: it stays until the day on which it moves."""
    paths: list[str] = []
    parts: list[str] = []
    previous: float | None = None
    for i, point in enumerate(points):
        if point is None or point.score is None:
            if parts:
                paths.append(" ".join(parts))
            parts, previous = [], None
            continue
        x, y = x0 + i * step, at(point.score)  # type: ignore[operator]
        if previous is None:
            parts = [f"M{x:.1f} {y:.1f}"]
        else:
            parts.append(f"H{x:.1f}" if y == previous else f"H{x:.1f}V{y:.1f}")
        previous = y
    return [*paths, " ".join(parts)] if parts else paths


def _badges(marks: Sequence[CourseMark], days: Sequence[dt.date], x0: float, step: float, x1: float) -> list[Badge]:
    places = [x0 + (max(mark.day, days[0]) - days[0]).days * step for mark in marks]
    labels: list[float] = []
    for x in places:
        labels.append(max(x, labels[-1] + BADGE) if labels else max(x, x0 + BADGE / 2))
    beyond = labels[-1] + BADGE / 2 - x1 if labels else 0.0
    if beyond > 0:  # too many at the right end: they stand to the left of their lines
        labels = [min(label, x1 - BADGE / 2 - BADGE * (len(labels) - 1 - i)) for i, label in enumerate(labels)]
    return [
        Badge(f"{x:.1f}", f"{label:.1f}", str(number), mark.kind)
        for number, (x, label, mark) in enumerate(zip(places, labels, marks, strict=True), start=1)
    ]
