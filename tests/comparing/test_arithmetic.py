"""Matching and figures against plain calculations that share nothing with them."""

from __future__ import annotations

import math
import random
from collections import Counter
from statistics import fmean, pstdev, stdev
from typing import Any

import pytest

from alerts.comparing.figures import Sides, difference, groups_of, standardised, student_t, verdict
from alerts.comparing.known import Profile
from alerts.comparing.matching import match


def drawn(dice: random.Random, first: int, number: int) -> list[Profile]:
    return [
        Profile(
            first + n, dice.choice(("live", "onboarding")), dice.choice((None, "target")),
            dice.choice((None, dice.uniform(0, 100), dice.uniform(0, 100))), dice.choice((None, dice.uniform(0, 900))),
            dice.uniform(0, 30), None, None,
        )
        for n in range(number)
    ]  # fmt: skip


def apart(one: Profile, other: Profile, spreads: list[float]) -> list[float]:
    """How far two accounts are apart in score, logarithm of MRR and active days."""
    pairs = (
        (one.health or 0, other.health or 0), (math.log1p(one.mrr or 0), math.log1p(other.mrr or 0)),
        (one.active, other.active),
    )  # fmt: skip
    return [abs(a - b) / spread for (a, b), spread in zip(pairs, spreads, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_everybody_is_beside_the_nearest_that_are_left(seed: int) -> None:
    dice = random.Random(seed)
    came, others = drawn(dice, 1, 40), drawn(dice, 1_000, 160)
    caliper, uses = dice.choice((0.25, 0.5, 1.0)), dice.choice((1, 2))
    used = {others[0].account: uses}
    found = match(came, others, caliper=caliper, uses=uses, used=used)
    everyone = [*came, *others]
    spreads = [
        pstdev(one.health for one in everyone if one.health is not None),
        pstdev(math.log1p(one.mrr or 0) for one in everyone),
        pstdev(one.active for one in everyone),
    ]
    # The same, by looking for the nearest pair again and again.
    left = Counter({one.account: uses - used.get(one.account, 0) for one in others})
    wanted: dict[int, list[int]] = {}
    for number in (1, 2, 3):
        while True:
            pairs = []
            for one in came:
                mine = wanted.get(one.account, [])
                for other in others:
                    same = (one.stage, one.level, one.health is None, one.mrr is None) == (
                        other.stage, other.level, other.health is None, other.mrr is None,
                    )  # fmt: skip
                    if same and len(mine) < number and left[other.account] > 0 and other.account not in mine:
                        far = apart(one, other, spreads)
                        if max(far) <= caliper:
                            pairs.append((math.hypot(*far), one.account, other.account))
            if not pairs:
                break
            _, account, chosen = min(pairs)
            wanted.setdefault(account, []).append(chosen)
            left[chosen] -= 1
    assert found == wanted and found
    assert max(Counter(other for row in found.values() for other in row).values()) <= uses
    assert others[0].account not in {other for row in found.values() for other in row}


def pairs_of(came: list[float], beside: list[float]) -> list[Sides]:
    return [
        Sides(n, (a, 1.0), {10_000 + n: (b, 1.0)}) for n, (a, b) in enumerate(zip(came, beside, strict=True), 1)
    ]  # fmt: skip


def test_pairs_that_share_nobody_have_the_interval_of_a_paired_t_test() -> None:
    dice = random.Random(3)
    came, beside = ([dice.gauss(mean, 9) for _ in range(20)] for mean in (6, 2))
    found = difference(pairs_of(came, beside))
    assert found is not None and found.low is not None and found.high is not None
    between = [a - b for a, b in zip(came, beside, strict=True)]
    half = 2.093024 * stdev(between) / math.sqrt(20)  # the table's t for 19 degrees of freedom
    assert found.value == pytest.approx(fmean(between))
    assert (found.low, found.high) == pytest.approx((fmean(between) - half, fmean(between) + half), abs=1e-4)
    assert [round(student_t(n), 3) for n in (19, 29, 60, 1_000)] == [2.093, 2.045, 2.0, 1.962]


def test_a_ratio_with_shared_accounts_has_the_interval_of_a_bootstrap_over_groups() -> None:
    dice = random.Random(11)
    money = {n: dice.uniform(100, 1_000) for n in range(1, 201)}
    kept = {n: before * (0 if dice.random() < 0.15 else dice.uniform(0.9, 1.2)) for n, before in money.items()}
    sets = [
        Sides(n, (kept[n], money[n]), {other: (kept[other], money[other]) for other in dice.sample(range(121, 201), 1)})
        for n in range(1, 121)
    ]
    found = difference(sets)
    assert found is not None and found.low is not None and found.high is not None
    shared: dict[int, list[Sides]] = {}
    for one in sets:  # whoever shares the one account beside them is one group
        shared.setdefault(next(iter(one.beside)), []).append(one)
    assert found.groups == len(shared) < len(sets) and len(set(groups_of(sets))) == len(shared)

    def value(rows: list[Sides]) -> float:
        mine = sum(one.came[0] for one in rows) / sum(one.came[1] for one in rows)
        theirs = [next(iter(one.beside.values())) for one in rows]
        return mine - sum(part[0] for part in theirs) / sum(part[1] for part in theirs)

    groups = list(shared.values())
    again = sorted(value([one for rows in dice.choices(groups, k=len(groups)) for one in rows]) for _ in range(1_000))
    assert found.value == pytest.approx(value(sets))
    width = again[974] - again[25]
    assert found.high - found.low == pytest.approx(width, rel=0.15)
    assert found.low == pytest.approx(again[25], abs=width / 6)


def test_the_sides_of_a_set_weigh_the_same_however_many_are_beside() -> None:
    sets = [Sides(1, (10.0, 1.0), {5: (0.0, 1.0), 6: (4.0, 1.0)}), Sides(2, (20.0, 1.0), {7: (10.0, 1.0)})]
    found: Any = difference(sets)
    assert (found.came, found.beside, found.accounts) == (15, 6, 3)
    assert (found.low, verdict(found)) == (None, "few")
    assert difference([]) is None


def test_a_conclusion_needs_groups_cases_and_an_interval_beside_nought() -> None:
    many = [1.0, 2.0, 3.0] * 10
    better, worse, equal = (
        difference(pairs_of([one + by for one in many], many[::-1])) for by in (2.0, -2.0, 0.0)
    )  # fmt: skip
    assert better and worse and equal
    assert [verdict(one) for one in (better, worse, equal)] == ["more", "less", "open"]
    assert verdict(better, cases=4) == "few" and verdict(better, cases=5) == "more"
    assert standardised(5, 3, 4) == 0.5 and standardised(1, 1, 0) == 0 and standardised(1, 2, 0) is None
