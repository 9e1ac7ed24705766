"""Which columns each kind of row has for the write side, and of which kind their values are."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from accounts.models import (
    Account,
    AccountLevel,
    AccountStatus,
    EndUser,
    LifecycleStage,
    Relationship,
    Subject,
    Subscription,
    SubscriptionStatus,
)
from accounts.models.account import Term

CUSTOM = "custom."


class Form(enum.Enum):
    """How a column's value is read."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    TERM = "term"
    PERIOD = "period"
    CURRENCY = "currency"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Column:
    """A column of a row: its form, the attribute that holds it, its length or its list of terms."""

    form: Form
    attribute: str
    limit: int = 255
    terms: type[Term] | None = None
    empty: Any = None


@dataclass(frozen=True)
class Shape:
    """A kind of row: its model, its columns by the name that facts use, and which date must not precede which."""

    model: type[models.Model]
    subject: Subject
    columns: Mapping[str, Column]
    spans: tuple[tuple[str, str], ...] = ()
    required: tuple[str, ...] = field(default=())

    def read(self, row: Any, key: str) -> Any:
        """The present value of a column or custom attribute; None if it is missing."""
        if key.startswith(CUSTOM):
            return row.attributes.get(key.removeprefix(CUSTOM))
        column = self.columns[key]
        value = getattr(row, column.attribute)
        return None if value == column.empty else value

    def stored(self, key: str, value: Any) -> Any:
        """The value of a column or custom attribute from its JSON form."""
        if value is None or key.startswith(CUSTOM):
            return value
        column: Any = self.model._meta.get_field(self.columns[key].attribute)
        return column.to_python(value)

    def write(self, row: Any, key: str, value: Any) -> None:
        """Set a column or custom attribute; None clears it."""
        if not key.startswith(CUSTOM):
            column = self.columns[key]
            setattr(row, column.attribute, column.empty if value is None else value)
        elif value is None:
            row.attributes.pop(key.removeprefix(CUSTOM), None)
        else:
            row.attributes[key.removeprefix(CUSTOM)] = value


def _text(name: str, limit: int = 255) -> Column:
    return Column(Form.TEXT, name, limit, empty="")


def _plain(form: Form, *names: str) -> dict[str, Column]:
    return {name: Column(form, name) for name in names}


ACCOUNT = Shape(
    Account,
    Subject.ACCOUNT,
    {
        "name": _text("name"),
        "domain": _text("domain"),
        "industry": _text("industry", 120),
        "country": _text("country", 120),
        "stage": Column(Form.TERM, "stage_id", terms=LifecycleStage),
        "level": Column(Form.TERM, "level_id", terms=AccountLevel),
        "status": Column(Form.TERM, "status_id", terms=AccountStatus),
        "churn_reason": _text("churn_reason"),
        "parent": Column(Form.ACCOUNT, "parent_id"),
        **_plain(Form.DATE, "customer_since", "churned_on"),
        **_plain(Form.MONEY, "stated_mrr"),
        **_plain(Form.COUNT, "stated_licences"),
        **_plain(Form.DATETIME, "archived_at"),
    },
    spans=(("customer_since", "churned_on"),),
)
USER = Shape(
    EndUser,
    Subject.USER,
    {
        "name": _text("name"),
        "email": _text("email"),
        "title": _text("title", 120),
        **_plain(Form.DATETIME, "first_seen_at"),
    },
)
RELATIONSHIP = Shape(Relationship, Subject.RELATIONSHIP, {"role": _text("role", 120)})
SUBSCRIPTION = Shape(
    Subscription,
    Subject.SUBSCRIPTION,
    {
        "account": Column(Form.ACCOUNT, "account_id"),
        "plan": _text("plan", 120),
        "status": Column(Form.TERM, "status_id", terms=SubscriptionStatus),
        "mrr": Column(Form.MONEY, "mrr"),
        "currency": Column(Form.CURRENCY, "currency"),
        "billing_period": Column(Form.PERIOD, "billing_period", empty=""),
        **_plain(Form.COUNT, "quantity"),
        **_plain(Form.DATE, "starts_on", "ends_on", "trial_starts_on", "trial_ends_on", "renews_on"),
        **_plain(Form.BOOLEAN, "auto_renew"),
    },
    spans=(("starts_on", "ends_on"), ("trial_starts_on", "trial_ends_on")),
    required=("account", "status", "mrr", "currency"),
)
SHAPES: dict[Subject, Shape] = {shape.subject: shape for shape in (ACCOUNT, USER, RELATIONSHIP, SUBSCRIPTION)}
