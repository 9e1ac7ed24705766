"""What the background worker does for integrations. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from integrations.connections.running import run_due
from integrations.destinations import outgoing
from integrations.imports import running, scheduling, storing


def run_connections() -> None:
    """Work on the runs of connections that are due."""
    run_due()


def work_on_import(pk: int) -> None:
    """Go on with an import, or with undoing one."""
    running.work(pk)


def fetch_scheduled(pk: int) -> None:
    """Fetch what a schedule names, if its time has come."""
    scheduling.run(pk)


def forget_old_files() -> None:
    """Delete the files whose time is up."""
    storing.forget_old_files()


def sync_out() -> None:
    """Find what changed for destinations, and send what waits."""
    outgoing.run()
