"""The registry: every field can be read, keys are unique, custom attributes and roles appear by themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accounts.fields import Category, Field, Kind, Owner, Vocabulary, register, registry, vocabulary
from accounts.fields.attributes import column
from accounts.fields.operators import operators_for
from accounts.models import (
    Account,
    AccountLevel,
    AccountStatus,
    AssignmentRole,
    AttributeDefinition,
    LifecycleStage,
    Subscription,
    SubscriptionStatus,
)
from segments.questions import read_rule
from tests import factories
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db
README = Path(__file__).resolve().parent.parent.parent / "README.md"


def read(fields: Vocabulary, field: Field) -> list[object]:
    rows = fields.rows_of(field.owner)
    if rows is None:
        return list(Account.objects.annotate(found=field.value("")).values_list("found", flat=True))
    return list(rows.rows().annotate(found=field.value(rows.owners[field.owner])).values_list("found", flat=True))


def test_every_field_yields_a_value_and_has_operators() -> None:
    for kind in AttributeDefinition.Kind.values:
        for subject in ("account", "user", "relationship", "subscription"):
            AttributeDefinition.objects.create(subject=subject, key=kind, name=kind, kind=kind)
    fields = vocabulary()
    assert len(fields) > 80
    for field in fields.values():
        assert read(fields, field) == []
        assert operators_for(field.kind)


def test_a_key_is_declared_once() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        register(
            Field(
                key="account.mrr", label="MRR", category=Category.ACCOUNTS, kind=Kind.MONEY, value=lambda prefix: None
            )
        )  # type: ignore[arg-type,return-value]


def test_a_custom_attribute_is_a_field_while_it_is_active() -> None:
    made = AttributeDefinition.objects.create(
        subject="account", key="region", name="Region", kind="choice", choices=["EMEA", "Americas"]
    )
    field = vocabulary()["account.custom.region"]
    assert (field.kind, field.owner, field.category) == (Kind.CHOICE, Owner.ACCOUNT, Category.CUSTOM)
    assert [(choice.value, choice.label) for choice in field.choices()] == [("emea", "EMEA"), ("americas", "Americas")]
    made.active = False
    made.save()
    assert "account.custom.region" not in vocabulary()


def test_an_assignment_role_is_a_person_field() -> None:
    AssignmentRole.objects.create(key="executive-sponsor", name="Executive sponsor")
    field = vocabulary()["team.executive_sponsor"]
    assert (field.label, field.kind) == ("Executive sponsor", Kind.PERSON)


def test_the_picker_lists_categories_in_their_order() -> None:
    order = list(vocabulary().by_category())
    assert order == [category for category in Category if category in order]
    assert order[0] is Category.ACCOUNTS


def test_rules_ask_for_the_parent_account() -> None:
    top = factories.account("Top", external_id="TOP-1")
    factories.account("Below", parent=top)
    factories.account("Beside", parent=factories.account("Other"))

    def names(op: str, **value: str) -> set[str]:
        found = read_rule(factories.rule({"field": "account.parent", "op": op, **value})).accounts()
        return set(found.values_list("name", flat=True))

    assert names("is", value="top-1") == {"Below"}
    assert names("is_not", value="Top-1") == {"Top", "Beside", "Other"}
    assert names("is_set") == {"Below", "Beside"}
    assert names("is_not_set") == {"Top", "Other"}


def test_a_new_installation_has_the_words_of_customer_success() -> None:
    def kinds(model: type[LifecycleStage] | type[SubscriptionStatus]) -> list[tuple[str, str]]:
        return list(model.objects.values_list("name", "kind"))

    assert [str(kind.label) for kind in LifecycleStage.Kind] == ["Trial", "Onboarding", "Live", "Cancelled"]
    assert kinds(LifecycleStage) == [(kind.label, kind.value) for kind in LifecycleStage.Kind]
    assert [str(kind.label) for kind in SubscriptionStatus.Kind] == ["Active", "Cancelled", "Future", "Suspended"]
    assert {kind for _, kind in kinds(SubscriptionStatus)} == set(SubscriptionStatus.Kind.values)
    assert ("Trial", "future") in kinds(SubscriptionStatus)  # as CustomerSuccessBox has it
    assert {"Prospect", "Customer", "Partner"} <= set(AccountStatus.objects.values_list("name", flat=True))
    assert AccountLevel.objects.count() > 1
    roles = list(AssignmentRole.objects.values_list("name", flat=True))
    assert roles == ["CSM", "Onboarding manager", "Account manager"]
    assert set(Subscription.Period.values) == {"monthly", "quarterly", "yearly", "other"}
    assert {str(kind) for kind in AttributeDefinition.Kind} == {
        "text", "number", "money", "percent", "boolean", "date", "datetime", "choice", "list", "link",
    }  # fmt: skip
    facts = "name external_id domain plan stage stage_type level status mrr licences renews_on trial_starts_on"
    wanted = {f"account.{name}" for name in f"{facts} trial_ends_on customer_since last_touchpoint_at".split()}
    of_contracts = "plan status status_type mrr licences billing_period trial_starts_on trial_ends_on renews_on"
    wanted |= {f"subscription.{name}" for name in of_contracts.split()}
    wanted |= {"relationship.role", "team.csm", "team.onboarding_manager", "team.account_manager"}
    assert wanted <= set(vocabulary())


def test_a_sub_stage_counts_by_itself_and_by_its_type() -> None:
    LifecycleStage.objects.create(key="adopting", name="Adopting", kind="live", position=9)
    for name, stage in (("Early", "adopting"), ("Grown", "live"), ("Trying", "trial"), ("Unknown", None)):
        factories.account(name, stage_id=stage)

    def names(field: str, value: str) -> set[str]:
        found = read_rule(factories.rule({"field": field, "op": "is", "value": value})).accounts()
        return set(found.values_list("name", flat=True))

    assert names("account.stage", "adopting") == {"Early"}
    assert names("account.stage_type", "live") == {"Early", "Grown"}


def test_the_field_that_the_readme_adds_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its example under another key, because the field is there."""
    monkeypatch.setattr(registry, "_fields", registry._fields | {})
    code = re.search(r"## How to add a field.*?```python\n(.+?)```", README.read_text(), re.DOTALL)
    assert code and "account.events_30d" in code[1]
    names = {"register": register, "Field": Field, "Category": Category, "Kind": Kind, "column": column}
    exec(code[1].replace("account.events_30d", "account.of_the_readme"), names)
    for name, events in (("Busy", 9), ("Calm", 2)):
        AccountUsage.objects.create(account=factories.account(name), events_30d=events)
    asked = factories.rule({"field": "account.of_the_readme", "op": "at_least", "value": 5})
    assert [found.name for found in read_rule(asked).accounts()] == ["Busy"]
