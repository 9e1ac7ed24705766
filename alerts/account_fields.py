"""Alerts as fields: known once alerts are raised."""

from __future__ import annotations

from functools import partial

from django.db.models import Count, IntegerField, Max, OuterRef, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest

from accounts.fields import Category, Field, Kind, Owner, Stage, register
from alerts import editing
from alerts.milestones import fields as milestone_fields
from alerts.models import Alert
from alerts.work.fields import last_task_done, next_task_due, open_tasks, tasks_changed

USES = (editing.rules_of_segments,)  # importing it declares what uses a segment
MILESTONES = (milestone_fields.milestone_fields,)  # importing it declares the fields of milestones


def open_alerts(prefix: str) -> Combinable:
    """How many alerts of an account are open, snoozed ones included."""
    mine = Alert.objects.open().order_by().filter(account=OuterRef(f"{prefix}pk")).values("account")
    return Coalesce(Subquery(mine.annotate(number=Count("pk")).values("number")), Value(0), output_field=IntegerField())


def last_alert(prefix: str) -> Combinable:
    """When the newest alert of an account was opened."""
    return Subquery(
        Alert.objects.filter(account=OuterRef(f"{prefix}pk")).order_by("-opened_at").values("opened_at")[:1]
    )


def alerts_changed(prefix: str) -> Combinable:
    """When an alert of an account was opened or ended last."""
    mine = Alert.objects.order_by().filter(account=OuterRef(f"{prefix}pk")).values("account")
    return Subquery(mine.annotate(last=Greatest(Max("opened_at"), Max("ended_at"))).values("last"))


alert = partial(Field, owner=Owner.ACCOUNT, category=Category.ALERTS, stage=Stage.ALERTS)
register(
    alert(key="alerts.open", label="Open alerts", kind=Kind.NUMBER, value=open_alerts, known=alerts_changed,
          unit="alerts"),
    alert(key="alerts.last", label="Last alert", kind=Kind.DATETIME, value=last_alert, known=last_alert),
    alert(key="tasks.open", label="Open tasks", kind=Kind.NUMBER, value=open_tasks, known=tasks_changed,
          unit="tasks"),
    alert(key="tasks.next_due", label="Next task due", kind=Kind.DATE, value=next_task_due, known=tasks_changed),
    alert(key="tasks.last_done", label="Last task done", kind=Kind.DATETIME, value=last_task_done,
          known=last_task_done),
)  # fmt: skip
