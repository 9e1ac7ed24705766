"""What a team acts on: alert rules and their alerts."""

from alerts.models.alert import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.replay import AlertReplay, AlertReplayDay

__all__ = ["Alert", "AlertEntry", "AlertReplay", "AlertReplayDay", "AlertRule", "AlertRuleVersion"]
