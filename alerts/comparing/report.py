"""The report of a comparison, stored as JSON: {"format": 1, …}. Accounts stand in it by primary key only.

entered    accounts whose first entry lies within the days; `drawn` how many of these were judged, if not all
unknown    of the judged ones, those of which nothing was known the evening before, or that had left by then
matched    those with at least one account beside them; `unmatched` those that nobody was like
beside     how many different accounts stand beside them
too_new    entries after the last day: less than 30 days ago
balance    [{"key", "came", "pool", "beside", "before", "after", "matched"}, …]: means of those who came in, of all who
           could have been chosen, of those who were; how far these lie from the first, in standard deviations; whether
           it was matched by. `alike` is False if a number that was matched by lies more than 0.25 off
outcomes   [{"key", "days", "sets", "accounts", "groups", "came", "beside", "low", "high", "verdict", "later"}, …]; null
           figures where no set has the outcome. `later`: of the accounts beside, how many came in within the days
sets       [[account, number of its set, day, whether it came in], …], at most 600
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from alerts.comparing.entering import Entries
from alerts.comparing.figures import Sides, difference, mean_of, spread_of, standardised, verdict
from alerts.comparing.known import AHEAD
from alerts.comparing.outcomes import HORIZONS, OUTCOMES, SHARES, Knowledge
from alerts.models import ComparedAccount, Comparison

FORMAT = 1
MOST = 600
TOO_FAR = 0.25
BALANCE = {"health": True, "mrr": True, "active": True, "trend": False, "renews": False}
Set = tuple[ComparedAccount, list[ComparedAccount]]


def make_report(comparison: Comparison, rows: Sequence[ComparedAccount], entries: Entries, known: Knowledge,
                last: dt.date) -> dict[str, Any]:  # fmt: skip
    """The report, once every day was looked at; `last` is the last day of which the outcome is known."""
    came = [row for row in rows if row.came_in]
    sets = sets_of(rows)
    balance = [_balance(key, matched, came, sets, comparison.pool) for key, matched in BALANCE.items()]
    off = [one["after"] for one in balance if one["matched"] and one["after"] is not None]
    keys = [key for key in OUTCOMES if key != "milestone" or comparison.of_milestone]
    return {
        "format": FORMAT,
        "entered": entries.all,
        "drawn": len(entries.counted) if len(entries.counted) < entries.all else None,
        "unknown": len(entries.counted) - len(came),
        "matched": len(sets),
        "unmatched": len(came) - len(sets),
        "beside": len({row.account_id for _, others in sets for row in others}),
        "too_new": sum(day > comparison.last_day for day in entries.first.values()),
        "balance": balance,
        "alike": all(abs(one) <= TOO_FAR for one in off),
        "outcomes": [_outcome(key, days, sets, known, entries, last) for key in keys for days in HORIZONS],
        "sets": [
            [row.account_id, number, row.day.isoformat(), row.came_in]
            for number, (first, others) in enumerate(sets, 1)
            for row in (first, *others)
        ][:MOST],
    }


def sets_of(rows: Sequence[ComparedAccount]) -> list[Set]:
    """Those who came in with the accounts beside them, in the order of time; without those that have nobody, or whose
    account was deleted meanwhile."""
    beside: dict[int, list[ComparedAccount]] = {}
    for row in rows:
        if not row.came_in:
            beside.setdefault(row.beside, []).append(row)
    came = sorted((row for row in rows if row.came_in), key=lambda row: (row.day, row.account_id))
    return [(row, beside[row.account_id]) for row in came if row.account_id in beside]


def value_of(key: str, before: dict[str, Any], day: dt.date) -> float | None:
    """A number of an account on the evening before, for the balance."""
    if key == "renews":
        renews = before["renews"] and dt.date.fromisoformat(before["renews"])
        return float(bool(renews) and day <= renews <= day + dt.timedelta(days=AHEAD))
    return before[key]


def _balance(key: str, matched: bool, came: list[ComparedAccount], sets: list[Set], pool: Any) -> dict[str, Any]:
    def values(rows: Sequence[ComparedAccount]) -> list[float]:
        return [value for row in rows if (value := value_of(key, row.before, row.day)) is not None]

    spread = spread_of(values(came))
    everybody, of_sets = mean_of(values(came)), mean_of(values([first for first, _ in sets]))
    beside = mean_of([mean for _, others in sets if (mean := mean_of(values(others))) is not None])
    weight, total = pool.get(key, (0, 0))
    could = total / weight if weight else None
    return {
        "key": key, "matched": matched, "came": of_sets, "pool": could, "beside": beside,
        "before": standardised(everybody, could, spread), "after": standardised(of_sets, beside, spread),
    }  # fmt: skip


def _outcome(
    key: str, days: int, sets: list[Set], known: Knowledge, entries: Entries, last: dt.date
) -> dict[str, Any]:  # fmt: skip
    span = dt.timedelta(days=days)
    judged = [one for one in sets if one[0].day + span <= last]
    sides = [side for one in judged if (side := _side(key, days, one, known))]
    said: dict[str, Any] = {"key": key, "days": days, "sets": len(sides), "over": len(judged), "verdict": "few"}
    found = difference(sides)
    if found is None:
        return said | dict.fromkeys(("accounts", "groups", "came", "beside", "low", "high", "later"))
    cases = None
    if key in SHARES:
        did = [part[0] for side in sides for part in (side.came, *side.beside.values())]
        cases = int(min(sum(did), len(did) - sum(did)))
    days_of = {first.account_id: first.day for first, _ in judged}
    later = {
        account
        for side in sides
        for account in side.beside
        if (when := entries.first.get(account)) and when <= days_of[side.account] + span
    }
    return said | {
        "accounts": found.accounts, "groups": found.groups, "came": found.came, "beside": found.beside,
        "low": found.low, "high": found.high, "verdict": verdict(found, cases=cases), "later": len(later),
    }  # fmt: skip


def _side(key: str, days: int, one: Set, known: Knowledge) -> Sides | None:
    first, others = one
    mine = OUTCOMES[key](first, days, known)
    theirs = {row.account_id: part for row in others if (part := OUTCOMES[key](row, days, known)) is not None}
    return Sides(first.account_id, mine, theirs) if mine is not None and theirs else None
