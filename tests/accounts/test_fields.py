"""The registry: every field can be read, keys are unique, custom attributes and roles appear by themselves."""

from __future__ import annotations

import pytest

from accounts.fields import Category, Field, Kind, Owner, Vocabulary, register, vocabulary
from accounts.fields.operators import operators_for
from accounts.models import Account, AssignmentRole, AttributeDefinition
from segments.questions import read_rule
from tests import factories

pytestmark = pytest.mark.django_db


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
