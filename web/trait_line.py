"""A numeric trait of one account over time: a choice of trait and span, the line, and the days on which it moved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10

from accounts.fields import Category, Field, Kind, Owner
from accounts.models import Account
from segments.questions import Reader
from usage.models import Trait
from usage.traits.days import daily_values
from web.charts import Mark, UsageChart
from web.templatetags.csbox import count, day_text, money_text

SPANS = {"30d": ("30 d", 30), "90d": ("90 d", 90), "12m": ("12 mo", 365)}
PREFIX = "account.trait."
MOST_ROWS = 60
Values = Sequence[tuple[dt.date, Decimal | None]]


@dataclass(frozen=True)
class TraitLine:
    """The section of the account page: what can be chosen, what is, and what it says. Without a value there is no
    drawing; `rows` are the days on which the value moved, newest first."""

    options: list[tuple[str, str]]
    trait: str
    label: str
    span: str
    spans: list[tuple[str, str]]
    wide: UsageChart | None
    narrow: UsageChart | None
    rows: list[tuple[dt.date, str]]
    finding: str


def trait_line(account: Account, wanted: str, span: str, reader: Reader) -> TraitLine | None:
    """The line of a trait, by its key; of an unknown one, that of the first. None where no trait is a number."""
    fields = [item for item in reader.vocabulary.by_category().get(Category.TRAITS, []) if is_drawn(item)]
    chosen = next((item for item in fields if item.key == PREFIX + wanted), fields[0] if fields else None)
    if chosen is None:
        return None
    span = span if span in SPANS else "90d"
    key = chosen.key.removeprefix(PREFIX)
    trait = Trait.objects.get(subject=Trait.Subject.ACCOUNT, key=key)
    values = daily_values(account, trait, reader.moment, SPANS[span][1])
    known = [(day, value) for day, value in values if value is not None]
    text = Words(chosen, reader.currency)
    wide, narrow = (value_chart(values, width=width, text=text) if known else None for width in (760, 340))
    return TraitLine(
        options=[(item.key.removeprefix(PREFIX), item.label) for item in fields],
        trait=key,
        label=chosen.label,
        span=span,
        spans=[(name, label) for name, (label, _) in SPANS.items()],
        wide=wide,
        narrow=narrow,
        rows=_moves(values, text),
        finding=finding(chosen.label, known, text) if known else "",
    )


def is_drawn(field: Field) -> bool:
    """Whether it is a trait of accounts with numbers, whose days are noted."""
    return field.owner is Owner.ACCOUNT and field.kind.numeric and field.key.startswith(PREFIX)


def finding(label: str, known: Sequence[tuple[dt.date, Decimal]], text: Words) -> str:
    """What the line says, in a sentence."""
    (first, before), (last, after) = known[0], known[-1]
    if before == after:
        moved = f"is {text(after)} on {day_text(first)} and on {day_text(last)}"
    else:
        way = "rose" if after > before else "fell"
        moved = f"{way} from {text(before)} to {text(after)} between {day_text(first)} and {day_text(last)}"
    low, high = min(known, key=lambda item: item[1]), max(known, key=lambda item: item[1])
    edges = "" if low[1] == high[1] else f" The lowest was {text(low[1])}, the highest {text(high[1])}."
    return f"{label} {moved}.{edges}"


class Words:
    """How a value is written: as money, in percent, or as a number."""

    def __init__(self, field: Field, currency: str) -> None:
        self.kind, self.currency = field.kind, currency

    def __call__(self, value: Decimal) -> str:
        if self.kind is Kind.MONEY:
            return money_text(value, self.currency)
        return f"{count(value)}{' %' if self.kind is Kind.PERCENT else ''}"


def _moves(values: Values, text: Words) -> list[tuple[dt.date, str]]:
    found: list[tuple[dt.date, str]] = []
    previous: Decimal | None = None
    for day, value in values:
        if value != previous:
            found.append((day, "" if value is None else text(value)))
        previous = value
    return found[::-1][:MOST_ROWS]


def value_chart(values: Values, *, width: int, text: Words) -> UsageChart:
    """A line with an area down to zero that breaks where there was no value; there must be one at least."""
    height = 190 if width > 400 else 170
    known = [value for _, value in values if value is not None]
    ticks = steps(float(min(Decimal(0), *known)), float(max(Decimal(0), *known)))
    words = [text(Decimal(str(tick))) for tick in ticks]
    x0 = max(34.0, 12.0 + 6.5 * max(map(len, words)))
    x1, y0, y1 = width - 16.0, 14.0, height - 24.0
    step = (x1 - x0) / max(1, len(values) - 1)

    def at(value: float) -> float:
        return y1 - (y1 - y0) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    places = [(x0 + i * step, None if value is None else at(float(value))) for i, (_, value) in enumerate(values)]
    runs = _runs(places)
    paths = ["M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs]
    every = max(1, (len(values) - 1) // (6 if width > 400 else 3))
    (x, y), last = runs[-1][-1], known[-1]
    return UsageChart(
        width, height, f"{x0:.1f}", f"{x1:.1f}", " ".join(paths),
        " ".join(f"{p} L{run[-1][0]:.1f} {at(0):.1f} L{run[0][0]:.1f} {at(0):.1f} Z"
                 for p, run in zip(paths, runs, strict=True)),
        [Mark(f"{x0 - 8:.1f}", f"{at(tick) + 4:.1f}", word, f"{at(tick):.1f}")
         for tick, word in zip(ticks, words, strict=True)],
        [Mark(f"{x0 + i * step:.1f}", f"{height - 6}", f"{day.day} {day:%b}")
         for i, (day, _) in enumerate(values) if (len(values) - 1 - i) % every == 0],
        Mark(f"{x:.1f}", f"{y:.1f}", text(last), f"{max(11.0, y - 8):.1f}"), "", "",
    )  # fmt: skip


def _runs(places: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The stretches with a value; a single day is drawn a little wide, so that it can be seen."""
    found: list[list[tuple[float, float]]] = []
    inside = False
    for x, y in places:
        if y is not None:
            if not inside:
                found.append([])
            found[-1].append((x, y))
        inside = y is not None
    return [[(run[0][0] - 2, run[0][1]), *run] if len(run) == 1 else run for run in found]


def steps(low: float, high: float) -> list[float]:
    """Round numbers from one not above `low` to one not below `high`, four steps or so."""
    if low == high:
        high = low + 1
    rough = (high - low) / 4
    size = 10.0 ** floor(log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(n * step, 9) for n in range(first, last + 1)]
