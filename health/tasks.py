"""What the worker does for health."""

from __future__ import annotations

from health.backtest import running
from health.requesting import score_requested


def score() -> None:
    """Score every account after a change of the configs, and ask for the segments that read health."""
    score_requested()


def work_on_back_test(pk: int) -> None:
    """Go on with a back-test."""
    running.work(pk)
