"""What the offices of the back office offer: pickers that search, and columns that people can read."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import ForeignKey
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import (
    Account,
    AccountLevel,
    Assignment,
    AssignmentRole,
    AttributeChange,
    AttributeDefinition,
    EndUser,
    LifecycleStage,
    Note,
    Relationship,
    Subscription,
    SubscriptionStatus,
    TeamMember,
)
from segments.models import Segment
from tests import factories
from tests.admin.test_lists_and_forms import MODELS, back_office, listing

__all__ = ["back_office"]
# Of these there may be so many that a plain list of choices would never load.
MANY = (Account, EndUser, Subscription, Relationship, Note, Assignment, Segment, TeamMember, User)


def cells(page: Any, key: str) -> dict[str, str]:
    """A figure of a list by row, with its markup."""
    return {str(row): str(row.page_figures.get(key, "")) for row in page.context["cl"].result_list}


def test_what_there_may_be_many_of_is_searched_for_and_not_chosen_from_a_list(db: None) -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root", password=None)
    listed, found = [], 0
    for model in MODELS:
        office: Any = admin.site._registry[model]
        if not (office.has_add_permission(request) or office.has_change_permission(request)):
            continue
        searched = {*office.get_autocomplete_fields(request), *office.raw_id_fields}
        for name, field in office.get_form(request).base_fields.items():
            column = next((one for one in model._meta.fields if one.name == name), None)
            if isinstance(column, ForeignKey) and column.related_model in MANY and hasattr(field, "queryset"):
                found += 1
                if name not in searched:
                    listed.append(f"{model._meta.label}.{name}")
    assert not listed and found > 8


def test_the_companys_own_lists_count_what_has_each_entry_and_lead_to_it(back_office: Client) -> None:
    first, second = factories.account(stage_id="live"), factories.account(stage_id="live")
    archived = factories.account(stage_id="live")
    Account.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    level = AccountLevel.objects.all()[0]
    Account.objects.filter(pk=first.pk).update(level=level)
    factories.subscription(first, status_id="active")
    factories.assign(first, factories.member())
    factories.assign(second, factories.member())
    Assignment.objects.filter(account=second).update(ended_at=timezone.now())
    for model, key, name, number in (
        (LifecycleStage, "stage", "Live", 2),
        (AccountLevel, "level", level.name, 1),
        (SubscriptionStatus, "status", "Active", 1),
        (AssignmentRole, "role", "CSM", 1),
    ):
        shown = cells(back_office.get(listing(model)), key)[name]
        [address] = re.findall(r'href="([^"]+)"', shown)
        assert f">{number}<" in shown, model
        led = back_office.get(address.replace("&amp;", "&"))
        assert led.status_code == 200 and led.context["cl"].result_count == number, address


def test_an_attribute_says_what_reads_it_and_a_change_whose_it_is(back_office: Client) -> None:
    for key in ("region", "unread"):
        AttributeDefinition.objects.create(subject="account", key=key, name=key.title(), kind="text")
    factories.segment("In the north", {"field": "account.custom.region", "op": "is", "value": "north"})
    shown = cells(back_office.get(listing(AttributeDefinition)), "used_by")
    told = {name.split()[0].lower(): words for name, words in shown.items()}
    assert "segment “In the north”" in str(list(told.values())) and sum(map(bool, told.values())) == 1
    of, person = factories.account("Acme"), factories.end_user("Ada")
    known = {"at": of.created_at, "source": "api:x", "key": "name"}
    AttributeChange.objects.all().delete()
    for subject, pk in (("account", of.pk), ("user", person.pk), ("account", 10**9)):
        AttributeChange.objects.create(subject=subject, object_id=pk, new=f"{subject} {pk}", **known)
    page = back_office.get(listing(AttributeChange))
    owners = sorted(row.page_figures.get("owner", "") for row in page.context["cl"].result_list)
    assert owners[0] == "" and len(owners) == 3
    assert f'href="{reverse("admin:accounts_account_change", args=[of.pk])}">Acme<' in owners[1]
    assert f'href="{reverse("admin:accounts_enduser_change", args=[person.pk])}">Ada<' in owners[2]
