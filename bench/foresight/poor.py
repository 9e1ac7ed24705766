"""Who was Poor before being lost, and since when. Needs nothing but Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from bench.foresight.replay import Row, Scores

POOR = "poor"


def halves(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows by quarter in two halves: the later one begins with the quarter of the row in the middle."""
    middle = sorted(row.day for row in rows)[len(rows) // 2]
    return [row for row in rows if row.day < middle], [row for row in rows if row.day >= middle]


def poor(rows: Sequence[Row], scores: Scores) -> dict[str, Any]:
    """Recall and precision of Poor, and how many days beforehand the account had become Poor."""
    flagged = [row for row in rows if band_of(row, scores) == POOR]
    caught = [row for row in flagged if row.outcome and row.lead_from]
    since = {row: poor_since(row, scores) for row in caught}
    lost = sum(row.outcome for row in rows)
    return {
        "rows": len(rows),
        "lost": lost,
        "poor": len(flagged),
        "caught": len(caught),
        "recall": round(len(caught) / lost, 2) if lost else None,
        "precision": round(len(caught) / len(flagged), 2) if flagged else None,
        "lead_days": _median((row.lead_from - since[row]).days for row in caught if row.lead_from),
        "lead_days_to_last_event": _median((row.last_event - since[row]).days for row in caught),
        "poor_before_last_event": sum(since[row] <= row.last_event for row in caught),
    }


def poor_since(row: Row, scores: Scores) -> dt.date:
    """The first month's end of the unbroken run of months with Poor that the row's day belongs to."""
    found = row.day
    for month in sorted((month for month in scores if month < row.day), reverse=True):
        scored = scores[month].get(row.account)
        if scored is None or scored.band != POOR:
            break
        found = month
    return found


def band_of(row: Row, scores: Scores) -> str:
    """The band that the account of a row had on its day."""
    return scores[row.day][row.account].band


def _median(values: Iterable[int]) -> float | None:
    found = list(values)
    return median(found) if found else None
