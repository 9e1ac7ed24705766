"""Playbooks for tests: saved with few words, over accounts whose segment they enter by their licences."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Playbook
from alerts.playbooks.editing import Coming, save_playbook
from core.clock import Moment
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments
from tests import factories

START = dt.datetime(2026, 3, 2, 0, 10, tzinfo=dt.UTC)  # a Monday
FEW = {"field": "account.licences", "op": "at_most", "value": 5}


@pytest.fixture
def small(db: None, time_machine: Any) -> Segment:
    """The segment of accounts with few licences, the day before everything begins."""
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    return factories.segment("Small", FEW)


def playbook(*steps: dict[str, Any], segment: Segment | None = None, **given: Any) -> Playbook:
    """A saved playbook of these steps, their keys made of their kinds and places."""
    keyed = [{"key": f"{step['kind']}{place}"} | step for place, step in enumerate(steps, 1)]
    rules = {name: given.pop(name, None) for name in ("goal", "exit")}
    coming = Coming(
        segment, given.pop("rule", None), given.pop("existing", False), given.pop("again", "never"),
        given.pop("days", 0),
        given.pop("milestone", None), given.pop("overdue", False),
    )  # fmt: skip
    before = given.pop("before", None)
    name = given.pop("name", "Rescue")
    return save_playbook(before, name=name, definition={"steps": keyed, **rules}, coming=coming, **given)


def every(*rules: dict[str, Any]) -> dict[str, Any]:
    """A rule of which all must hold."""
    return {"match": "all", "rules": list(rules)}


def at(day: int, hour: int = 0) -> Moment:
    """So many days and hours after the start."""
    from core.models import Workspace

    return Moment(START + dt.timedelta(days=day, hours=hour), Workspace.get().zone)


def has(account: Account, licences: int, now: Moment) -> None:
    """The account has so many licences from now on, and segments know it."""
    Account.objects.filter(pk=account.pk).update(licences=licences)
    refresh_segments(RefreshRun.Trigger.DAILY, now)
