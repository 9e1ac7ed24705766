"""A row of any model that the database accepts, filled in field by field; for tests that walk all models."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from accounts.models import Account, EndUser, TeamMember
from accounts.models.account import Term
from alerts.models import Playbook
from segments.models import Segment

_number = itertools.count(1)
DAY, NOON = dt.date(2026, 3, 2), dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
# What the database wants besides, because some of a row's values must agree.
BESIDES: dict[str, dict[str, Any]] = {
    "alerts.Alert": {"began_at": NOON, "opened_at": NOON},
    "alerts.AlertReplay": {"first_day": DAY, "last_day": DAY},
    "alerts.AlertRule": {"watch": lambda: any_row(Segment)},
    "alerts.Comparison": {
        "first_day": DAY,
        "last_day": DAY,
        "caliper": "0.25",
        "playbook": lambda: any_row(Playbook),
        "segment": None,
    },
    "alerts.Notice": {"member": lambda: any_row(TeamMember)},
    "alerts.Task": {"origin": "hand"},
    "health.BackTest": {"first_day": DAY, "last_day": DAY, "silent_days": 30},
    "health.HealthConfig": {"segment": lambda: any_row(Segment)},
    "health.Pulse": {"value": 3},
    "integrations.Outgoing": {"value": True, "cause": "data"},
    "integrations.SyncItem": {"key": lambda: f"key_{next(_number)}"},
    "integrations.SyncedValue": {"account": lambda: any_row(Account), "value": True, "cause": "data"},
    "integrations.PendingEvent": {"user": lambda: any_row(EndUser)},
    "segments.Pin": {"account": lambda: any_row(Account)},
}


def any_row(model: type[models.Model], **values: Any) -> Any:
    """Insert a row with these values (a function is called for its value); what else it must have is made up, no text
    and no number twice."""
    wanted = BESIDES.get(model._meta.label, {}) | values
    values = {name: value() if callable(value) else value for name, value in wanted.items()}
    made = model(**values)
    for field in model._meta.concrete_fields:
        told = field.name in values or field.attname in values
        optional = field.null or field.blank or field.has_default() or (field.primary_key and field.auto_created)
        if not (told or optional):
            setattr(made, field.name, _value(field))
    models.Model.save(made, force_insert=True)
    return made


def _value(field: Any) -> Any:
    number = next(_number)
    if field.is_relation:
        if issubclass(field.related_model, Term):
            return field.related_model.objects.first()
        if field.related_model is User:
            return User.objects.create(username=f"somebody{number}")
        return any_row(field.related_model)
    if field.choices:
        return next(value for value, _ in field.flatchoices)
    match field:
        case models.CharField() | models.TextField():
            return f"t{number}" if (field.max_length or 99) > 5 else "XTS"
        case models.DateTimeField():
            return timezone.now()
        case models.DateField():
            return DAY + dt.timedelta(days=number)
        case models.TimeField():
            return dt.time(12)
        case models.BooleanField():
            return False
        case models.UUIDField():
            return uuid.uuid4()
        case models.JSONField():
            return {}
        case models.FileField():
            return "a file"
        case models.BinaryField():
            return b"x"
    return number
