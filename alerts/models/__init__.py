"""What a team acts on: alert rules and their alerts; milestones and how far accounts have come."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.milestone import AccountMilestone, Milestone, MilestoneChange, MilestoneVersion

__all__ = [
    "AccountMilestone",
    "Alert",
    "AlertEntry",
    "AlertRule",
    "AlertRuleVersion",
    "Milestone",
    "MilestoneChange",
    "MilestoneVersion",
]
