"""The difference between two sides with its 95 % interval, and how alike the sides are: plain arithmetic.

Every outcome is a ratio of sums: of an account's part above the line to its part below it. A mean has 1 below the line,
a share 0 or 1 above it, retained MRR the MRR then over the MRR before. Of the accounts beside one that came in each
counts for its share, so that both sides of a set weigh the same.

The variance of the difference is that of a ratio by its linear term (Cochran, Sampling Techniques, 1977, chapter 6),
summed over groups of sets that share no account with another group, because matching makes the accounts of a set alike
(Abadie and Spiess, Robust post-matching inference, JASA 2022). The interval takes Student's t with one degree of
freedom fewer than there are groups. Nothing in it is drawn, so it comes out the same each time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

FEW_GROUPS = 20  # of fewer no conclusion is drawn
FEW_CASES = 5  # of a share: fewer that did, or fewer that did not
Part = tuple[float, float]  # above and below the line


@dataclass(frozen=True)
class Sides:
    """A set: the account that came in, those beside it, and their parts of an outcome."""

    account: int
    came: Part
    beside: dict[int, Part]


@dataclass(frozen=True)
class Difference:
    """Both sides, what lies between them, and the ends of its 95 % interval (None where too few groups give none)."""

    sets: int
    accounts: int
    groups: int
    came: float
    beside: float
    low: float | None
    high: float | None

    @property
    def value(self) -> float:
        """That of those who came in less that of the others."""
        return self.came - self.beside


def difference(sets: Sequence[Sides]) -> Difference | None:
    """What lies between both sides; None where nothing is below the line."""
    below_came = sum(one.came[1] for one in sets)
    weighed = [(_mean(one.beside, 0), _mean(one.beside, 1)) for one in sets]
    below_beside = sum(below for _, below in weighed)
    if not below_came or not below_beside:
        return None
    came = sum(one.came[0] for one in sets) / below_came
    beside = sum(above for above, _ in weighed) / below_beside
    groups = groups_of(sets)
    parts: dict[int, float] = defaultdict(float)
    for place, (one, (above, below)) in enumerate(zip(sets, weighed, strict=True)):
        mine = (one.came[0] - came * one.came[1]) / below_came
        parts[groups[place]] += mine - (above - beside * below) / below_beside
    number = len(parts)
    low = high = None
    if number >= FEW_GROUPS:
        error = math.sqrt(number / (number - 1) * sum(part * part for part in parts.values()))
        half = student_t(number - 1) * error
        low, high = came - beside - half, came - beside + half
    accounts = len({account for one in sets for account in one.beside})
    return Difference(len(sets), accounts, number, came, beside, low, high)


def groups_of(sets: Sequence[Sides]) -> list[int]:
    """A number for each set; sets that share an account, however far around, have the same."""
    above = list(range(len(sets)))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    seen: dict[int, int] = {}
    for place, one in enumerate(sets):
        for account in (one.account, *one.beside):
            above[top(place)] = top(seen.setdefault(account, place))
    return [top(place) for place in range(len(sets))]


def student_t(freedom: int, level: float = 0.975) -> float:
    """A quantile of Student's t by its expansion about the normal one (Abramowitz and Stegun, 26.7.5); for 19 degrees
    of freedom and more the first four decimals are right."""
    z, n = NormalDist().inv_cdf(level), float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, 1))


def verdict(found: Difference, *, cases: int | None = None) -> str:
    """`few` where nothing can be concluded, else `more`, `less` or `open` (the interval holds nought). Of a share
    `cases` is the smaller of how many did and how many did not, on both sides."""
    if found.low is None or found.high is None or (cases is not None and cases < FEW_CASES):
        return "few"
    return "more" if found.low > 0 else "less" if found.high < 0 else "open"


def standardised(came: float | None, other: float | None, spread: float) -> float | None:
    """How far two means lie apart, in standard deviations of those who came in (Stuart, Matching methods for causal
    inference, Statistical Science 2010: up to 0.1 is good, more than 0.25 is too much)."""
    if came is None or other is None:
        return None
    if spread == 0:
        return 0.0 if came == other else None
    return (came - other) / spread


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation of a sample; 0 of fewer than two."""
    return stdev(values) if len(values) > 1 else 0.0


def mean_of(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return fmean(values) if values else None


def _mean(beside: dict[int, Part], place: int) -> float:
    return fmean(part[place] for part in beside.values())
