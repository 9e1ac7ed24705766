"""Playbooks over drawn histories, beside a plain account of what should happen that shares no code with csbox."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Enrolment, Playbook, StepRun, Task
from alerts.playbooks.running import run_playbooks
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments
from tests import factories
from tests.playbooks.conftest import START, at, every, playbook

DAYS, ACCOUNTS = 18, 5
CALM = every({"field": "account.licences", "op": "at_least", "value": 50})
GONE = every({"field": "account.licences", "op": "equals", "value": 40})
POLICIES: dict[str, dict[str, Any]] = {
    "once": {},
    "every time": {"again": "always"},
    "after 6 days": {"again": "after", "days": 6},
    "existing too": {"existing": True, "again": "always"},
}


def steps(version: int) -> list[dict[str, Any]]:
    """A task, a delay of as many days as the version says, a branch, a task on either way."""
    return [
        {"kind": "task", "key": "first", "title": f"Begin {version}"},
        {"kind": "delay", "key": "rest", "days": version, "working": False},
        {
            "kind": "branch", "key": "way", "otherwise": "many",
            "rule": every({"field": "account.licences", "op": "at_most", "value": 3}),
        },
        {"kind": "task", "key": "few", "title": f"Few {version}", "next": "end"},
        {"kind": "task", "key": "many", "title": f"Many {version}"},
    ]  # fmt: skip


@dataclass
class Run:
    """One time in a playbook: when it began, under which version, what was done, how it ended."""

    began: int
    version: int
    done: list[str] = field(default_factory=list)
    ended: int | None = None
    how: str = "running"


@dataclass
class Told:
    """One account under one playbook, as the manual tells it."""

    again: str
    rest: int
    existing: bool
    stay: int | None = None  # when the present stay in the segment began; -1: before the playbook
    used: set[int] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)

    def day(self, today: int, licences: int, version: int) -> None:
        small = licences <= 5
        self.stay = None if not small else today if self.stay is None else self.stay
        run = self.runs[-1] if self.runs and self.runs[-1].ended is None else None
        if run is None and self.may_enter(today):
            assert self.stay is not None
            self.used.add(self.stay)
            run = Run(today, version)
            self.runs.append(run)
        if run is None:
            return
        if licences >= 50 or licences == 40:
            run.ended, run.how = today, "goal" if licences >= 50 else "exited"
            return
        if run.began == today:
            run.done.append("first")
        if today - run.began >= run.version:
            run.done.append("few" if licences <= 3 else "many")
            run.ended, run.how = today, "finished"

    def may_enter(self, today: int) -> bool:
        if self.stay is None or self.stay in self.used or (self.stay < 0 and not self.existing):
            return False
        if not self.runs:
            return True
        last = self.runs[-1].ended
        assert last is not None
        return self.again == "always" or (self.again == "after" and today - last >= self.rest)


@pytest.mark.parametrize("seed", [2])
def test_every_enrolment_is_the_one_that_the_manual_tells(small: Segment, seed: int, time_machine: Any) -> None:
    dice = random.Random(seed)
    for place in range(ACCOUNTS):
        factories.account(f"A {place}", licences=dice.choice((4, 20)))
    licences = dict(Account.objects.values_list("pk", "licences"))
    refresh_segments(RefreshRun.Trigger.DAILY, at(-1))
    time_machine.move_to(at(-1, 1).now, tick=False)
    books = {
        name: playbook(*steps(1), segment=small, name=name, goal=CALM, exit=GONE, **given)
        for name, given in POLICIES.items()
    }
    told = {
        (name, pk): Told(book.again, book.again_days, book.include_existing, -1 if licences[pk] <= 5 else None)
        for name, book in books.items()
        for pk in licences
    }
    version = 1
    for day in range(DAYS):
        now = at(day)
        time_machine.move_to(now.now, tick=False)
        for pk in licences:
            if dice.random() < 0.35:
                licences[pk] = dice.choice((2, 4, 4, 20, 40, 60))
            Account.objects.filter(pk=pk).update(licences=licences[pk])
        refresh_segments(RefreshRun.Trigger.DAILY, now)
        for _ in range(dice.choice((1, 1, 2))):  # a run that is repeated changes nothing
            run_playbooks(now)
        for (_, pk), plain in told.items():
            plain.day(day, licences[pk], version)
        assert stored() == {key: plain.runs for key, plain in told.items() if plain.runs}, day
        if day % 7 == 3:  # who is in it goes on under the version that they came in with
            version += 1
            for name, book in books.items():
                given = dict(POLICIES[name])
                playbook(*steps(version), segment=small, name=name, before=book, goal=CALM, exit=GONE, **given)
    assert {"finished", "goal", "exited", "running"} <= set(Enrolment.objects.values_list("state", flat=True))
    assert Enrolment.objects.count() > 15
    assert max(Counter(StepRun.objects.values_list("enrolment", "step")).values()) == 1
    assert Task.objects.count() == StepRun.objects.filter(kind="task").count()
    assert Playbook.objects.exclude(error="").count() == 0


def stored() -> dict[tuple[str, int], list[Run]]:
    """What the tables say, in the same words."""
    found: dict[tuple[str, int], list[Run]] = {}
    rows = Enrolment.objects.select_related("playbook", "version").prefetch_related("runs")
    for row in rows.order_by("started_at", "pk"):
        done = [run.step for run in row.runs.all() if run.kind == "task"]
        made = Run(number(row.started_at), row.version.number, done, number(row.ended_at), row.state)
        found.setdefault((row.playbook.name, row.account_id), []).append(made)
    return found


def number(moment: dt.datetime | None) -> Any:
    """The day of a moment, counted from the first."""
    return None if moment is None else (moment - START).days
