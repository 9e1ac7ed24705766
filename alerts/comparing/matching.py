"""Matching: for each account that came in, those that are most like it and had not. Plain arithmetic, no outcome in it.

Nearest-neighbour matching within strata and calipers, the nearest pairs first, among those at risk on the day (risk-set
matching: Li, Propert and Rosenbaum, Balanced risk set matching, JASA 2001). Distance is Euclidean over numbers divided
by their standard deviation among all accounts of the day. A caliper on every number bounds how far the two groups can
lie apart after matching (Rosenbaum and Rubin, Constructing a control group, American Statistician 1985, take a quarter
of a standard deviation).
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import pstdev

from alerts.comparing.entering import SEED
from alerts.comparing.known import Profile

BESIDE = 3  # accounts beside one that came in, at most
NEAREST = 50  # candidates of one account that are weighed


def scales_of(everyone: Sequence[Profile]) -> list[float]:
    """The standard deviation of each number; of the score only where there is one."""
    columns = [[one.numbers[place] for one in everyone if place != 0 or one.health is not None] for place in range(3)]
    return [pstdev(column) if len(column) > 1 else 0.0 for column in columns]


def match(
    came: Sequence[Profile], others: Sequence[Profile], *, caliper: float, uses: int, used: Mapping[int, int]
) -> dict[int, list[int]]:
    """Whom each account that came in is beside, at most `BESIDE`, nearest first; one that nobody is like is left out.

    No account stands beside more than `uses`, with those that it stood beside before (`used`). Whoever has the nearest
    candidate chooses first, and everybody has one before anybody has two.
    """
    scales = scales_of([*came, *others])
    strata: dict[tuple[object, ...], list[Profile]] = defaultdict(list)
    for one in others:
        if used.get(one.account, 0) < uses:
            strata[one.stratum].append(one)
    for rows in strata.values():
        rows.sort(key=lambda one: one.numbers[0])
    dice = random.Random(SEED)  # noqa: S311  # to be repeated, not to be secret
    pairs = [
        (distance, dice.random(), one.account, other)
        for one in came
        for distance, other in _near(one, strata.get(one.stratum, []), scales, caliper)
    ]
    return _deal(sorted(pairs), dict(used), uses)


def _near(one: Profile, sorted_rows: list[Profile], scales: list[float], caliper: float) -> list[tuple[float, int]]:
    """The nearest candidates within the caliper, as (distance, account)."""
    width = caliper * scales[0]
    low = bisect_left(sorted_rows, one.numbers[0] - width, key=lambda row: row.numbers[0])
    high = bisect_right(sorted_rows, one.numbers[0] + width, key=lambda row: row.numbers[0])
    found = []
    for other in sorted_rows[low:high]:
        apart = [
            abs(mine - theirs) / scale if scale else (0.0 if mine == theirs else math.inf)
            for mine, theirs, scale in zip(one.numbers, other.numbers, scales, strict=True)
        ]
        if max(apart) <= caliper:
            found.append((math.hypot(*apart), other.account))
    return heapq.nsmallest(NEAREST, found)


def _deal(pairs: list[tuple[float, float, int, int]], used: dict[int, int], uses: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for number in range(1, BESIDE + 1):
        for _, _, account, other in pairs:
            mine = found.get(account, [])
            if len(mine) < number and other not in mine and used.get(other, 0) < uses:
                found[account].append(other)
                used[other] = used.get(other, 0) + 1
    return dict(found)
