"""The report of a replay, stored as JSON: {"format": 1, …}. Accounts stand in it by primary key only.

fired     alerts about accounts that began to meet the condition on the days; `existing` those about accounts that
          met it on the evening before, for a rule that includes these
open      how many of these are open at the end; `resolved` the others, `median_days` how long these lasted
accounts  how many accounts had one, `most` the largest number of one account
weeks     [[first day, opened], …]      matching  accounts for which the condition held on the last day
holds     [[days, fired], …] with other holds
raised    the newest ones: [[account, day, day of the end or null], …]
gaps      what could not be known (see `segments.unknown_days`)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from alerts.models import AlertReplay
from alerts.replaying.episodes import Episode, Found, Terms, episodes
from core.clock import Moment
from segments.past_days import end_of
from segments.unknown_days import Gap

FORMAT = 1
MOST = 500
HOLDS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30)


def make_report(replay: AlertReplay, now: Moment, gaps: Iterable[Gap]) -> dict[str, Any]:
    """The report, once what was found of every day is there."""
    days, terms = found_of(replay, now), terms_of(replay.definition)
    every = episodes(days, terms)
    fired = _fired(replay, every)
    lengths = [(one.ended.today - one.opened.today).days for one in fired if one.ended]
    by_account = Counter(one.account for one in fired)
    return {
        "format": FORMAT,
        "fired": len(fired),
        "existing": len(every) - len(fired),
        "open": sum(one.ended is None for one in fired),
        "resolved": len(lengths),
        "median_days": median(lengths) if lengths else None,
        "accounts": len(by_account),
        "most": max(by_account.values(), default=0),
        "weeks": _weeks(replay, fired),
        "matching": len(days[-1].members),
        "holds": [[hold, len(_fired(replay, episodes(days, terms.held_for(hold))))] for hold in HOLDS],
        "raised": [
            [one.account, one.opened.today.isoformat(), one.ended and one.ended.today.isoformat()]
            for one in reversed(fired[-MOST:])
        ],
        "gaps": [gap.data() for gap in gaps],
    }


def found_of(replay: AlertReplay, now: Moment) -> list[Found]:
    """What was found of each day, oldest first."""
    return [
        Found(end_of(row.day, now), frozenset(row.members), frozenset(row.clear), frozenset(row.archived))
        for row in replay.found.order_by("day")
    ]


def terms_of(definition: Any) -> Terms:
    """When a stored definition opens and ends alerts."""
    return Terms(
        definition["hold_days"], definition["cooldown_days"], definition["refire"], bool(definition["clear"]),
        bool(definition.get("include_existing")),
    )  # fmt: skip


def _fired(replay: AlertReplay, every: Sequence[Episode]) -> list[Episode]:
    """Those whose condition began on the days."""
    return [one for one in every if one.began.today >= replay.first_day]


def _weeks(replay: AlertReplay, fired: Sequence[Episode]) -> list[list[Any]]:
    """How many were opened in each seven days, the last of which end with the last day."""
    opened = Counter((replay.last_day - one.opened.today).days // 7 for one in fired)
    number = (replay.last_day - replay.first_day).days // 7 + 1
    days = replay.days
    starts = {back: max(replay.first_day, days[max(0, len(days) - 7 * (back + 1))]) for back in range(number)}
    return [[starts[back].isoformat(), opened[back]] for back in reversed(range(number))]
