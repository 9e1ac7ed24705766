"""Telling colleagues of their tasks: that they were given one, and on the morning of its day and of the day after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from accounts.models import Account, TeamMember
from alerts.models import Task
from alerts.notifying.folding import folded
from alerts.notifying.kinds import TASK, TASK_DUE, TASK_LATE
from alerts.notifying.listening import member_behind
from alerts.notifying.telling import Telling, tell
from core.clock import Moment, moment
from core.spans import ONE_DAY

LONGEST = dt.timedelta(days=31)  # after an outage, tasks that were due longer ago are told of no more
_MANY = {
    TASK.key: "{n:,} tasks were given to you", TASK_DUE.key: "{n:,} tasks are due today",
    TASK_LATE.key: "{n:,} tasks are overdue",
}  # fmt: skip


def tell_given(tasks: Sequence[Task], by: Any = None, giver: str = "") -> int:
    """Tell the assignees of open tasks that these are theirs now; `giver` is what gave them if no person did. Call it
    in the transaction in which they got them."""
    me, now = member_behind(by), moment()
    given = [one for one in tasks if one.assignee_id not in (None, me) and one.state == Task.State.OPEN]
    if not given:
        return 0
    names = dict(Account.objects.filter(pk__in={one.account_id for one in given}).values_list("pk", "name"))
    who = str(getattr(by, "member", None) or by or giver or "Somebody")
    return _tell([
        _telling(
            TASK.key, one, f"{one.pk}:{now.now:%Y%m%dT%H%M%S}",
            f"{who} gave you a task: {one.title}, {names[one.account_id]}",
        )
        for one in given
    ], now)  # fmt: skip


def tell_days(member: TeamMember, day: dt.date, last: dt.date | None, now: Moment) -> int:
    """Tell a colleague which open tasks are due on a day of theirs, and which came to be overdue since the last day of
    which they were told. Once: what is repeated is nothing new."""
    begin = max(last or day - ONE_DAY, day - LONGEST)
    mine = Task.objects.open().filter(assignee=member, due_on__range=(begin, day), account__archived_at__isnull=True)
    tellings = []
    for task in mine.select_related("account").order_by("due_on", "pk"):
        assert task.due_on is not None
        kind, words = (TASK_DUE.key, "Due today") if task.due_on == day else (TASK_LATE.key, "Overdue")
        tellings.append(_telling(kind, task, f"{task.pk}:{task.due_on}", f"{words}: {task.title}, {task.account}"))
    return _tell(tellings, now)


def _tell(tellings: Sequence[Telling], now: Moment) -> int:
    return tell(folded(tellings, lambda kind, n: (_MANY[kind].format(n=n), reverse("tasks"))), now)


def _telling(kind: str, task: Task, what: str, title: str) -> Telling:
    due = f"Due {task.due_on.day} {task.due_on:%b %Y}." if task.due_on else ""
    return Telling(
        kind=kind, what=what, title=title, member=task.assignee_id, text="\n".join(filter(None, [due, task.text])),
        path=f"{reverse('tasks')}?task={task.pk}", account=task.account_id,
    )  # fmt: skip
