"""Copies of alert rules, with everything that belongs to one."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from alerts.consequences import copy_consequences
from alerts.editing import Assigning, save_alert_rule
from alerts.models import AlertRule
from core.names import free_name


def clone_alert_rule(rule: AlertRule, *, author: Any = None) -> AlertRule:
    """A copy under a name of its own, switched off until somebody has looked at it, which tells the same people and
    channels, and begins copies of the same playbooks. Raises RuleError and BadValue for what cannot be saved any more.
    """
    names = ("message", "type", "severity", "condition", "clear", "hold_days", "cooldown_days", "refire")
    with transaction.atomic():
        made = save_alert_rule(
            None,
            name=free_name(f"{rule.name[:105]} (copy)", AlertRule.objects.all()),
            segments=list(rule.segments.all()),
            active=False,
            include_existing=rule.include_existing,
            assigning=Assigning(rule.role, tuple(rule.round_robin.all()), rule.fallback),
            author=author,
            reason=f"Cloned from {rule.name}"[:255],
            **{name: getattr(rule, name) for name in names},
        )
        copy_consequences(rule, made, author=author)
    return made
