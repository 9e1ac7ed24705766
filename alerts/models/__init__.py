"""What a team acts on: alert rules and their alerts, tasks, playbooks."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.playbook import Enrolment, Playbook, PlaybookVersion, StepRun
from alerts.models.task import Task, TaskCalendar

__all__ = [
    "Alert", "AlertEntry", "AlertRule", "AlertRuleVersion", "Enrolment", "Playbook", "PlaybookVersion", "StepRun",
    "Task", "TaskCalendar",
]  # fmt: skip
