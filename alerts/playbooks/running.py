"""Running playbooks: who comes in, who has reached the goal, and each step that is due, by version and step.

A batch of enrolments at one step is one transaction: the step's effect, its row (one for each enrolment and step) and
the place to go on from are stored together or not at all. So a worker that is killed loses nothing and does nothing
twice, and two of them share the work (each takes rows that the other has not locked). What leaves csbox is not sent
here: the step's row waits for `alerts.playbooks.sending`. A playbook whose definition cannot be read any more stands
still and says why; the others go on.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest, Now

from accounts.models import Account
from alerts.models import Enrolment, Playbook, PlaybookVersion, StepRun, Task
from alerts.playbooks.acting import Acting, Next, act
from alerts.playbooks.definition import read_definition
from alerts.playbooks.editing import TASK
from alerts.playbooks.enrolling import enrol_for
from alerts.playbooks.steps import END, SENT, BranchStep, Definition, Step
from alerts.work.reached import due_to_be_done, finish_reached
from core.clock import Moment, moment
from core.jobs import enqueue
from core.models import Workspace
from core.working import free
from health.definition import DefinitionError
from segments.questions import Reader

log = logging.getLogger(__name__)
AT_ONCE = 500
SENDING = "alerts.tasks.send_playbook_messages"
State = Enrolment.State
OVER = {
    State.GOAL: "The playbook has reached its goal.",
    State.EXITED: "The account has left the playbook.",
    State.STOPPED: "The playbook was stopped.",
}


@dataclass
class Ran:
    """What a run did: enrolments begun and ended, steps taken, playbooks that stand still, and the accounts of all."""

    entered: int = 0
    ended: int = 0
    steps: int = 0
    stuck: int = 0
    accounts: set[int] = field(default_factory=set)


def run_playbooks(now: Moment | None = None) -> Ran:
    """Do everything that is due in every playbook that is switched on, by what is stored at this moment."""
    done, present = Ran(), now or moment()
    # Also where all are switched off: a task is there, whatever became of the playbook that made it.
    done.accounts.update(one.account_id for one in finish_reached(present).values())
    playbooks = Playbook.objects.filter(active=True).select_related("segment").order_by("pk")
    if not playbooks:  # as in most installations: nothing is asked of anything
        return done
    _wake_for_tasks(present)
    work = Acting(present, Reader.now(present), Workspace.get())
    for playbook in playbooks:
        try:
            _playbook(playbook, work, done)
        except DefinitionError as error:
            _stuck(playbook, error.problems[0].message, done)
        except Exception as error:  # whatever it is, the other playbooks go on
            log.exception("playbook %s stands still", playbook.key)
            _stuck(playbook, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", done)
    if work.to_send:
        enqueue(SENDING)
    return done


def wake_playbooks() -> None:
    """The tick's part: wake a worker for what is due, and for what a lost wake-up left."""
    now = moment()
    running = Enrolment.objects.filter(playbook__active=True)
    late = running.due(now.now).exists() or running.filter(_waits_in_vain()).running().exists()
    if late or due_to_be_done().exists():
        enqueue(TASK)
    if to_send().exists():
        enqueue(SENDING)


def to_send(now: dt.datetime | None = None) -> QuerySet[StepRun]:
    """The steps whose messages wait for a worker."""
    rows = StepRun.objects.filter(free(now), state=StepRun.State.WAITING, kind__in=SENT)
    return rows.filter(enrolment__state=State.RUNNING, enrolment__playbook__active=True)


def end_enrolments(rows: Sequence[Enrolment], state: str, now: dt.datetime, why: str = "") -> None:
    """End running enrolments. Unless they are finished (or failed), what they wait for is called off and their open
    tasks are skipped. The caller has a transaction and the rows."""
    for row in rows:
        row.state, row.ended_at, row.due_at, row.error = state, max(now, row.started_at), None, why[:500]
    Enrolment.objects.bulk_update(rows, ["state", "ended_at", "due_at", "error"], batch_size=AT_ONCE)
    if state not in OVER:
        return
    ids = [row.pk for row in rows]
    runs = StepRun.objects.filter(enrolment__in=ids)
    runs.filter(state=StepRun.State.WAITING).update(state=StepRun.State.CANCELLED, claim="")
    tasks = Task.objects.open().filter(step_run__enrolment__in=ids)
    tasks.update(
        state=Task.State.SKIPPED, done_at=Greatest(Now(), F("created_at")), note=OVER[State(state)], updated_at=Now()
    )


def _playbook(playbook: Playbook, work: Acting, done: Ran) -> None:
    """Who comes in, then everybody who is in it, each under their version. Raises DefinitionError if one of the
    versions cannot be read, after the others went on."""
    inside = {one.pk: one for one in playbook.versions.filter(enrolments__state=State.RUNNING).distinct()}
    newest = playbook.versions.first()
    unreadable: list[DefinitionError] = []
    for version in {**inside, **({newest.pk: newest} if newest else {})}.values():
        try:
            definition = read_definition(version.definition, work.reader)
        except DefinitionError as error:
            unreadable.append(error)
            continue
        entered = enrol_for(playbook, version, definition.first, work.now) if version == newest else []
        done.entered += len(entered)
        done.accounts.update(entered)
        if entered or version.pk in inside:
            _go_through(version, definition, work, done)
    if unreadable:
        raise unreadable[0]
    if playbook.error:
        Playbook.objects.filter(pk=playbook.pk).update(error="")


def _go_through(version: PlaybookVersion, definition: Definition, work: Acting, done: Ran) -> None:
    """End what is over, and take every step that is due: they lead forward only, so one pass reaches them all."""
    _end(version, definition, work, done)
    due = set(version.enrolments.due(work.now.now).order_by().values_list("step", flat=True).distinct())
    for step in definition.steps:
        if step.key in due:
            while taken := _take(version, step, work, done):
                done.steps += taken
            due |= {step.then, step.otherwise} if isinstance(step, BranchStep) else {step.then}


def _end(version: PlaybookVersion, definition: Definition, work: Acting, done: Ran) -> None:
    """End what is over: the goal is reached, the exit rule holds, the account is archived."""
    running = version.enrolments.running()
    _end_those(running.filter(account__archived_at__isnull=False), State.EXITED, work, done)
    for question, state in ((definition.goal, State.GOAL), (definition.exit, State.EXITED)):
        if question is not None:
            base = Account.objects.filter(pk__in=running.order_by().values("account"))
            met = list(question.accounts(base).values_list("pk", flat=True))
            _end_those(running.filter(account__in=met), state, work, done)


def _end_those(rows: QuerySet[Enrolment], state: str, work: Acting, done: Ran) -> None:
    with transaction.atomic():
        found = list(rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
        if found:
            end_enrolments(found, state, work.now.now)
            done.ended += len(found)
            done.accounts.update(row.account_id for row in found)


def _take(version: PlaybookVersion, step: Step, work: Acting, done: Ran) -> int:
    """Take one step for a batch of those that are due for it; how many."""
    with transaction.atomic():
        due = version.enrolments.due(work.now.now).filter(step=step.key)
        free_ones = due.select_for_update(skip_locked=True, of=("self",)).select_related("account")
        rows = list(free_ones.order_by("pk")[:AT_ONCE])
        if not rows:
            return 0
        begun = {run.enrolment_id: run for run in StepRun.objects.filter(enrolment__in=rows, step=step.key)}
        following = _resumed(step, [begun[row.pk] for row in rows if row.pk in begun], work)
        following |= act(step, [row for row in rows if row.pk not in begun], work)
        finished, failed = [], []
        for row in rows:
            found = following[row.pk]
            row.step, row.due_at = "" if found.step == END else found.step, found.due_at
            if found.error:
                failed.append(row)
                end_enrolments([row], State.FAILED, work.now.now, found.error)
            elif found.step == END:
                finished.append(row)
        Enrolment.objects.bulk_update(rows, ["step", "due_at"])
        end_enrolments(finished, State.FINISHED, work.now.now)
        done.ended += len(finished) + len(failed)
        done.accounts.update(row.account_id for row in rows)
    return len(rows)


def _resumed(step: Step, runs: Iterable[StepRun], work: Acting) -> dict[int, Next]:
    """Where those go on whose step was begun before: a task that is over lets them pass; a message is still awaited."""
    found = {}
    over = []
    for run in runs:
        if run.state == StepRun.State.WAITING and run.kind in SENT:
            found[run.enrolment_id] = Next(step.key, None)
            continue
        if run.state != StepRun.State.DONE:
            run.state, run.done_at = StepRun.State.DONE, work.now.now
            over.append(run)
        found[run.enrolment_id] = Next(step.then, work.now.now)
    StepRun.objects.bulk_update(over, ["state", "done_at"])
    return found


def _waits_in_vain() -> Q:
    """Those that wait for a task that is over, or gone."""
    waiting = StepRun.objects.filter(state=StepRun.State.WAITING, kind="task")
    return Q(due_at__isnull=True, pk__in=waiting.exclude(task__state=Task.State.OPEN).values("enrolment"))


def _wake_for_tasks(now: Moment) -> None:
    Enrolment.objects.running().filter(_waits_in_vain()).update(due_at=now.now)


def _stuck(playbook: Playbook, why: str, done: Ran) -> None:
    done.stuck += 1
    if playbook.error != why[:500]:
        Playbook.objects.filter(pk=playbook.pk).update(error=why[:500])
