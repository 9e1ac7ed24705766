"""What people do with tasks: add, change, finish, skip, open again, assign, put off, remove; one or many, with undo.

Rules may ask about tasks, so the accounts are evaluated again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, TeamMember
from accounts.touching import touch
from alerts.models import Alert, Task
from alerts.notifying.tasks import tell_given
from core.clock import moment
from core.intake import BadValue, clean_text

FIELDS = ("title", "text", "assignee_id", "due_on", "state", "outcome", "note", "done_by_id", "done_at",
          "reopened_at")  # fmt: skip
LONGEST_AHEAD = dt.timedelta(days=3 * 366)
LONGEST_AGO = dt.timedelta(days=366)


@dataclass(frozen=True)
class Before:
    """How tasks were, so that what was done can be undone: of each, by its id, the fields that were changed."""

    values: dict[int, dict[str, Any]]


def add_task(
    account: Account,
    title: str,
    *,
    text: str = "",
    assignee: TeamMember | None = None,
    due_on: dt.date | None = None,
    alert: Alert | None = None,
    by: Any = None,
) -> Task:
    """Write a task down, by hand or because of an alert. Raises BadValue."""
    if alert is not None and alert.account_id != account.pk:
        raise BadValue("The alert is about another account.")
    with transaction.atomic():
        made: Task = Task.objects.create(
            account=account, title=clean_title(title), text=clean_text(text, 4_000), assignee=assignee,
            due_on=clean_day(due_on), alert=alert, origin=Task.Origin.ALERT if alert else Task.Origin.HAND,
            created_by=_person(by),
        )  # fmt: skip
        touch([account.pk])
        tell_given([made], by)
    return made


def edit_task(
    task: Task,
    *,
    title: str | None = None,
    text: str | None = None,
    note: str | None = None,
    outcome: str | None = None,
    assignee: TeamMember | None | Any = ...,
    due_on: dt.date | None | Any = ...,
    by: Any = None,
) -> Before:
    """Change what a task says; what is not given stays. Raises BadValue, for an outcome also while it is open."""
    wanted: dict[str, Any] = {}
    if title is not None:
        wanted["title"] = clean_title(title)
    if text is not None:
        wanted["text"] = clean_text(text, 4_000)
    if note is not None:
        wanted["note"] = clean_text(note, 2_000)
    if outcome is not None:
        wanted["outcome"] = str(Task.Outcome(outcome)) if outcome else ""
        if outcome and task.state != Task.State.DONE:
            raise BadValue("Only a task that is done has an outcome. Finish it first.")
    if assignee is not ...:
        wanted["assignee_id"] = assignee.pk if assignee else None
    if due_on is not ...:
        wanted["due_on"] = due_on if due_on == task.due_on else clean_day(due_on)
    return _change([task], None, by, **wanted)


def finish(tasks: Iterable[Task], *, outcome: str = "", note: str = "", by: Any = None) -> Before:
    """Tick open tasks off, with an outcome or without."""
    outcome = str(Task.Outcome(outcome)) if outcome else ""
    return _end(tasks, Task.State.DONE, note, by, outcome=outcome)


def skip(tasks: Iterable[Task], *, note: str = "", by: Any = None) -> Before:
    """Close open tasks that need not be done."""
    return _end(tasks, Task.State.SKIPPED, note, by)


def reopen(tasks: Iterable[Task]) -> Before:
    """Open tasks again that were done or skipped. A milestone that was reached before does not do them once more."""
    return _change(
        tasks, False, None, state=Task.State.OPEN, outcome="", done_by_id=None, done_at=None,
        reopened_at=timezone.now(),
    )  # fmt: skip


def assign(tasks: Iterable[Task], to: TeamMember | None, *, by: Any = None) -> Before:
    """Give open tasks to a colleague, who is told, or to nobody."""
    return _change(tasks, True, by, assignee_id=to.pk if to else None)


def postpone(tasks: Iterable[Task], to: dt.date | None) -> Before:
    """Give open tasks another day, or none. Raises BadValue for one that has passed or is too far ahead."""
    if to is not None and to < moment().today:
        raise BadValue("That day has passed. Choose today or a day to come.")
    return _change(tasks, True, None, due_on=clean_day(to))


def remove(tasks: Iterable[Task]) -> int:
    """Delete tasks; how many there were."""
    with transaction.atomic():
        rows = Task.objects.filter(pk__in=[one.pk for one in tasks])
        touch(rows.order_by().values_list("account_id", flat=True))
        return rows.delete()[1].get(Task._meta.label, 0)


def undo(before: Before) -> int:
    """Put back what was changed, and nothing that happened since; how many. One that was deleted stays deleted."""
    with transaction.atomic():
        rows = list(Task.objects.select_for_update(of=("self",)).filter(pk__in=before.values).order_by("pk"))
        for row in rows:
            for name, value in before.values[row.pk].items():
                setattr(row, name, value)
            # It may have been finished, skipped or opened again meanwhile.
            row.outcome = row.outcome if row.state == Task.State.DONE else ""
            if row.state == Task.State.OPEN:
                row.done_at = row.done_by_id = None
        _store(rows)
    return len(rows)


def clean_title(title: str) -> str:
    """One line that says what is to be done. Raises BadValue."""
    found = " ".join(clean_text(title, 200).split())
    if not found:
        raise BadValue("Say what is to be done, for example: Call the sponsor.")
    return found


def clean_day(day: dt.date | None) -> dt.date | None:
    """A day on which something may be due. Raises BadValue."""
    today = moment().today
    if day is not None and not today - LONGEST_AGO <= day <= today + LONGEST_AHEAD:
        raise BadValue("The day must lie between a year ago and three years ahead.")
    return day


def _end(tasks: Iterable[Task], state: str, note: str, by: Any, **more: Any) -> Before:
    person, said = _person(by), clean_text(note, 2_000)
    values: dict[str, Any] = {"state": state, "done_at": timezone.now(), "done_by_id": person.pk if person else None}
    return _change(tasks, True, by, **values, **more, **({"note": said} if said else {}))


def _change(tasks: Iterable[Task], is_open: bool | None, by: Any, **wanted: Any) -> Before:
    """Write values to those of the tasks that are open (or over; None: either) and differ; whoever gets one is told."""
    with transaction.atomic():
        rows = Task.objects.select_for_update(of=("self",)).filter(pk__in=[one.pk for one in tasks])
        if is_open is not None:
            rows = rows.open() if is_open else rows.exclude(state=Task.State.OPEN)
        found = list(rows.order_by("pk"))
        before = {row.pk: {name: getattr(row, name) for name in wanted} for row in found}
        changed = [row for row in found if before[row.pk] != wanted]
        for row in changed:
            for name, value in wanted.items():
                setattr(row, name, value)
        _store(changed)
        if "assignee_id" in wanted:
            tell_given([row for row in changed if row.assignee_id != before[row.pk]["assignee_id"]], by)
    return Before({row.pk: before[row.pk] for row in changed})


def _store(rows: Sequence[Task]) -> None:
    now = timezone.now()
    for row in rows:
        row.updated_at = now
    Task.objects.bulk_update(rows, [*FIELDS, "updated_at"], batch_size=500)
    touch(row.account_id for row in rows)


def _person(by: Any) -> Any:
    return by if getattr(by, "pk", None) else None
