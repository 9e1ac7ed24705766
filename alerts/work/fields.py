"""What rules may ask about an account's tasks."""

from __future__ import annotations

from django.db.models import Count, IntegerField, Max, Min, OuterRef, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from alerts.models import Task


def open_tasks(prefix: str) -> Combinable:
    """How many tasks of an account are to do."""
    mine = Task.objects.open().filter(account=OuterRef(f"{prefix}pk")).order_by().values("account")
    return Coalesce(Subquery(mine.annotate(number=Count("pk")).values("number")), Value(0), output_field=IntegerField())


def next_task_due(prefix: str) -> Combinable:
    """The first day on which something is due; one that has passed means that something is late."""
    mine = Task.objects.open().filter(account=OuterRef(f"{prefix}pk")).order_by().values("account")
    return Subquery(mine.annotate(first=Min("due_on")).values("first"))


def tasks_changed(prefix: str) -> Combinable:
    """When a task of an account was written down, changed or ended last."""
    mine = Task.objects.filter(account=OuterRef(f"{prefix}pk")).order_by().values("account")
    return Subquery(mine.annotate(last=Max("updated_at")).values("last"))


def last_task_done(prefix: str) -> Combinable:
    """When a task of an account was ticked off last."""
    done = Task.objects.filter(account=OuterRef(f"{prefix}pk"), state=Task.State.DONE).order_by().values("account")
    return Subquery(done.annotate(last=Max("done_at")).values("last"))
