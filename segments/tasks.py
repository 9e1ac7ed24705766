"""What the background worker does for segments. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from segments.refresh import refresh_due as answer_requests


def refresh_due() -> None:
    """Answer the open requests to refresh."""
    answer_requests()
