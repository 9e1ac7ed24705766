"""What the worker does for health."""

from __future__ import annotations

from accounts.fields import Stage, vocabulary
from health.backtest import running
from health.refresh import refresh_health
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_due, request_refresh
from segments.stages import split_by_stage


def score() -> None:
    """Score every account after a change of the configs, and ask for the segments that read health.

    A config may come with a segment that was made a moment ago: what waits for its members is answered first.
    """
    refresh_due()
    refresh_health(RefreshRun.Trigger.SAVE)
    _, late = split_by_stage(Segment.everything.all(), vocabulary(), Stage.HEALTH)
    if late:
        request_refresh(late)


def work_on_back_test(pk: int) -> None:
    """Go on with a back-test."""
    running.work(pk)
