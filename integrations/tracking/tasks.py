"""What the worker does for messages that come in."""

from __future__ import annotations

from django.utils import timezone

from integrations.tracking import spool
from integrations.tracking.settling import forget_given
from integrations.tracking.tallies import forget_messages, sum_tallies


def drain_spool() -> None:
    """Record what was kept on this machine's disk while the database was away."""
    spool.drain()


def tidy_messages() -> None:
    """Forget old messages and requests that were set aside, and add up the tallies of the hours that are over."""
    sum_tallies(timezone.now())
    forget_messages(timezone.now())
    spool.forget_aside(timezone.now())
    forget_given(timezone.now())
