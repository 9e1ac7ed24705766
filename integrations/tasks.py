"""What the background worker does for integrations. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from integrations.connections.running import run_due


def run_connections() -> None:
    """Work on the runs of connections that are due."""
    run_due()
