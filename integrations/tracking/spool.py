"""What is kept on the disk while the database is away."""

from __future__ import annotations

from integrations.tracking.requests import Received


def is_database_away() -> bool:
    """Not known yet."""
    return False


def note_database_away() -> None:
    """Not known yet."""


def keep_if_known(received: Received) -> bool:
    """Nothing is kept yet."""
    return False
