"""The report of a back-test, stored as JSON: {"format": 1, …}. Accounts stand in it by primary key only.

accounts  how many were looked at        churns  how many left within the span, `churned` of which by account
sides     {"tested": figures, "against": figures or null} (see `health.backtest.figures`)
moves     {"good poor": n, …} from `against` to `tested` on the last day, `moved` [[account, against, tested, why], …]
stays     {"good": n, …} whose band is the same on the last day, `stayed` [[account, band], …]
raised    the alerts of the tested definition, newest first: [[account, day, day of churn or null, known], …]
raised_against  the same of the other definition
left      who left, for recall: [[account, side, horizon in days, day, whether it was caught, Poor already], …]
gaps      what could not be known (see `health.backtest.unknown`)
known_until  the last day of which it was known whether a churn began on it
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from core.clock import moment
from health.backtest.churn import Churn, find_churn
from health.backtest.figures import ABSENT, BANDS, HORIZONS, History, figures, left
from health.backtest.models import BackTest
from health.backtest.moving import reasons_of
from health.backtest.replay import Replay
from health.backtest.unknown import find_gaps

FORMAT = 1
LISTS = ("moved", "stayed", "raised", "raised_against", "left")  # those that begin with an account
MOST = 500
ORDER = {letter: place for place, letter in enumerate("pang")}
NO_MOVES: dict[str, Any] = {"moves": {}, "moved": [], "moved_total": 0, "stays": {}, "stayed": []}


def make_report(test: BackTest, replay: Replay) -> dict[str, Any]:
    """The report, once the bands of every day are there."""
    replay.past.prepare(test.last_day)
    churn = find_churn(moment(), cancelled=test.cancelled, silent_days=test.silent_days)
    tested, against = histories(test, churn)
    sides = {"tested": figures(tested), "against": figures(against) if against else None}
    churned = {account: days for account, days in tested.churns.items() if _within(test, days)}
    return {
        "format": FORMAT,
        "accounts": len(tested.letters),
        "churns": sum(len(_within(test, days)) for days in churned.values()),
        "known_until": churn.known_until.isoformat(),
        "sides": sides,
        **(_moves(test, replay, tested, against) if against else NO_MOVES),
        "raised": _raised(tested),
        "raised_against": _raised(against) if against else [],
        "left": _left("tested", tested) + (_left("against", against) if against else []),
        "gaps": [gap.data() for gap in find_gaps(test, replay, len(churn.unknown & known_accounts(test)))],
    }


def histories(test: BackTest, churn: Churn) -> tuple[History, History | None]:
    """The series of both definitions; days on which an account was gone are blank."""
    rows = list(test.bands.order_by("day"))
    days = [row.day for row in rows]
    series: dict[int, list[list[str]]] = {}
    for place, row in enumerate(rows):
        for number, account in enumerate(row.accounts):
            if churn.is_gone(account, row.day):
                continue
            mine = series.setdefault(account, [[ABSENT] * len(rows), [ABSENT] * len(rows)])
            mine[0][place] = row.letters[number]
            if row.against:
                mine[1][place] = row.against[number]
    churns = {account: found for account, found in churn.days().items() if account in series}
    made = [{account: "".join(mine[side]) for account, mine in series.items()} for side in (0, 1)]
    tested, other = (History(days, letters, churns, churn.known_until) for letters in made)
    return tested, None if test.against is None else other


def known_accounts(test: BackTest) -> set[int]:
    """Every account that was scored on the last day."""
    last = test.bands.order_by("-day").first()
    return set(last.accounts) if last else set()


def _within(test: BackTest, days: Any) -> list[dt.date]:
    return [day for day in days if test.first_day <= day <= test.last_day]


def _moves(test: BackTest, replay: Replay, tested: History, against: History) -> dict[str, Any]:
    """Who has which band by both on the last day; of those that differ the gravest first."""
    every = [
        (account, against.letters[account][-1], row[-1]) for account, row in tested.letters.items() if row[-1] != ABSENT
    ]
    pairs = [pair for pair in every if pair[1] != pair[2]]
    pairs.sort(key=lambda item: (ORDER[item[2]], ORDER[item[1]], item[0]))
    moves = Counter(f"{BANDS[old]} {BANDS[new]}" for _, old, new in pairs)
    shown = [(account, BANDS[old], BANDS[new]) for account, old, new in pairs[:MOST]]
    why = reasons_of(replay, test.last_day, shown)
    moved = [[*row, reason] for row, reason in zip(shown, why, strict=True)]
    same: dict[str, list[int]] = {}
    for account, old, new in every:
        if old == new:
            same.setdefault(BANDS[new], []).append(account)
    return {
        "moves": dict(moves), "moved": moved, "moved_total": len(pairs),
        "stays": {band: len(accounts) for band, accounts in same.items()},
        "stayed": [[account, band] for band, accounts in same.items() for account in accounts[:MOST]],
    }  # fmt: skip


def _left(side: str, history: History) -> list[list[Any]]:
    """Who left at each horizon, those that were missed first."""
    found: list[list[Any]] = []
    for days in HORIZONS:
        gone = sorted(left(history, dt.timedelta(days=days)), key=lambda one: (one.caught, one.churn, one.account))
        found += [[one.account, side, days, one.churn.isoformat(), one.caught, one.already] for one in gone[:MOST]]
    return found


def _raised(history: History) -> list[list[Any]]:
    """The newest alerts, each with the churn that followed within the longest horizon, and whether that is over."""
    found = []
    for account, place in reversed(history.alerts()[-MOST:]):
        day, churn = history.days[place], history.churn_after(account, place)
        until = day + dt.timedelta(days=HORIZONS[-1])
        followed = churn.isoformat() if churn and churn <= until else None
        found.append([account, day.isoformat(), followed, until <= history.known_until])
    return found
