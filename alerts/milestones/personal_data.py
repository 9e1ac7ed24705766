"""What milestones hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from accounts.personal_data import mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, hold
from alerts.models import AccountMilestone, MilestoneChange

hold(
    Holding(
        key="milestone_mentions", label="Reasons of a milestone set by hand that name the person (likewise)",
        model=MilestoneChange, order=30, find={USER: mentions_in(MilestoneChange, "reason")},
        erase=redacting("milestone_mentions", "reason"),
        columns={"at": "at", "account": "account__external_id", "reason": "reason"},
    ),
    Holding(
        key="milestones", label="Milestones", model=AccountMilestone, find={ACCOUNT: of_account(AccountMilestone)},
        columns={
            "milestone": "milestone__name", "state": "state", "since": "since", "starts_on": "starts_on",
            "due_on": "due_on", "reached_at": "reached_at", "won_at": "won_at", "lost_at": "lost_at",
        },
    ),
    Holding(
        key="milestone_changes", label="What happened to milestones", model=MilestoneChange,
        find={ACCOUNT: of_account(MilestoneChange)},
        columns={
            "milestone": "milestone__name", "kind": "kind", "at": "at", "origin": "origin", "reason": "reason",
        },
    ),
)  # fmt: skip
