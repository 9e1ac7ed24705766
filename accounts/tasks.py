"""What the background worker does for privacy. Tasks may run twice, late or never; they return None."""

from __future__ import annotations

from accounts.privacy import erasing, exporting

SECONDS = 200  # less than a task may take (Q_CLUSTER's timeout); the tick wakes the rest


def continue_erasures() -> None:
    """Go on with every erasure that is not done."""
    erasing.continue_erasures(SECONDS)


def make_exports() -> None:
    """Make the exports that are waited for."""
    exporting.make_exports()
