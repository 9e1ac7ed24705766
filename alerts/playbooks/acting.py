"""What each kind of step does, for a batch of enrolments at once, inside the transaction of whoever runs it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.assigning import assign, holders_of
from accounts.facts import Fact, record_accounts
from accounts.models import Account, TeamMember
from alerts.messages import filled
from alerts.models import Enrolment, Milestone, StepRun, Task
from alerts.notifying.tasks import tell_given
from alerts.playbooks.steps import (
    END,
    AssignStep,
    BranchStep,
    DelayStep,
    EmailStep,
    SetStep,
    Step,
    TaskStep,
    WebhookStep,
)
from alerts.work.days import day_after
from alerts.work.reached import finish_reached
from core.clock import Moment
from core.models import Workspace
from segments.questions import Reader

SOURCE = "playbook"


@dataclass
class Acting:
    """What steps are taken against: the moment, what rules are read with, the settings; whether messages wait."""

    now: Moment
    reader: Reader
    workspace: Workspace
    to_send: bool = False


@dataclass(frozen=True)
class Next:
    """Where an enrolment goes on: the step and when it is due (None: something else is awaited); or why it cannot."""

    step: str
    due_at: dt.datetime | None
    error: str = ""


def act(step: Step, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    """Take a step that was not begun for any of these; where each goes on, by the enrolment's primary key."""
    return _ACTS[type(step)](step, rows, work) if rows else {}


def colleagues_for(role: str, to: str, accounts: Collection[int]) -> dict[int, TeamMember]:
    """Whoever plays a role for each account, else the colleague `to`; those left out who cannot log in."""
    held = holders_of(role, accounts) if role else {}
    members = TeamMember.objects.filter(user__is_active=True).select_related("user")
    known = {one.pk: one for one in members.filter(pk__in=set(held.values()))}
    other = members.filter(key=to).first() if to else None
    found = {pk: known.get(held.get(pk, 0), other) for pk in accounts}
    return {pk: member for pk, member in found.items() if member is not None}


def _task(step: TaskStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    """One that nobody need do, for the account has reached the milestone with which it is done, is done at once."""
    accounts = [row.account_id for row in rows]
    titles, texts = (
        filled(text, accounts, work.reader, most) for text, most in ((step.title, 200), (step.text, 4_000))
    )
    whose = colleagues_for(step.role, step.to, accounts)
    due = day_after(work.now.today, step.due, work.workspace) if step.due else None
    done_when = Milestone.objects.filter(key=step.done_when).first() if step.done_when else None
    tasks = Task.objects.bulk_create(
        Task(
            account_id=pk, title=titles.get(pk) or step.title[:200], text=texts.get(pk, ""), assignee=whose.get(pk),
            due_on=due, origin=Task.Origin.PLAYBOOK, done_when=done_when,
        )
        for pk in accounts
    )  # fmt: skip
    over = finish_reached(work.now, tasks) if done_when else {}
    tell_given([one for one in tasks if one.pk not in over], giver=f"Playbook {rows[0].playbook.name}")
    waits = StepRun.State.WAITING if step.wait else StepRun.State.DONE
    when = f", due {due.day} {due:%b %Y}" if due else ""
    said = [
        f"Nobody need do it. {over[one.pk].note}" if one.pk in over
        else f"Task for {one.assignee or 'nobody yet'}{when}."
        for one in tasks
    ]  # fmt: skip
    _note(step, rows, work, said, tasks=tasks, state=waits)
    if step.wait:
        return {
            row.pk: Next(step.key, work.now.now if one.pk in over else None)
            for row, one in zip(rows, tasks, strict=True)
        }
    return _on(step, rows, work)


def _delay(step: DelayStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    """By the local clock: the same time of a later day, or the one that the step says."""
    local = work.now.now.astimezone(work.now.zone)
    if step.span is None:
        until = work.now.now + dt.timedelta(hours=step.hours)
    else:
        day = day_after(work.now.today, step.span, work.workspace)
        until = dt.datetime.combine(day, step.at or local.time(), tzinfo=work.now.zone)
    shown = until.astimezone(work.now.zone)
    said = f"Until {shown.day} {shown:%b %Y, %H:%M}."
    _note(step, rows, work, [said] * len(rows))
    if step.then == END:
        return {row.pk: Next(END, work.now.now) for row in rows}
    return {row.pk: Next(step.then, until) for row in rows}


def _branch(step: BranchStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    assert step.rule is not None
    base = Account.objects.filter(pk__in=[row.account_id for row in rows])
    holds = set(step.rule.accounts(base).values_list("pk", flat=True))
    said = ["The rule holds." if row.account_id in holds else "The rule does not hold." for row in rows]
    _note(step, rows, work, said)
    ways = {row.pk: step.then if row.account_id in holds else step.otherwise for row in rows}
    return {pk: Next(way, work.now.now) for pk, way in ways.items()}


def _set(step: SetStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    """Through the one write side; what it refuses (an erased account, an attribute that is gone) ends the enrolment."""
    facts = [Fact(row.account.external_id, {step.field: step.value}, work.now.now) for row in rows]
    refused = {reject.index: reject.reason for reject in record_accounts(facts, source=SOURCE).rejected}
    taken = [row for place, row in enumerate(rows) if place not in refused]
    _note(step, taken, work, [step.words()] * len(taken))
    found = _on(step, taken, work)
    return found | {rows[place].pk: Next(step.key, None, why) for place, why in refused.items()}


def _assign(step: AssignStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    members = {one.key: one for one in TeamMember.objects.filter(user__is_active=True, key__in=step.to)}
    turn = [members[key] for key in step.to if key in members]
    if not turn:
        why = "None of the colleagues whom the step names can log in. Name others, and try again."
        return {row.pk: Next(step.key, None, why) for row in rows}
    held = holders_of(step.role, [row.account_id for row in rows]) if step.only_free else {}
    whose = {row.pk: turn[row.pk % len(turn)] for row in rows if row.account_id not in held}
    for member in turn:
        assign([row.account_id for row in rows if whose.get(row.pk) == member], member, step.role)
    said = [f"{whose[row.pk]} as {step.role}." if row.pk in whose else "Somebody is already." for row in rows]
    _note(step, rows, work, said)
    return _on(step, rows, work)


def _send(step: EmailStep | WebhookStep, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    """Written down to be sent by a worker; the enrolment waits for it."""
    _note(step, rows, work, [""] * len(rows), state=StepRun.State.WAITING)
    work.to_send = True
    return {row.pk: Next(step.key, None) for row in rows}


def _note(
    step: Step, rows: Sequence[Enrolment], work: Acting, said: Sequence[str], *, tasks: Sequence[Task] = (),
    state: str = StepRun.State.DONE,
) -> None:  # fmt: skip
    done_at = work.now.now if state == StepRun.State.DONE else None
    StepRun.objects.bulk_create(
        StepRun(
            enrolment=row, step=step.key, kind=step.kind, state=state, begun_at=work.now.now, done_at=done_at,
            text=text[:500], task=tasks[place] if tasks else None,
        )
        for place, (row, text) in enumerate(zip(rows, said, strict=True))
    )  # fmt: skip


def _on(step: Step, rows: Sequence[Enrolment], work: Acting) -> dict[int, Next]:
    return {row.pk: Next(step.then, work.now.now) for row in rows}


_ACTS: dict[type[Step], Callable[[Any, Sequence[Enrolment], Acting], dict[int, Next]]] = {
    TaskStep: _task, DelayStep: _delay, BranchStep: _branch, SetStep: _set, AssignStep: _assign, EmailStep: _send,
    WebhookStep: _send,
}  # fmt: skip
