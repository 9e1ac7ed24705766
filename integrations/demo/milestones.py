"""What the invented company wants its customers to reach: four steps of onboarding, and being ready for a renewal."""

from __future__ import annotations

from typing import Any

from alerts.milestones.editing import Expected, save_milestone
from alerts.models import Milestone
from integrations.demo.questions import condition, every
from segments.models import Segment

NEW = ("Onboarding", "Trial")


def happened(event: str, times: int, **more: Any) -> dict[str, Any]:
    """An event at least so many times."""
    return {"event": event, "op": "at_least", "value": times, "window": "ever"} | more


CHAMPION = {"users": "any", "where": every(condition("relationship.role", "is", "champion"))}
HALF = condition("account.active_users_30d", "at_least", {"percent": 50, "of": "account.licences"})

MILESTONES: list[tuple[str, str, tuple[str, ...], dict[str, Any], int | None, bool]] = [
    ("First login", "Somebody has signed in.", NEW, every(happened("Signed In", 1)), 3, True),
    ("Data connected", "Their own data is in the product.", NEW, every(happened("Data Imported", 1)), 5, True),
    ("Team invited", "Three people have signed in.", NEW, every(happened("Signed In", 3, measure="users")), 14, True),
    ("Weekly use", "Somebody works with it on three days of seven.", NEW,
     every(happened("Signed In", 3, measure="days", window={"last": 7, "unit": "day"})), 30, False),
    ("Renewal ready", "A champion, and half of the licences in use.", ("Renewal next 90 days",),
     every(CHAMPION, HALF), None, False),
]  # fmt: skip


def plan(author: Any) -> int:
    """Save the milestones; returns how many were made. Accounts are looked at with the next refresh."""
    if Milestone.objects.exists():
        return 0
    segments = {segment.name: segment for segment in Segment.objects.all()}
    for name, words, targets, rule, days, sticky in MILESTONES:
        save_milestone(
            None, name=name, description=words, condition=rule, expected=Expected(days), sticky=sticky, author=author,
            segments=[segments[target] for target in targets if target in segments],
        )  # fmt: skip
    return len(MILESTONES)
