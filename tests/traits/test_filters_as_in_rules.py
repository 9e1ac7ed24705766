"""A trait's conditions on properties hold for exactly the events for which a rule's filter by properties holds."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.fields.operators import Operator, Shape
from accounts.fields.properties import kind_meant, property_operators
from accounts.models import Account
from core.clock import Moment
from segments.questions import Reader
from tests import factories
from tests.traits.conftest import Tell
from usage.traits.computing import refresh_traits
from usage.traits.editing import save_trait
from usage.traits.models import AccountTraits

pytestmark = pytest.mark.django_db
ABSENT = object()
VALUES: list[Any] = ["Pro", " PRO ", "prop", "", " ", "5", 5, 5.0, 6.5, -1, 0, True, False, None, ABSENT, ["pro"]]
VALUES += [{"a": 1}, [], "É", "e\u0301"]
ASKED: dict[Shape, list[Any]] = {
    Shape.TEXT: ["pro", "5", "é", "true", "o"],
    Shape.PATTERN: ["^pr", "5"],
    Shape.TEXTS: [["pro", "É"], ["5"], [5, 0]],
    Shape.NUMBER: [5, 0, 6.5],
    Shape.RANGE: [[0, 5], [6, 7.5]],
    Shape.NONE: [None],
}


def _shape(op: Operator) -> Shape:
    return op.shape(kind_meant(op, None))


def test_the_two_agree_for_every_comparison_and_value(present: Moment, tell: Tell) -> None:
    for number, value in enumerate(VALUES):
        account = factories.account(external_id=f"a{number}")
        tell(account, "Login", **({} if value is ABSENT else {"plan": value}))
    asked = [(op.key, v) for op in property_operators() for v in ASKED[_shape(op)]]
    by_trait: dict[int, Any] = {}
    for number, (op, value) in enumerate(asked):
        condition = {"property": "plan", "op": op} | ({} if value is None else {"value": value})
        definition = {"event": "Login", "where": [condition]}
        by_trait[number] = save_trait(None, subject="account", name=f"T{number}", method="count", definition=definition)
    refresh_traits(present)
    shown = dict(AccountTraits.objects.values_list("account__external_id", "shown"))
    reader, met = Reader.now(present), 0
    for number, (op, value) in enumerate(asked):
        filtered = {"field": "event.properties.plan", "op": op} | ({} if value is None else {"value": value})
        node = {"event": "Login", "op": "at_least", "value": 1, "window": "ever"}
        node["where"] = {"match": "all", "rules": [filtered]}
        question = reader.read({"match": "all", "rules": [node]})
        rule = set(question.accounts().values_list("external_id", flat=True))
        trait = {key for key, values in shown.items() if values.get(by_trait[number].key)}
        names = {key: VALUES[int(key[1:])] for key in rule ^ trait}
        assert rule == trait, f"{op} {value}: they differ on {names}"
        met += len(rule)
    assert 0 < met < len(asked) * Account.objects.count()
