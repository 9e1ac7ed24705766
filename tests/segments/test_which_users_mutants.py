"""The judge is judged where a group about users looks at some of them, and where it asks for segments of users: each
planted mistake must be caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db.models import Q

from accounts.fields import Subject
from accounts.fields.sql import all_of
from segments.rules import compiler
from segments.rules.compiler import Negated, Some, _Compiler
from segments.rules.nodes import Group
from segments.rules.operators import SEGMENT_OPERATORS
from tests.segments.judging import draws_survived
from tests.segments.storing import furnish

pytestmark = [pytest.mark.django_db, pytest.mark.once]
Quantify = Callable[[_Compiler, Any, Any], Any]


def forgotten(right: Quantify, compiler_: _Compiler, node: Any, inside: Any) -> Any:
    return right(compiler_, replace(node, of=None), inside)


def one_more_condition(right: Quantify, compiler_: _Compiler, node: Any, inside: Any) -> Any:
    return right(compiler_, replace(node, of=None, where=Group("all", (node.of, node.where))), inside)


def any_user_will_do(right: Quantify, compiler_: _Compiler, node: Any, inside: Any) -> Any:
    """ "All" of those who are looked at, where there is a user of any kind."""
    if node.quantifier != "all":
        return right(compiler_, node, inside)
    missed = Group("all", (node.of, Group("none", (node.where,))))
    rows = compiler_.context.vocabulary.row_sets[node.rows]
    none = right(compiler_, replace(node, quantifier="none", of=None, where=missed), inside)
    there = compiler.Exists(compiler.rows_of(rows, compiler.account_in(inside)))
    return all_of([there, compiler_.sql(none)])


def still_in(right: Quantify, compiler_: _Compiler, node: Any, inside: Any) -> Any:
    """Who left a segment of users is in it."""
    rows, member = compiler.memberships_of(node, compiler_.context, inside)
    found = Some(rows, Q(segment_id=compiler_.context.segments[node.key]), Q(), member)
    return {"in": found, "not_in": Negated(found)}.get(node.op.key) or right(compiler_, node, inside)


def other_end(right: Quantify, compiler_: _Compiler, node: Any, inside: Any) -> Any:
    """ "Entered" and "left" are taken for each other."""
    other = {"entered": "left", "left": "entered"}.get(node.op.key, node.op.key)
    return right(compiler_, replace(node, op=SEGMENT_OPERATORS[other]), inside)


def test_mistakes_about_which_users_are_looked_at_are_caught() -> None:
    furnish()
    mistakes = (forgotten, one_more_condition, any_user_will_do, still_in, other_end)

    def plant(wrong: Any, patch: pytest.MonkeyPatch) -> None:
        name = "segment" if wrong in (still_in, other_end) else "quantified"
        right = getattr(_Compiler, name)

        def compiled(self: _Compiler, node: Any, inside: Any) -> Any:
            concerned = node.about is Subject.USER if name == "segment" else node.of is not None
            return wrong(right, self, node, inside) if concerned else right(self, node, inside)

        patch.setattr(_Compiler, name, compiled)

    survived = draws_survived({wrong.__name__: partial(plant, wrong) for wrong in mistakes})
    assert {name: isinstance(draw, int) for name, draw in survived.items()} == {
        wrong.__name__: True for wrong in mistakes
    }, survived
