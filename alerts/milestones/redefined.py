"""Milestones whose definition changed: what reads their fields moves by that, and not by the customers' doing."""

from __future__ import annotations

from accounts.fields.uses import tell_of_fields

OVERALL = ("milestones.reached", "milestones.overdue", "milestones.lost", "milestones.last_reached_at")


def field_keys(key: str) -> tuple[str, str, str]:
    """The keys of a milestone's fields: its state, when it was reached, the days that it took."""
    return f"milestone.{key}", f"milestone.{key}.reached_at", f"milestone.{key}.days"


def tell_redefined(key: str) -> None:
    """Have everything evaluated again that reads a milestone, or all of them together. Call it in the transaction that
    changed what they say."""
    tell_of_fields([*field_keys(key), *OVERALL], redefined=True)
