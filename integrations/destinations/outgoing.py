"""The job: look for what changed, then send; woken by refreshes, by people, and by the tick for what was left."""

from __future__ import annotations

from core.jobs import enqueue
from core.locks import held
from integrations.destinations.filling import TASK, is_to_look, look
from integrations.destinations.sending import ready, send_due
from integrations.models import Destination

BUDGET = 120.0  # seconds of each half, before the queue gets its worker back


def is_due() -> bool:
    """Whether a destination has something to be told."""
    return Destination.objects.open().exists() and (is_to_look() or ready().exists())


def run(budget: float = BUDGET) -> None:
    """Both halves; more that comes meanwhile asks for another run."""
    with held("destinations") as mine:
        if mine and Destination.objects.open().exists():
            look(budget)
    send_due(budget)
    if is_due():
        enqueue(TASK)
