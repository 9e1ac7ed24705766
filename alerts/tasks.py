"""What the background worker does for alerts. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from alerts import raising
from alerts.notifying import digests, sending, telling
from core.jobs import enqueue
from segments.refresh import refresh_due


def raise_alerts() -> None:
    """After a rule was saved: answer its questions first, so that its members are those of the new definition."""
    refresh_due()
    raising.raise_alerts()


def send_notices() -> None:
    """Tell whom notes name, make the digests that are due, and send what is due."""
    telling.tell_mentions()
    digests.make_digests()
    sending.send_due()
    if sending.is_due():
        enqueue(telling.TASK)
