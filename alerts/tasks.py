"""What the background worker does for alerts. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from accounts.touching import touch
from alerts import raising
from alerts.playbooks import running, sending
from segments.refresh import refresh_due


def raise_alerts() -> None:
    """After a rule was saved: answer its questions first, so that its members are those of the new definition."""
    refresh_due()
    raising.raise_alerts()


def run_playbooks() -> None:
    """Take the steps that are due; what rules may ask about is evaluated again."""
    touch(running.run_playbooks().accounts)


def send_playbook_messages() -> None:
    """Send what steps wrote down."""
    sending.send_due()
