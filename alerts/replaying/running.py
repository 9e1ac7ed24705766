"""Starting and working on replays, day by day."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from alerts.definition import Definition
from alerts.models import AlertReplay, AlertReplayDay, AlertRule
from alerts.replaying.asking import Asking, asking
from alerts.replaying.report import make_report
from core.clock import moment
from core.deadline import TooSlow
from core.intake import BadValue
from core.refusals import sentence
from core.reports import SLICE, State, begin_report, close_report, finish_report, take_report, working_on
from core.spans import ONE_DAY
from core.working import give_sign, let_go, still_mine
from segments.rules.tree import RuleError

DAYS = 90
SHORTEST, LONGEST = 7, 366
KEPT = dt.timedelta(days=30)
SLOW = "The condition takes longer than a minute for one day."


def start_replay(
    definition: Definition,
    *,
    rule: AlertRule | None = None,
    include_existing: bool = False,
    days: int = DAYS,
    author: Any = None,
) -> AlertReplay:
    """Let a definition be asked of the last days, up to yesterday. Raises NotNow with too many at once."""
    if not SHORTEST <= days <= LONGEST:
        raise BadValue(f"A replay has {SHORTEST} to {LONGEST} days.")
    last = moment().today - ONE_DAY
    who = author if getattr(author, "pk", None) else None
    data = definition.data() | {"include_existing": include_existing}
    with transaction.atomic():
        AlertReplay.objects.exclude(state=State.RUNNING).filter(created_at__lt=timezone.now() - KEPT).delete()
        running = AlertReplay.objects.filter(author=who, state=State.RUNNING)
        for same in running.select_for_update(of=("self",)).filter(rule=rule, definition=data):
            close_report(same, State.CANCELLED)
        made = AlertReplay(
            rule=rule, definition=data, first_day=last - ONE_DAY * (days - 1), last_day=last, author=who, steps=days + 1
        )
        begin_report(made)
    return made


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on a replay for a while; does nothing if somebody else does or nothing is to be done."""
    replay: AlertReplay | None = take_report(AlertReplay, pk)
    if replay is None:
        return
    with working_on(replay, _reason), asking(replay) as asked:
        if _walk(replay, asked, time.monotonic() + seconds):
            asked.past.prepare(replay.last_day)
            gaps = asked.gaps(replay.days[0], replay.last_day)
            finish_report(replay, make_report(replay, moment(), gaps))
        else:
            let_go(replay, replay.task)


def _reason(error: Exception) -> str | None:
    if isinstance(error, RuleError | BadValue):
        return sentence(error)
    return SLOW if isinstance(error, TooSlow) else None


def _walk(replay: AlertReplay, asked: Asking, until: float) -> bool:
    """Day after day, at least one; False if the time was over before the last one."""
    for members in replay.found.values_list("members", flat=True):
        asked.ever.update(members)
    first = replay.done
    for number, day in enumerate(replay.days[first:], start=first):
        if number > first and time.monotonic() >= until:
            return False
        found: AlertReplayDay = asked.day(replay, day)
        with transaction.atomic():
            still_mine(replay)
            found.save()
            give_sign(replay, number + 1)
    return True
