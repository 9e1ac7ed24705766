"""After a load: the figures and the segments that follow from the new facts."""

from __future__ import annotations

from accounts.billing import roll_up_billing
from core.clock import moment
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments
from usage.metrics import refresh_metrics
from usage.rollup import roll_up


def follow_up() -> int:
    """Bring usage, billing and segment members up to date; returns how many segments were refreshed."""
    present = moment()
    roll_up(present)
    roll_up_billing(present)
    refresh_metrics(present)
    if not Segment.everything.exists():
        return 0
    return refresh_segments(RefreshRun.Trigger.DATA, present).done
