"""The judge of health scores: plain Python over the values that rows have, sharing no code with the application.

It knows the grammar of the manual's page on health and nothing of SQL. Values of fields are handed in by key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Values = Mapping[str, Any]
Holds = Callable[[dict[str, Any]], bool]


def tenth(value: Any) -> Decimal:
    return Decimal(value).quantize(Decimal("0.1"), ROUND_HALF_UP)


def number_of(value: Any, today: dt.date) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        value = value.date()
    if isinstance(value, dt.date):
        return Decimal((today - value).days)
    return Decimal(str(value))


def limit_of(limit: Any, values: Values) -> Decimal | None:
    if not isinstance(limit, dict):
        return Decimal(str(limit))
    of = values.get(limit["of"])
    return None if of is None else Decimal(str(of)) * Decimal(str(limit["percent"])) / 100


def rises(data: dict[str, Any], of_a_date: bool) -> bool:
    """Whether more is better: said, or what both limits say in one unit, or the manual's rule for two units."""
    if data.get("better"):
        return bool(data["better"] == "higher")
    good, poor = data["good"], data["poor"]
    shares = [isinstance(side, dict) for side in (good, poor)]
    if shares == [False, False]:
        return bool(good > poor)
    if all(shares) and good["of"] == poor["of"]:
        return bool(good["percent"] > poor["percent"])
    if of_a_date:
        return False
    return bool(good["percent"] >= poor["percent"]) if all(shares) else shares[0]


def measure(data: dict[str, Any], values: Values, today: dt.date, holds: Holds) -> Decimal | None:
    """0 to 100, or nothing where data is missing."""
    if "field" not in data:
        # Where both hold it is Poor.
        if holds(data["poor"]):
            return Decimal(0)
        return Decimal(100) if holds(data["good"]) else Decimal(50)
    raw = values.get(data["field"])
    value = number_of(raw, today)
    good, poor = limit_of(data["good"], values), limit_of(data["poor"], values)
    if value is None or good is None or poor is None or good == poor:
        return None
    if (good > poor) != rises(data, isinstance(raw, dt.date)):
        return None
    return tenth(min(Decimal(100), max(Decimal(0), (value - poor) / (good - poor) * 100)))


def mean(parts: list[tuple[Decimal | None, Any]]) -> Decimal | None:
    known = [(score, Decimal(str(weight))) for score, weight in parts if score is not None]
    return tenth(sum(s * w for s, w in known) / sum(w for _, w in known)) if known else None


def score(
    definition: dict[str, Any], values: Values, today: dt.date, holds: Holds = lambda rule: False
) -> tuple[Decimal | None, str, dict[str, Decimal | None], Decimal]:
    """The score, the band, each dimension, the coverage in percent."""
    dimensions: dict[str, Decimal | None] = {}
    parts, covered = [], Decimal(0)
    for dimension in definition["dimensions"]:
        found = [(measure(m, values, today, holds), m.get("weight", 1)) for m in dimension["measures"]]
        dimensions[dimension["key"]] = mean(found)
        parts.append((dimensions[dimension["key"]], dimension["weight"]))
        whole = sum(Decimal(str(weight)) for _, weight in found)
        with_data = sum(Decimal(str(weight)) for one, weight in found if one is not None)
        covered += Decimal(str(dimension["weight"])) * with_data / whole
    total = mean(parts)
    bands = definition.get("bands", {"good": 70, "poor": 40})
    if total is None or covered < definition.get("least_coverage", 50):
        return None, "none", dimensions, tenth(covered)
    band = "good" if total >= bands["good"] else "poor" if total < bands["poor"] else "average"
    return total, band, dimensions, tenth(covered)
