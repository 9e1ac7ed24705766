"""A replay as the editor shows it: how far it is, or what it found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.models import Account
from alerts.definition import Definition
from alerts.models import AlertReplay
from web.alert_rule_form import RuleDraft

HIGH = 40
FIRST = 5  # alerts that are shown; the API has the rest


@dataclass(frozen=True)
class Raised:
    """An alert that would have been opened."""

    account: Account
    day: dt.date
    ended: dt.date | None


@dataclass(frozen=True)
class Week:
    """How many would have been opened in seven days, and its column in a drawing of 130 by 40."""

    first: dt.date
    number: int
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class ReplayView:
    """All of it. `outdated` if the form says something else by now."""

    replay: AlertReplay
    outdated: bool
    report: dict[str, Any]
    weeks: list[Week]
    raised: list[Raised]
    hidden: int
    holds: list[tuple[int, int]]
    gaps: list[dict[str, Any]]

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.replay.running

    @property
    def a_week(self) -> float:
        """Alerts a week, on the average."""
        days = (self.replay.last_day - self.replay.first_day).days + 1
        return round(7 * self.report["fired"] / days, 1) if self.report else 0


def replay_view(replay: AlertReplay, definition: Definition | None, draft: RuleDraft | None, viewer: Any) -> ReplayView:
    """What is shown of a replay to a colleague; accounts that they may not see are counted only."""
    report = replay.report
    outdated = False
    if definition is not None and draft is not None:
        said = definition.data() | {"include_existing": draft.include_existing}
        outdated = said != replay.definition
    if not report:
        return ReplayView(replay, outdated, {}, [], [], 0, [], [])
    most = max((number for _, number in report["weeks"]), default=0) or 1
    heights = [round(HIGH * number / most) for _, number in report["weeks"]]
    weeks = [
        Week(_day(first), number, 1 + 10 * place, HIGH - heights[place], heights[place])
        for place, (first, number) in enumerate(report["weeks"])
    ]
    rows = report["raised"]
    accounts = Account.objects.visible_to(viewer).in_bulk({row[0] for row in rows[: 10 * FIRST]})
    raised = [
        Raised(accounts[pk], _day(day), _day(ended) if ended else None) for pk, day, ended in rows if pk in accounts
    ][:FIRST]
    now = replay.definition["hold_days"]
    holds = [(days, number) for days, number in report["holds"] if days != now]
    gaps = [gap | {"until": _day(gap["until"]) if gap["until"] else None} for gap in report["gaps"]]
    return ReplayView(replay, outdated, report, weeks, raised, len(rows) - len(raised), holds, gaps)


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)
