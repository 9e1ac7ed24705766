"""What a team acts on: alert rules and their alerts, milestones, tasks, playbooks; and who is told."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.comparison import ComparedAccount, Comparison
from alerts.models.milestone import AccountMilestone, Milestone, MilestoneChange, MilestoneVersion
from alerts.models.notice import (
    Delivery,
    MilestoneNotices,
    Notice,
    NoticeChannel,
    NoticeSettings,
    RuleChoice,
    RuleNotices,
)
from alerts.models.playbook import Enrolment, Playbook, PlaybookVersion, StepRun
from alerts.models.replay import AlertReplay, AlertReplayDay
from alerts.models.task import Task, TaskCalendar

__all__ = [
    "AccountMilestone", "Alert", "AlertEntry", "AlertReplay", "AlertReplayDay", "AlertRule", "AlertRuleVersion",
    "ComparedAccount", "Comparison", "Delivery", "Enrolment", "Milestone", "MilestoneChange", "MilestoneNotices",
    "MilestoneVersion", "Notice", "NoticeChannel", "NoticeSettings", "Playbook", "PlaybookVersion", "RuleChoice",
    "RuleNotices", "StepRun", "Task", "TaskCalendar",
]  # fmt: skip
