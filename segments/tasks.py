"""What the background worker does for segments. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from segments.models import RefreshRun
from segments.refresh import refresh_due as answer_requests


def refresh_due(trigger: str = RefreshRun.Trigger.SAVE) -> None:
    """Answer the open requests to refresh; `trigger` is what the run's record says."""
    answer_requests(trigger)
