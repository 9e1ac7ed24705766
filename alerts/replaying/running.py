"""Starting, cancelling and working on replays: day by day in the background, each day in a transaction of its own.

A worker that dies leaves the days that are done; the tick finds the replay after two minutes and the next worker goes
on with the day after them. One that cannot be finished says why.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from alerts.definition import Definition
from alerts.models import AlertReplay, AlertReplayDay, AlertRule
from alerts.replaying.asking import Asking, asking
from alerts.replaying.report import make_report
from core.clock import moment
from core.deadline import TooSlow
from core.intake import BadValue
from core.jobs import enqueue
from core.spans import ONE_DAY
from core.working import Superseded, end, free, give_sign, let_go, still_mine, take_one
from segments.rules.tree import RuleError

log = logging.getLogger(__name__)
State = AlertReplay.State
TASK = "alerts.tasks.work_on_replay"
DAYS = 90
SHORTEST, LONGEST = 7, 366
SLICE = 90.0  # seconds of work for one wake-up, well below the time that a task may take
AT_ONCE = 3  # of one person
KEPT = dt.timedelta(days=30)
GIVEN_UP = "The worker ended in the middle, five times. Try a simpler condition."
SLOW = "The condition takes longer than a minute for one day."


class NotNow(ValueError):
    """The replay is not in a state for this; the message says why."""


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
        mine = AlertReplay.objects.filter(author=who, state=State.RUNNING)
        for same in mine.select_for_update(of=("self",)).filter(rule=rule, definition=data):
            _close(same, State.CANCELLED)
        if who is not None and mine.count() >= AT_ONCE:
            raise NotNow(f"{AT_ONCE} of your replays are running. Wait for one, or cancel it.")
        made = AlertReplay.objects.create(
            rule=rule, definition=data, first_day=last - ONE_DAY * (days - 1), last_day=last, author=who, steps=days + 1
        )
        enqueue(TASK, made.pk)
    return made


@transaction.atomic
def cancel_replay(replay: AlertReplay) -> None:
    """Stop after the day in hand; what was found is thrown away. Raises NotNow."""
    current = AlertReplay.objects.select_for_update(of=("self",)).get(pk=replay.pk)
    if current.state != State.RUNNING:
        raise NotNow("This replay is not running.")
    _close(current, State.CANCELLED)


def due() -> QuerySet[AlertReplay]:
    """Replays that wait for somebody to work on them, or whose worker was lost."""
    return AlertReplay.objects.filter(free(), state=State.RUNNING)


def wake_replays() -> None:
    """Once a minute: wake what is due."""
    for pk in due().order_by("next_attempt_at").values_list("pk", flat=True)[:20]:
        enqueue(TASK, pk)


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on a replay for a while; does nothing if somebody else does or nothing is to be done."""
    replay = _claim(pk)
    if replay is None:
        return
    try:
        with asking(replay) as asked:
            if _walk(replay, asked, time.monotonic() + seconds):
                asked.past.prepare(replay.last_day)
                gaps = asked.gaps(replay.days[0], replay.last_day)
                _finish(replay, make_report(replay, moment(), gaps))
            else:
                let_go(replay, TASK)
    except Superseded:
        return
    except RuleError as error:
        _fail(replay, error.problems[0].message)
    except BadValue as error:
        _fail(replay, str(error))
    except TooSlow:
        _fail(replay, SLOW)
    except Exception:
        log.exception("a replay stopped", extra={"replay": replay.pk})
        let_go(replay, TASK, "Something failed on the server; it is tried again. The log says more.", replay.attempts)


@transaction.atomic
def _claim(pk: int) -> AlertReplay | None:
    replay: AlertReplay | None = take_one(due(), pk)
    if replay is not None and not replay.claim:
        _close(replay, State.FAILED, replay.error or GIVEN_UP)
        return None
    return replay


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


@transaction.atomic
def _finish(replay: AlertReplay, report: dict[str, Any]) -> None:
    still_mine(replay)
    replay.report = report
    replay.save(update_fields=["report"])
    _close(replay, State.DONE)


def _fail(replay: AlertReplay, reason: str) -> None:
    with suppress(Superseded), transaction.atomic():
        still_mine(replay)
        _close(replay, State.FAILED, reason)


def _close(replay: AlertReplay, state: str, error: str = "") -> None:
    """End it; what was found of its days is not needed any more."""
    end(replay, state, error)
    replay.found.all().delete()
