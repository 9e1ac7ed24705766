"""What the database itself refuses, whoever writes to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import (
    Account,
    Assignment,
    AttributeDefinition,
    EndUser,
    ExchangeRate,
    Relationship,
)
from core.models import Workspace
from tests import factories

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.date(2026, 11, 22), dt.timedelta(hours=1)


def refused(action: Callable[[], object], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        action()


def test_external_ids_are_unique_and_not_empty() -> None:
    factories.account(external_id="A")
    factories.end_user(external_id="A")
    refused(lambda: Account.objects.create(external_id="A", name="Other"), "external_id")
    refused(lambda: EndUser.objects.create(external_id="A"), "external_id")
    refused(lambda: Account.objects.create(external_id="", name="None"), "account_has_external_id")
    refused(lambda: EndUser.objects.create(external_id=""), "user_has_external_id")


def test_a_user_has_one_open_relationship_to_an_account_and_any_number_of_ended_ones() -> None:
    account, user, now = factories.account(), factories.end_user(), timezone.now()
    for _ in range(2):
        factories.relationship(account, user, started_at=now - HOUR, ended_at=now)
    factories.relationship(account, user)
    factories.relationship(factories.account(), user)
    refused(lambda: factories.relationship(account, user), "one_open_relationship")


def test_nothing_ends_before_it_starts() -> None:
    account, now = factories.account(), timezone.now()
    member = factories.member()
    refused(
        lambda: Relationship.objects.create(
            account=account, user=factories.end_user(), started_at=now, ended_at=now - HOUR
        ),
        "relationship_ends_after_start",
    )
    refused(
        lambda: factories.subscription(account, starts_on=DAY, ends_on=DAY - dt.timedelta(1)),
        "subscription_ends_after_start",
    )
    refused(
        lambda: factories.subscription(account, trial_starts_on=DAY, trial_ends_on=DAY - dt.timedelta(1)),
        "subscription_trial_ends_after_start",
    )
    refused(
        lambda: Assignment.objects.create(
            account=account, member=member, role_id="csm", started_at=now, ended_at=now - HOUR
        ),
        "assignment_ends_after_start",
    )


def test_an_account_has_one_csm_at_a_time_beside_its_other_roles() -> None:
    account, member = factories.account(), factories.member()
    factories.assign(account, member)
    factories.assign(account, member, "account-manager")
    refused(lambda: factories.assign(account, factories.member()), "one_open_assignment_per_role")


def test_money_is_not_negative_and_rates_are_positive() -> None:
    refused(lambda: factories.subscription(factories.account(), mrr=-1), "subscription_mrr_not_negative")
    refused(lambda: factories.account(stated_mrr=-1), "account_stated_mrr")
    refused(lambda: ExchangeRate.objects.create(currency="XXX", rate=0), "exchange_rate_positive")


def test_an_account_is_not_its_own_parent_directly_or_through_others() -> None:
    top = factories.account()
    below = factories.account(parent=top)
    refused(lambda: Account.objects.filter(pk=top.pk).update(parent=top), "account_not_own_parent")
    top.parent = below
    with pytest.raises(ValidationError, match="already below"):
        top.clean()


def test_an_attribute_key_is_unique_for_its_subject_whatever_its_case() -> None:
    AttributeDefinition.objects.create(subject="account", key="region", name="Region", kind="text")
    AttributeDefinition.objects.create(subject="user", key="region", name="Region", kind="text")
    refused(
        lambda: AttributeDefinition.objects.create(subject="account", key="Region", name="R", kind="text"),
        "attribute_key_unique",
    )


def test_an_attribute_key_begins_with_a_letter() -> None:
    with pytest.raises(ValidationError):
        AttributeDefinition(subject="account", key="2024", name="Year", kind="number").full_clean()


def test_there_is_one_workspace() -> None:
    Workspace.get()
    refused(lambda: Workspace.objects.create(id=2), "one_workspace")


def test_a_workspace_in_no_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="time zone"):
        Workspace(time_zone="Mars/Phobos").full_clean()
