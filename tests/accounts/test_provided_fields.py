"""The fields that live in the database are read anew when a row of theirs changed, however that came, and else not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.fields import vocabulary
from accounts.models import AssignmentRole, AttributeDefinition

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> AttributeDefinition:
    return AttributeDefinition.objects.create(subject="account", key="region", name="Region", kind="text")


def label() -> str | None:
    found = vocabulary().get("account.custom.region")
    return found.label if found else None


def test_one_statement_tells_that_nothing_changed(made: AttributeDefinition, django_assert_num_queries: Any) -> None:
    first = vocabulary()
    with django_assert_num_queries(1):
        again = vocabulary()
    assert list(again) == list(first) and "account.custom.region" in again


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (lambda row: type(row).objects.filter(pk=row.pk).update(name="Zone"), "Zone"),
        (lambda row: _sql("UPDATE accounts_attributedefinition SET name = 'Area' WHERE id = %s", row.pk), "Area"),
        (lambda row: row.delete(), None),
        (lambda row: type(row).objects.filter(pk=row.pk).update(active=False), None),
    ],
)
def test_every_change_is_seen(
    made: AttributeDefinition, change: Callable[[AttributeDefinition], object], then: str | None
) -> None:
    assert label() == "Region"
    change(made)
    assert label() == then


def test_what_is_taken_back_is_gone_and_what_comes_in_its_place_is_seen(made: AttributeDefinition) -> None:
    for name in ("One", "Two"):
        with transaction.atomic():
            AttributeDefinition.objects.filter(pk=made.pk).update(name=name)
            assert label() == name
            transaction.set_rollback(True)
        assert label() == "Region"


def test_a_row_of_any_of_the_tables_counts(made: AttributeDefinition) -> None:
    assert "team.pilot" not in vocabulary()
    AssignmentRole.objects.create(key="pilot", name="Pilot")
    assert vocabulary()["team.pilot"].label == "Pilot"


def _sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
