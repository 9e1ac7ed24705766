"""Every table that can hold something about a user or an account is declared as erased, or exempt with a reason."""

from __future__ import annotations

import re

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Account, EndUser
from accounts.privacy.holdings import ACCOUNT, USER, declared, holdings

# Names of columns that hold an id, or a message as it came, though no foreign key says so.
TELLING = re.compile(
    r"(^|_)(external_id|ref|user_id|account_id|object_id|object_repr|anonymous_id|payload|message_id|digest|cells|facts|report)$"
)


def telling(model: type[models.Model]) -> list[str]:
    """The columns of a model that can be about a person or an account."""
    found = []
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            if field.related_model in (Account, EndUser):
                found.append(field.name)
        elif isinstance(field, ArrayField) and isinstance(field.base_field, models.BigIntegerField):
            found.append(field.name)  # of primary keys
        elif TELLING.search(field.name) and not field.primary_key:
            found.append(field.name)
    return found


def undeclared() -> dict[str, list[str]]:
    """The models that say nothing of how they are erased."""
    erased, exempted = declared()
    found = {model._meta.label: telling(model) for model in apps.get_models(include_auto_created=True)}
    return {label: columns for label, columns in found.items() if columns and label not in erased | exempted.keys()}


def test_every_model_about_somebody_is_declared() -> None:
    assert undeclared() == {}, "declare it in the app's personal_data.py, or exempt it there with the reason"


def test_the_search_would_see_one_that_is_missing() -> None:
    names = {model._meta.label for model in apps.get_models() if telling(model)}
    assert {
        "usage.Event",
        "segments.Pin",
        "accounts.AttributeChange",
        "usage.MessageReceipt",
        "admin.LogEntry",
    } <= names


def test_every_foreign_key_is_erased_for_its_own_kind_of_subject() -> None:
    exempted = declared()[1]
    for kind, target in ((USER, EndUser), (ACCOUNT, Account)):
        erased = {item.model for item in holdings(kind)}
        for model in apps.get_models():
            keys = [field for field in model._meta.concrete_fields if getattr(field, "related_model", None) is target]
            assert not keys or model in erased or model._meta.label in exempted, (kind, model)


def test_no_exemption_is_without_a_reason_or_a_model() -> None:
    for label, reason in declared()[1].items():
        assert apps.get_model(label) and len(reason) > 20


def test_the_record_itself_goes_last() -> None:
    for kind, model in ((USER, EndUser), (ACCOUNT, Account)):
        assert holdings(kind)[-1].model is model
