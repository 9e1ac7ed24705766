"""What of a draft can be computed while the rest of it is still being typed, so that its effect does not go out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from core.refusals import Problem

_MEASURE = re.compile(r"/dimensions/(\d+)/measures/(\d+)/")
_DIMENSION = re.compile(r"/dimensions/(\d+)/(name|key|measures)$")
PLACES = Decimal("0.0001")


def computable(definition: dict[str, Any], problems: Iterable[Problem]) -> tuple[dict[str, Any] | None, list[str]]:
    """A definition without its incomplete measures and empty dimensions, its weights scaled to 100, and what was done
    in words. None if something else is wrong with it, or nothing is left."""
    measures: set[tuple[int, int]] = set()
    for problem in problems:
        if found := _MEASURE.match(problem.pointer):
            measures.add((int(found[1]), int(found[2])))
        elif not _DIMENSION.match(problem.pointer) and problem.code != "weights":
            return None, []
    kept = []
    for i, one in enumerate(definition["dimensions"]):
        if left := [measure for j, measure in enumerate(one["measures"]) if (i, j) not in measures]:
            kept.append(one | {"name": one["name"] or "-", "measures": left})
    notes = []
    if measures:
        notes.append(f"Without {len(measures)} measure{'' if len(measures) == 1 else 's'} that cannot be read yet.")
    weights = [one["weight"] for one in kept]
    if not kept or not all(isinstance(one, int | float) and one > 0 for one in weights):
        return None, []
    if sum(weights) != 100:
        notes.append("With the weights scaled to 100 %.")
        for one, weight in zip(kept, _scaled(weights), strict=True):
            one["weight"] = weight
    return definition | {"dimensions": kept}, notes


def _scaled(weights: Sequence[int | float]) -> list[float]:
    """The weights in their proportions, adding to 100 exactly."""
    whole = sum(Decimal(str(one)) for one in weights)
    shares = [(100 * Decimal(str(one)) / whole).quantize(PLACES) for one in weights]
    return [float(one) for one in [*shares[:-1], 100 - sum(shares[:-1], Decimal(0))]]
