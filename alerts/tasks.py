"""What the background worker does for alerts. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from alerts import raising
from alerts.replaying import running
from segments.refresh import refresh_due


def raise_alerts() -> None:
    """After a rule was saved: answer its questions first, so that its members are those of the new definition."""
    refresh_due()
    raising.raise_alerts()


def work_on_replay(pk: int) -> None:
    """Go on with a replay of an alert rule."""
    running.work(pk)
