"""What a team acts on: alert rules and their alerts."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.notice import Delivery, Notice, NoticeChannel, NoticeSettings, RuleChoice, RuleNotices

__all__ = [
    "Alert",
    "AlertEntry",
    "AlertRule",
    "AlertRuleVersion",
    "Delivery",
    "Notice",
    "NoticeChannel",
    "NoticeSettings",
    "RuleChoice",
    "RuleNotices",
]
