"""Every constraint of every model refuses what it is there to refuse, in the database itself and by its own name."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, models, transaction

from accounts.models import AttributeChange, ExchangeRate
from core.models import Workspace
from tests import factories
from tests.core.violations import VIOLATIONS
from tests.rows import DAY, any_row

APPS = ("core", "accounts", "usage", "segments", "health", "alerts", "integrations")
MODELS = [model for app in APPS for model in apps.get_app_config(app).get_models()]
CONSTRAINTS = {one.name: (model, one) for model in MODELS for one in model._meta.constraints}
MIGRATIONS = (("core", "0007"), ("accounts", "0013"))
# The database knows the choices that the application stands on: of these apps those fields, of the others every one.
KNOWN = {"accounts", "core", "segments"}, {"kind", "subject", "access", "billing_period", "csm_reach"}
WHOLLY_KNOWN = {"alerts", "integrations"}


def test_every_constraint_has_a_violation() -> None:
    assert VIOLATIONS.keys() == CONSTRAINTS.keys()


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(CONSTRAINTS))
def test_the_database_refuses_by_that_name(name: str) -> None:
    model, constraint = CONSTRAINTS[name]
    values: dict[str, Any] = VIOLATIONS[name]
    if isinstance(constraint, models.UniqueConstraint):
        first = any_row(model, **values)
        values = values | {field: getattr(first, field) for field in (*constraint.fields, *values)}
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        any_row(model, **values)
    cause: Any = refused.value.__cause__
    assert cause.diag.constraint_name == name


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_constraint_on_choices_allows_exactly_the_choices(model: type[models.Model]) -> None:
    allowed: dict[str, set[str]] = {}
    for one in model._meta.constraints:
        if isinstance(one, models.CheckConstraint) and one.name.endswith("_known"):
            ((lookup, values),) = one.condition.children  # type: ignore[union-attr]
            allowed[lookup.removesuffix("__in")] = set(values)
    chosen = {field.name: field for field in model._meta.concrete_fields if field.choices}
    apps_of, names = KNOWN
    if model._meta.app_label in apps_of:
        assert names & chosen.keys() <= allowed.keys()
    if model._meta.app_label in WHOLLY_KNOWN:
        assert chosen.keys() == allowed.keys()
    for name, values in allowed.items():
        empty = {""} if chosen[name].blank else set()
        assert values == {value for value, _ in chosen[name].flatchoices} | empty, name


@pytest.mark.django_db
def test_the_migrations_mend_what_was_stored_before() -> None:
    core, accounts = (import_module(f"{name}.migrations.{number}_invariants") for name, number in MIGRATIONS)
    of = {"workspace_currency_is_a_code", "exchange_rate_currency_is_a_code", "subscription_currency_is_a_code"}
    with connection.cursor() as cursor:
        for name in of | {"account_churned_after_it_came"}:
            cursor.execute(f"ALTER TABLE {CONSTRAINTS[name][0]._meta.db_table} DROP CONSTRAINT {name}")
    Workspace.objects.create(currency="€")
    ExchangeRate.objects.create(currency="€", rate=1)
    sold = factories.subscription(factories.account(), currency="€")
    back = factories.account(customer_since=DAY, churned_on=DAY - dt.timedelta(days=1))
    gone = factories.account(customer_since=DAY, churned_on=DAY)
    with connection.cursor() as cursor:
        for statement in (core.REPAIR, core.REFUSE, accounts.CAME_BACK, *accounts.REPAIR):
            cursor.execute(statement)
    for row in (sold, back, gone):
        row.refresh_from_db()
    assert (Workspace.get().currency, sold.currency, back.churned_on, gone.churned_on) == ("EUR", "EUR", None, DAY)
    assert list(ExchangeRate.objects.values_list("currency", "rate")) == [("EUR", 1)]
    assert AttributeChange.objects.get().old == str(DAY - dt.timedelta(days=1))
    Workspace.objects.update(currency="??")
    with pytest.raises(ProgrammingError, match="is no code such as USD"), connection.cursor() as cursor:
        cursor.execute(core.REFUSE)
