"""What a team acts on: alert rules and their alerts, tasks, playbooks."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.notice import Delivery, Notice, NoticeChannel, NoticeSettings, RuleChoice, RuleNotices
from alerts.models.playbook import Enrolment, Playbook, PlaybookVersion, StepRun
from alerts.models.replay import AlertReplay, AlertReplayDay
from alerts.models.task import Task, TaskCalendar

__all__ = [
    "Alert", "AlertEntry", "AlertReplay", "AlertReplayDay", "AlertRule", "AlertRuleVersion", "Delivery", "Enrolment",
    "Notice", "NoticeChannel", "NoticeSettings", "Playbook", "PlaybookVersion", "RuleChoice", "RuleNotices", "StepRun",
    "Task", "TaskCalendar",
]  # fmt: skip
