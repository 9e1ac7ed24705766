"""What tests of alerts and milestones begin with: rules and milestones that are answered, accounts with licences."""

from __future__ import annotations

from typing import Any

from accounts.models import Account
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.milestones.tasks import look_at_milestones
from alerts.models import AlertRule, Milestone
from csbox.pipeline import refresh_everything
from segments.refresh import refresh_due

FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}


def made_rule(name: str = "Few licences", **given: Any) -> AlertRule:
    """A saved rule whose questions are answered."""
    rule = save_alert_rule(None, name=name, condition=given.pop("condition", FEW), **given)
    refresh_due()
    rule.refresh_from_db()
    return rule


def made_milestone(name: str = "Many licences", **given: Any) -> Milestone:
    """A saved milestone whose accounts were looked at."""
    milestone = save_milestone(None, name=name, condition=given.pop("condition", MANY), **given)
    look_at_milestones()
    milestone.refresh_from_db()
    return milestone


def has(account: Account, licences: int) -> None:
    """The account has so many licences, and everything is refreshed."""
    Account.objects.filter(pk=account.pk).update(stated_licences=licences)
    refresh_everything()
