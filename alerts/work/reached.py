"""Tasks that are done by themselves: their account has reached the milestone for which their step waits.

What accounts have reached is stored, so nothing is evaluated here, and running it again finds nothing left. A batch is
one transaction; a worker that is killed leaves its tasks open for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.utils import timezone

from alerts.models import AccountMilestone, MilestoneChange, Task
from alerts.models.milestone import State
from core.clock import Moment

AT_ONCE = 500


def due_to_be_done() -> QuerySet[Task]:
    """The open tasks whose milestone their account has now; one that a person opened again waits until it is reached
    anew. `reach` is the change with which it was reached last."""
    of = {"account": OuterRef("account"), "milestone": OuterRef("done_when")}
    changes = MilestoneChange.objects.filter(after=State.REACHED, **of).order_by("-at", "-pk")
    rows = Task.objects.open().filter(done_when__isnull=False)
    rows = rows.filter(Exists(AccountMilestone.objects.filter(state=State.REACHED, **of)))
    anew = Q(reopened_at__isnull=True) | Q(reopened_at__lt=Subquery(changes.values("noted_at")[:1]))
    return rows.filter(anew).annotate(reach=Subquery(changes.values("pk")[:1])).order_by("pk")


def finish_reached(now: Moment, tasks: Iterable[Task] | None = None) -> dict[int, Task]:
    """Tick off every task that is due to be done (or only these), each with the milestone and its day as its note;
    the tasks by primary key. The caller has their accounts evaluated again."""
    found: dict[int, Task] = {}
    due = due_to_be_done()
    if tasks is not None:
        due = due.filter(pk__in=[one.pk for one in tasks])
    while batch := _finish(due, now):
        found |= batch
    return found


def _finish(due: QuerySet[Task], now: Moment) -> dict[int, Task]:
    with transaction.atomic():
        # Those that somebody changes just now are looked at in the next run.
        free_ones = due.select_for_update(skip_locked=True, of=("self",)).select_related("done_when")
        rows = list(free_ones[:AT_ONCE])
        reach = {row.pk: getattr(row, "reach") for row in rows}  # noqa: B009  # the annotation
        changes = MilestoneChange.objects.in_bulk(filter(None, reach.values()))
        same: dict[str, list[Task]] = {}
        for row in rows:
            why = _why(str(row.done_when), changes.get(reach[row.pk]), now)
            row.state, row.note = Task.State.DONE, "\n".join(dict.fromkeys(filter(None, [why, row.note])))[:2_000]
            same.setdefault(row.note, []).append(row)
        # Most say the same: a statement for each note takes a fifth of the time of one with a case for each task.
        for note, those in same.items():
            Task.objects.filter(pk__in=[row.pk for row in those]).update(
                state=Task.State.DONE, note=note, done_at=Greatest(now.now, F("created_at")), updated_at=timezone.now()
            )
    return {row.pk: row for row in rows}


def _why(milestone: str, change: MilestoneChange | None, now: Moment) -> str:
    if change is None:
        return f"The account has reached “{milestone}”."
    day = change.at.astimezone(now.zone)
    return f"The account reached “{milestone}” on {'' if change.dated else 'or before '}{day.day} {day:%b %Y}."
