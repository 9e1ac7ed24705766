"""The engagement score: events with weights, scaled from 1 to 100 against what the busiest tenth reaches.

Raw points are the sum of weight x count over the last 1, 7 or 30 local days. The benchmark is the 90th percentile of
the points of those who have any; whoever reaches it, or more, has 100, and the others their share of it, rounded.
Everybody has at least 1, also without events, so bands that begin at 1 leave nobody out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.fields import Kind
from core.intake import fold
from usage.recent import CURRENT, WINDOWS
from usage.traits.definitions import Method, Scope, register_methods
from usage.traits.properties import Sql
from usage.traits.reading import Reading

DAYS = (1, 7, 30)
MOST_WEIGHTS, MOST_BANDS = 50, 10
DEFAULT_BANDS = (("Low", 1), ("Medium", 34), ("High", 67))
_EVERYBODY = {
    "account": "SELECT id AS account_id FROM accounts_account WHERE archived_at IS NULL",
    "user": (
        "SELECT r.account_id, r.user_id FROM accounts_relationship r JOIN accounts_account a ON a.id = r.account_id"
        " WHERE r.ended_at IS NULL AND a.archived_at IS NULL"
    ),
}
_DAYS = "SELECT {columns}, name_id, count FROM usage_dailyusage WHERE day BETWEEN %s AND %s"
# What accounts did in the windows that are kept beside the daily usage; from the days themselves while it is another.
_SUMS = f"""
    SELECT account_id, name_id, count FROM usage_recentcount
    WHERE {CURRENT.format(today="%s")} AND day = %s AND days = %s
    UNION ALL {_DAYS.format(columns="account_id")} AND NOT {CURRENT.format(today="%s")}
"""  # noqa: S608  # constants of this module
_SCORE = """
WITH weights AS (
    SELECT n.id AS name_id, w.weight FROM unnest(%s::text[], %s::int[]) AS w (name, weight)
    JOIN usage_eventname n ON n.name = w.name
), everybody AS ({everybody}), counted AS ({counted}), points AS (
    SELECT {own}, sum(d.count * w.weight)::numeric AS raw
    FROM counted d JOIN weights w USING (name_id) JOIN everybody e USING ({keys}) GROUP BY {own}
), benchmark AS (
    SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY raw) AS p90 FROM points WHERE raw > 0
)
SELECT {all}, to_jsonb(CASE WHEN p.raw > 0 AND b.p90 > 0
       THEN greatest(1, least(100, round(100 * p.raw / b.p90::numeric))) ELSE 1 END)
FROM everybody e LEFT JOIN points p USING ({keys}) CROSS JOIN benchmark b
"""


@dataclass(frozen=True)
class Band:
    """A name for the scores from one on, up to where the next band begins."""

    name: str
    start: int


@dataclass(frozen=True)
class Engagement:
    """Weights from 1 to 10 by event, over so many days; the bands of its score."""

    weights: tuple[tuple[str, int], ...]
    days: int
    bands: tuple[Band, ...]

    @property
    def kind(self) -> Kind:
        """A whole number from 1 to 100."""
        return Kind.NUMBER

    @property
    def words(self) -> str:
        """How it is computed, in a sentence."""
        listed = ", ".join(f"{name} × {weight}" for name, weight in self.weights)
        when = "today" if self.days == 1 else f"in the last {self.days} days"
        return f"Engagement from 1 to 100, of {listed} {when}"

    def fields(self) -> set[str]:
        """It reads events only."""
        return set()

    def source(self, scope: Scope) -> Sql:
        """One pass over the counts of the days. The benchmark is always that of everybody."""
        columns = ["account_id"] if scope.subject == "account" else ["account_id", "user_id"]
        today = scope.moment.today
        span = [today - dt.timedelta(days=self.days - 1), today]
        summed = scope.subject == "account" and self.days in WINDOWS
        sql = _SCORE.format(
            everybody=_EVERYBODY[scope.subject],
            counted=_SUMS if summed else _DAYS.format(columns=", ".join(columns)),
            keys=", ".join(columns),
            own=", ".join(f"d.{name}" for name in columns),
            all=", ".join(f"e.{name}" for name in columns),
        )
        names, weights = [name for name, _ in self.weights], [weight for _, weight in self.weights]
        return sql, [names, weights, *([today, today, self.days, *span, today] if summed else span)]


def bands_in(data: Any) -> tuple[Band, ...]:
    """The bands of a stored definition; those of every score where it names none."""
    given = data.get("bands") if isinstance(data, Mapping) else None
    if not given:
        return tuple(Band(name, start) for name, start in DEFAULT_BANDS)
    return tuple(Band(str(item["name"]), int(item["from"])) for item in given)


def _weights(reading: Reading) -> tuple[tuple[str, int], ...]:
    data = reading.raw("weights")
    if not isinstance(data, list) or not 1 <= len(data) <= MOST_WEIGHTS:
        reading.fail("/weights", "required", f"Give 1 to {MOST_WEIGHTS} events with their weights.")
        return ()
    found: dict[str, int] = {}
    for i, item in enumerate(data):
        if not isinstance(item, Mapping) or set(item) != {"event", "weight"}:
            reading.fail(f"/weights/{i}", "invalid-value", "Expected {“event”: …, “weight”: 1 to 10}.")
            continue
        name = reading.item(item["event"], f"/weights/{i}/event")
        if name in found:
            reading.fail(f"/weights/{i}/event", "duplicate", f"{name} has a weight already.")
        found[name] = reading.whole(item["weight"], f"/weights/{i}/weight", 1, 10)
    return tuple(found.items())


def _bands(reading: Reading) -> tuple[Band, ...]:
    """Bands by where they begin: the first at 1, each after the one before, so that every score has exactly one."""
    data = reading.raw("bands")
    if data is None:
        return bands_in({})
    if not isinstance(data, list) or not 1 <= len(data) <= MOST_BANDS:
        reading.fail("/bands", "invalid-value", f"Give 1 to {MOST_BANDS} bands.")
        return ()
    bands: list[Band] = []
    for i, item in enumerate(data):
        if not isinstance(item, Mapping) or set(item) != {"name", "from"}:
            reading.fail(f"/bands/{i}", "invalid-value", "Expected {“name”: …, “from”: 1 to 100}.")
            continue
        band = Band(
            reading.item(item["name"], f"/bands/{i}/name", 60), reading.whole(item["from"], f"/bands/{i}/from", 1, 100)
        )
        if fold(band.name) in {fold(other.name) for other in bands}:
            reading.fail(f"/bands/{i}/name", "duplicate", f"There is a band {band.name} already.")
        if bands and band.start <= bands[-1].start:
            reading.fail(f"/bands/{i}/from", "out-of-range", f"{band.name} begins at or below the band before it.")
        bands.append(band)
    if bands and bands[0].start != 1:
        reading.fail("/bands/0/from", "out-of-range", f"Scores from 1 to {bands[0].start - 1} are in no band.")
    return tuple(bands)


def _read(reading: Reading) -> Engagement:
    weights = _weights(reading)
    return Engagement(weights, reading.one_of("days", DAYS, 30), _bands(reading))


register_methods(
    [Method("engagement", "Engagement score", "Scores", _read, needs=("weights", "days", "bands"), together=True)]
)
