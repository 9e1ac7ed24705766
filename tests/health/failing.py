"""Fields that PostgreSQL cannot compute for some account: it divides by nought, cannot cast, or takes too long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models import F, FloatField, Func, IntegerField, TextField
from django.db.models.functions import Cast

from accounts.fields import Category, Field, Kind, registry


class Slept(Func):
    """A number, after three seconds."""

    template = "(CASE WHEN pg_sleep(3) IS NULL THEN NULL ELSE %(expressions)s END)"
    output_field = IntegerField()  # type: ignore[assignment]


class Divided(Func):
    """A hundred divided by a number."""

    template = "(100 / %(expressions)s)"
    output_field = FloatField()  # type: ignore[assignment]


FAILING = {
    "account.divided": "division by zero",
    "account.cast": "invalid input syntax for type integer",
    "account.slow": "It takes too long.",
}


def _fields() -> Iterator[Field]:
    values = {
        "account.divided": lambda prefix: Divided(F(f"{prefix}licences")),
        "account.cast": lambda prefix: Cast(Cast(F(f"{prefix}name"), TextField()), IntegerField()),
        "account.slow": lambda prefix: Slept(F(f"{prefix}licences")),
    }
    for key, value in values.items():
        yield Field(key=key, label=key, category=Category.ACCOUNTS, kind=Kind.NUMBER, value=value)


@pytest.fixture
def failing_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are fields like any other, for one test."""
    for item in _fields():
        monkeypatch.setitem(registry._fields, item.key, item)
