"""What the bands of the past say about who left: pure arithmetic over series of letters.

A series has one letter for each day that was looked at: g(ood), a(verage), p(oor), n(ot scored), and a blank where the
account was not there, was scored by another config, or had churned. Definitions, the same everywhere:

* An **alert** is a day with p whose day before (of those looked at) has another letter. An account that is first seen
  Poor raises none.
* At a horizon of H days a day is **right** if a churn comes after it, at most H days later. Days so late that their
  horizon is not over yet are left out, whatever is known of them.
* **Precision** is the share of the right ones among the alerts; the **base rate** is that share among all days of all
  accounts, which a config must beat.
* A churn counts for **recall** if its H days before lie within the span and the account has a letter in them; it is
  caught if one of these is p. It was **Poor already** if the last day that lies the whole horizon before it is p.
* **Lead time** is the median number of days from the alert that began the last Poor episode before a caught churn to
  the churn. Episodes that had begun before the first letter of the account have no alert and are counted apart.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

HORIZONS = (30, 60, 90)
LETTERS = {"good": "g", "average": "a", "poor": "p", "none": "n"}
BANDS = {letter: band for band, letter in LETTERS.items()}
POOR, ABSENT = "p", " "


@dataclass(frozen=True)
class History:
    """The days, the letters of every account on them, when each churned (sorted), and the last day of which it is
    known now whether a churn began on it."""

    days: Sequence[dt.date]
    letters: Mapping[int, str]
    churns: Mapping[int, Sequence[dt.date]]
    known_until: dt.date

    def alerts(self) -> list[tuple[int, int]]:
        """Every alert as (account, place of its day), in the order of time."""
        found = [
            (place, account)
            for account, row in self.letters.items()
            for place in range(1, len(row))
            if row[place] == POOR and row[place - 1] not in (POOR, ABSENT)
        ]
        return [(account, place) for place, account in sorted(found)]

    def churn_after(self, account: int, place: int) -> dt.date | None:
        """The first churn of an account after a day."""
        churns = self.churns.get(account, ())
        after = bisect_right(churns, self.days[place])
        return churns[after] if after < len(churns) else None

    def is_right(self, account: int, place: int, horizon: int) -> bool:
        """Whether a churn comes after a day, at most so many days later."""
        churn = self.churn_after(account, place)
        return churn is not None and churn <= self.days[place] + dt.timedelta(days=horizon)


def figures(history: History) -> dict[str, Any]:
    """All figures of one definition, ready for JSON."""
    alerts = history.alerts()
    months = Counter(f"{history.days[place]:%Y-%m}" for _, place in alerts)
    return {
        "alerts": len(alerts),
        "falls": {month: months.get(month, 0) for month in sorted({f"{day:%Y-%m}" for day in history.days})},
        "mix": [[day.isoformat(), *mix] for day, mix in zip(history.days, _mixes(history), strict=True)],
        "horizons": [at_horizon(history, alerts, horizon) for horizon in HORIZONS],
    }


def _mixes(history: History) -> list[list[int]]:
    """How many accounts had each band on each day, in the order of `LETTERS`."""
    counts = [Counter(column) for column in zip(*history.letters.values(), strict=True)] or [Counter()] * len(
        history.days
    )
    return [[count[letter] for letter in LETTERS.values()] for count in counts]


def at_horizon(history: History, alerts: Sequence[tuple[int, int]], horizon: int) -> dict[str, Any]:
    """Precision, recall and lead time at one horizon, with the numbers that they are made of."""
    span = dt.timedelta(days=horizon)
    judged = bisect_right(history.days, history.known_until - span)  # of the days before this place the answer is known
    told = [history.is_right(account, place, horizon) for account, place in alerts if place < judged]
    days, before = _base(history, judged, horizon)
    churns, caught, leads, begun = _caught(history, span)
    already = sum(one.already for one in left(history, span))
    return {
        "days": horizon,
        "alerts": len(told), "true": sum(told), "precision": _share(sum(told), len(told)),
        "too_late": len(alerts) - len(told),
        "base": _share(before, days),
        "churns": churns, "caught": caught, "recall": _share(caught, churns),
        "already": already, "already_share": _share(already, churns),
        "lead_days": median(leads) if leads else None, "leads": len(leads), "poor_from_the_start": begun,
    }  # fmt: skip


def _base(history: History, judged: int, horizon: int) -> tuple[int, int]:
    """How many days of accounts there were whose answer is known, and after how many of them a churn came in time."""
    total = before = 0
    for account, row in history.letters.items():
        there = judged - row.count(ABSENT, 0, judged)
        total += there
        for churn in history.churns.get(account, ()) if there else ():
            first = bisect_left(history.days, churn - dt.timedelta(days=horizon))
            last = min(judged, bisect_left(history.days, churn))
            before += sum(
                1 for place in range(first, last)
                if row[place] != ABSENT and history.churn_after(account, place) == churn
            )  # fmt: skip
    return total, before


def _caught(history: History, span: dt.timedelta) -> tuple[int, int, list[int], int]:
    """How many churns there were to catch, how many were, how many days ahead, and how many were Poor all along."""
    churns = caught = begun = 0
    leads: list[int] = []
    for one in left(history, span):
        churns += 1
        if not one.caught:
            continue
        caught += 1
        row, first = history.letters[one.account], bisect_left(history.days, one.churn - span)
        start = first + row[first : bisect_left(history.days, one.churn)].rindex(POOR)
        while start > 0 and row[start - 1] == POOR:
            start -= 1
        if start > 0 and row[start - 1] != ABSENT:
            leads.append((one.churn - history.days[start]).days)
        else:
            begun += 1
    return churns, caught, leads, begun


@dataclass(frozen=True)
class Left:
    """A churn that counts for recall at a horizon: whose, when, whether it was caught, and whether the account was Poor
    already the whole horizon before."""

    account: int
    churn: dt.date
    caught: bool
    already: bool


def left(history: History, span: dt.timedelta) -> Iterator[Left]:
    """Every churn that counts for recall at a horizon."""
    for account, days in history.churns.items():
        row = history.letters.get(account, "")
        for churn in days:
            if churn - span < history.days[0] or churn > history.days[-1]:
                continue
            window = row[bisect_left(history.days, churn - span) : bisect_left(history.days, churn)]
            if window.strip():
                already = row[bisect_right(history.days, churn - span) - 1] == POOR
                yield Left(account, churn, POOR in window, already)


def _share(part: int, whole: int) -> float | None:
    """A share with four decimals; None of nothing."""
    return round(part / whole, 4) if whole else None
