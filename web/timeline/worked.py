"""Work on the timeline: tasks added and done, playbooks begun and ended, milestones as they moved."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.models import Account
from alerts.models import Enrolment, MilestoneChange, Task
from core.clock import Moment
from health.models import name_of
from web.templatetags.csbox import day_text
from web.timeline.entries import Entry, Source, Told

MOVED = {
    MilestoneChange.Kind.REACHED.value: "Milestone reached", MilestoneChange.Kind.REWON.value: "Milestone won again",
    MilestoneChange.Kind.LOST.value: "Milestone lost", MilestoneChange.Kind.OVERDUE.value: "Milestone overdue",
    MilestoneChange.Kind.IN_TIME.value: "Milestone in time again", MilestoneChange.Kind.RESET.value: "Milestone reset",
    MilestoneChange.Kind.OUT.value: "Milestone no longer aimed at",
    MilestoneChange.Kind.BACK.value: "Milestone aimed at again",
}  # fmt: skip


def _added(account: Account, now: Moment) -> QuerySet[Task]:
    rows = Task.objects.filter(account=account).annotate(happened=F("created_at"))
    return rows.select_related("assignee", "created_by__member")


def _tell_added(rows: Sequence[Task], told: Told) -> list[Entry]:
    return [
        Entry(
            one.created_at, "task", f"Task added: {one.title}", _aim(one),
            name_of(one.created_by) if one.created_by else "",
        )
        for one in rows
    ]  # fmt: skip


def _aim(task: Task) -> str:
    due = f"due {day_text(task.due_on)}" if task.due_on else "no day"
    return f"For {task.assignee or 'nobody yet'}, {due}"


def _over(account: Account, now: Moment) -> QuerySet[Task]:
    rows = Task.objects.filter(account=account, done_at__isnull=False).annotate(happened=F("done_at"))
    return rows.select_related("done_by__member")


def _tell_over(rows: Sequence[Task], told: Told) -> list[Entry]:
    return [
        Entry(
            getattr(one, "happened"), "task", f"Task {one.get_state_display().lower()}: {one.title}",  # noqa: B009
            ". ".join(filter(None, [one.get_outcome_display(), one.note])), name_of(one.done_by) if one.done_by else "",
        )
        for one in rows
    ]  # fmt: skip


def _begun(account: Account, now: Moment) -> QuerySet[Enrolment]:
    rows = Enrolment.objects.filter(account=account).annotate(happened=F("started_at"))
    return rows.select_related("playbook", "alert__rule", "membership__segment", "enrolled_by__member")


def _tell_begun(rows: Sequence[Enrolment], told: Told) -> list[Entry]:
    return [
        Entry(
            one.started_at, "list", f"Playbook began: {one.playbook.name}", _cause(one),
            name_of(one.enrolled_by) if one.enrolled_by else "", reverse("playbook", args=[one.playbook_id]),
        )
        for one in rows
    ]  # fmt: skip


def _cause(enrolment: Enrolment) -> str:
    if enrolment.alert:
        return f"The alert “{enrolment.alert.rule.name}” opened"
    return f"Entered “{enrolment.membership.segment.name}”" if enrolment.membership else ""


def _ended(account: Account, now: Moment) -> QuerySet[Enrolment]:
    rows = Enrolment.objects.filter(account=account, ended_at__isnull=False).annotate(happened=F("ended_at"))
    return rows.select_related("playbook")


def _tell_ended(rows: Sequence[Enrolment], told: Told) -> list[Entry]:
    return [
        Entry(
            getattr(one, "happened"), "list", f"Playbook ended: {one.playbook.name}",  # noqa: B009
            ". ".join(filter(None, [one.get_state_display(), one.error])),
            url=reverse("playbook", args=[one.playbook_id]),
        )
        for one in rows
    ]  # fmt: skip


def _moved(account: Account, now: Moment) -> QuerySet[MilestoneChange]:
    rows = MilestoneChange.objects.filter(account=account).annotate(happened=F("at"))
    return rows.select_related("milestone", "by__member")


def _tell_moved(rows: Sequence[MilestoneChange], told: Told) -> list[Entry]:
    return [
        Entry(
            one.at, "flag", f"{MOVED[one.kind]}: {one.milestone.name}", _why(one), name_of(one.by) if one.by else "",
            reverse("milestones"),
        )
        for one in rows
    ]  # fmt: skip


def _why(change: MilestoneChange) -> str:
    if change.origin == MilestoneChange.Origin.DEFINITION:
        return "Its definition was changed"
    return change.reason if change.dated else "; ".join(filter(None, [change.reason, "on this day or before"]))


SOURCES = (
    Source("task", "tasks", _added, _tell_added),
    Source("taskend", "tasks", _over, _tell_over),
    Source("play", "playbooks", _begun, _tell_begun),
    Source("playend", "playbooks", _ended, _tell_ended),
    Source("milestone", "milestones", _moved, _tell_moved),
)
