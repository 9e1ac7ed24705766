"""What the background worker does for milestones. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from accounts.touching import touch
from alerts.milestones.backfilling import date_reached
from alerts.milestones.reaching import reach_for
from segments.refresh import refresh_due


def look_at_milestones() -> None:
    """After a milestone was saved: answer its question, look at its accounts, and find out since when it has held for
    those of which it held already. Segments and alerts that read milestones follow with the next evaluation."""
    refresh_due()
    moved = reach_for(only_new=True)
    touch(moved.accounts | date_reached())
