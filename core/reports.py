"""Reports that take a while: asked for by a person, made piece by piece in the background, read once they are done.

Each piece is stored in a transaction of its own. A worker that dies leaves the pieces that are done; the tick finds the
report after two minutes and the next worker goes on with the piece after them. One that cannot be finished says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import QuerySet

from core.jobs import enqueue
from core.models import Timestamped
from core.working import NotNow, Superseded, Worked, end, free, let_go, still_mine, take_one

log = logging.getLogger(__name__)
SLICE = 90.0  # seconds of work for one wake-up, well below the time that a task may take
AT_ONCE = 3  # of one person
AGAIN = "Something failed on the server; it is tried again. The log says more."


class State(models.TextChoices):
    """Where a report stands; while it is running it waits, or works for whoever holds the claim."""

    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class Report(Timestamped, Worked):
    """What such reports have in common; each kind says how many `steps` it takes.

    `called` is what one is called in a sentence, `task` what works on it, `pieces` the name of the rows in which its
    pieces are kept until it ends, `simpler` what could be tried where it kills its worker time and again.
    """

    State = State
    called: ClassVar[str]
    task: ClassVar[str]
    pieces: ClassVar[str]
    simpler: ClassVar[str]
    steps: Any

    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    done = models.PositiveIntegerField(default=0)
    report: Any = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ("-id",)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return bool(self.state == State.RUNNING)

    @property
    def percent(self) -> int:
        """How much of it is done, 0 to 100."""
        return min(100, self.done * 100 // max(1, self.steps))


def begin_report(made: Report) -> None:
    """Store a new one and let it be worked on, in the caller's transaction. Raises NotNow with too many at once."""
    running = type(made)._default_manager.filter(author=made.author, state=State.RUNNING)
    if made.author is not None and running.count() >= AT_ONCE:
        raise NotNow(f"{AT_ONCE} of your {made.called}s are running. Wait for one, or cancel it.")
    made.save()
    enqueue(made.task, made.pk)


def close_report(report: Report, state: str, error: str = "") -> None:
    """End it, in the transaction that holds its row; its pieces are not needed any more."""
    end(report, state, error)
    getattr(report, report.pieces).all().delete()


@transaction.atomic
def cancel_report(report: Report) -> None:
    """Stop after the piece in hand; what was found is thrown away. Raises NotNow."""
    current = type(report)._default_manager.select_for_update(of=("self",)).get(pk=report.pk)
    if current.state != State.RUNNING:
        raise NotNow(f"This {report.called} is not running.")
    close_report(current, State.CANCELLED)


def due_reports(kind: type[Report]) -> QuerySet[Any]:
    """Those that wait for somebody to work on them, or whose worker was lost."""
    return kind._default_manager.filter(free(), state=State.RUNNING)


def wake_reports(*kinds: type[Report]) -> None:
    """Once a minute: wake what is due."""
    for kind in kinds:
        for pk in due_reports(kind).order_by("next_attempt_at").values_list("pk", flat=True)[:20]:
            enqueue(kind.task, pk)


@transaction.atomic
def take_report(kind: type[Report], pk: int) -> Any:
    """Claim one that is due; None if somebody else works on it or nothing is to be done."""
    row = take_one(due_reports(kind), pk)
    if row is not None and not row.claim:
        given_up = f"The worker ended in the middle, five times. {row.simpler}"
        close_report(row, State.FAILED, row.error or given_up)
        return None
    return row


@contextmanager
def working_on(report: Report, reason: Callable[[Exception], str | None]) -> Iterator[None]:
    """A slice of the work. What goes wrong ends the report where `reason` says why it cannot be made, in a sentence;
    everything else (None) is logged, and the report is tried again some time later."""
    try:
        yield
    except Superseded:
        return
    except Exception as error:
        why = reason(error)
        if why is not None:
            fail_report(report, why)
            return
        log.exception("a %s stopped", report.called, extra={"report": report.pk})
        let_go(report, report.task, AGAIN, report.attempts)


@transaction.atomic
def finish_report(report: Report, found: dict[str, Any]) -> None:
    """Store what was found. Raises Superseded."""
    still_mine(report)
    report.report = found
    report.save(update_fields=["report"])
    close_report(report, State.DONE)


def fail_report(report: Report, why: str) -> None:
    """End it with a sentence that says why it cannot be made."""
    with suppress(Superseded), transaction.atomic():
        still_mine(report)
        close_report(report, State.FAILED, why)
