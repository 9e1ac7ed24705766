"""What the background worker does for alerts. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from accounts.touching import touch
from alerts import raising
from alerts.comparing import running as comparing
from alerts.notifying import digests, sending, telling
from alerts.playbooks import running
from alerts.playbooks import sending as playbook_sending
from alerts.replaying import running as replaying
from core.jobs import enqueue
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
    playbook_sending.send_due()


def send_notices() -> None:
    """Tell whom notes name, make the digests that are due, and send what is due."""
    telling.tell_mentions()
    digests.make_digests()
    sending.send_due()
    if sending.is_due():
        enqueue(telling.TASK)


def work_on_comparison(pk: int) -> None:
    """Go on with a comparison of who came into a playbook or segment with who did not."""
    comparing.work(pk)


def work_on_replay(pk: int) -> None:
    """Go on with a replay of an alert rule."""
    replaying.work(pk)
