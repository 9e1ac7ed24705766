"""What a team acts on: alert rules and their alerts."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion

__all__ = ["Alert", "AlertEntry", "AlertRule", "AlertRuleVersion"]
