"""The rules reference of the manual is what the program has, and its examples are rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.fields import Kind, declared, vocabulary
from accounts.fields.operators import OPERATORS, Shape
from accounts.models import AttributeDefinition
from segments import reference
from segments.questions import read_rule
from segments.rules.events import EVENT_OPERATORS, SEQUENCE_OPERATORS
from segments.rules.operators import SEGMENT_OPERATORS
from tests import factories

pytestmark = pytest.mark.django_db


def test_the_page_in_the_manual_is_up_to_date() -> None:
    call_command("rules_reference", "--check")


def test_a_stale_page_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PLACE", tmp_path / "rules.md")
    monkeypatch.setattr("segments.management.commands.rules_reference.PLACE", tmp_path / "rules.md")
    with pytest.raises(CommandError, match="stale"):
        call_command("rules_reference", "--check")
    call_command("rules_reference", "--write")
    call_command("rules_reference", "--check")
    (tmp_path / "rules.md").write_text("Something else")
    with pytest.raises(CommandError, match="stale"):
        call_command("rules_reference", "--check")


def test_every_field_and_operator_is_on_the_page() -> None:
    page = reference.reference()
    names = [*OPERATORS, *SEGMENT_OPERATORS, *EVENT_OPERATORS, *SEQUENCE_OPERATORS, *(item.key for item in declared())]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert all(f"### {kind.value}\n" in page for kind in Kind)


def test_the_page_is_the_same_whatever_the_company_has() -> None:
    before = reference.reference()
    AttributeDefinition.objects.create(subject="account", key="region", name="Region", kind="text")
    factories.account()
    assert reference.reference() == before


def test_every_example_is_a_rule_that_can_be_read() -> None:
    for kind in Kind:
        if kind is not Kind.PERSON:
            choices = ["live", "onboarding"] if kind is Kind.CHOICE else []
            AttributeDefinition.objects.create(
                subject="account", key=f"x_{kind.value}", name=kind, kind=kind.value, choices=choices
            )
    known = {item.kind: item.key for item in vocabulary().values() if ".custom.x_" in item.key}
    read = 0
    for kind, key in known.items():
        for operator in OPERATORS.values():
            if kind not in operator.shapes:
                continue
            value = reference.example(operator, kind)
            node: dict[str, Any] = {"field": key, "op": operator.key} | ({} if value is None else {"value": value})
            assert read_rule({"match": "all", "rules": [node]}).rule.rules
            read += 1
    share = {"field": known[Kind.NUMBER], "op": "at_least", "value": reference.SHARE}
    assert read_rule({"match": "all", "rules": [share]}).rule.rules
    assert read > 100 and set(reference.SHAPES) == set(Shape)
