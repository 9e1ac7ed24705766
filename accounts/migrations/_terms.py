"""The words that a new installation starts with; a company renames or extends them in the admin."""

from __future__ import annotations

from typing import Any

STAGES = [("trial", "Trial", "trial"), ("onboarding", "Onboarding", "onboarding"), ("live", "Live", "live"),
          ("cancelled", "Cancelled", "cancelled")]  # fmt: skip
LEVELS = [("strategic", "Strategic"), ("qualified", "Qualified"), ("target", "Target"), ("at-risk", "At risk")]
STATUSES = [("prospect", "Prospect"), ("customer", "Customer"), ("partner", "Partner"), ("former", "Former customer")]
SUBSCRIPTION_STATUSES = [("active", "Active", "active"), ("trial", "Trial", "future"), ("future", "Future", "future"),
                         ("suspended", "Suspended", "suspended"), ("cancelled", "Cancelled", "cancelled")]  # fmt: skip
ROLES = [("csm", "CSM"), ("onboarding-manager", "Onboarding manager"), ("account-manager", "Account manager")]


def fill(apps: Any, schema_editor: Any) -> None:
    """Add what is not there; what a company already has is left alone."""

    def add(model: str, rows: list[tuple[str, ...]]) -> None:
        for position, (key, name, *kind) in enumerate(rows, start=1):
            values = {"name": name, "position": position} | ({"kind": kind[0]} if kind else {})
            apps.get_model("accounts", model).objects.get_or_create(key=key, defaults=values)

    add("LifecycleStage", STAGES)
    add("AccountLevel", LEVELS)
    add("AccountStatus", STATUSES)
    add("SubscriptionStatus", SUBSCRIPTION_STATUSES)
    add("AssignmentRole", ROLES)
