"""What each condition of a rule matches by itself, also inside groups about users and subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segments.questions import preview, read_rule
from tests import factories
from tests.factories import rule

pytestmark = pytest.mark.django_db
BOSS = {"field": "user.title", "op": "is", "value": "Boss"}
CHAMPION = {"field": "relationship.role", "op": "is", "value": "Champion"}
NAMED = {"field": "user.name", "op": "is_set"}
PRO = {"field": "subscription.plan", "op": "is", "value": "Pro"}
LARGE = {"field": "account.mrr", "op": "at_least", "value": 100}


def users(how: Any, *conditions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"users": how, "where": rule(*conditions), **more}


@pytest.fixture(autouse=True)
def _company() -> None:
    """Three accounts: a champion and a boss, a champion who is a boss, and nobody; the last one has a subscription."""
    for title, role in (("Boss", ""), ("", "Champion")):
        factories.relationship(_account("Alder"), factories.end_user(title=title), role)
    factories.relationship(_account("Birch"), factories.end_user(title="Boss"), "Champion")
    factories.subscription(_account("Cedar"), plan="Pro")


def _account(name: str) -> Any:
    found = factories.Account.objects.filter(name=name).first()
    return found or factories.account(name, mrr=100)


def counted(tree: dict[str, Any], subject: str = "account") -> dict[str, int]:
    question = read_rule(tree, subject=subject)
    seen = preview(question, base=question.members.live())
    assert seen.uncounted == ()
    return seen.alone


def test_a_condition_in_a_group_is_counted_as_that_of_any_row() -> None:
    both = users("all", BOSS, rule(CHAMPION, NAMED, match="any"), of=rule(NAMED))
    pro = {"subscriptions": "none", "where": rule(PRO, {"field": "subscription.mrr", "op": "at_least", "value": 5})}
    assert counted(rule(both, pro, LARGE)) == {
        "/rules/0": 1, "/rules/0/of/rules/0": 2, "/rules/0/where/rules/0": 2, "/rules/0/where/rules/1": 2,
        "/rules/0/where/rules/1/rules/0": 2, "/rules/0/where/rules/1/rules/1": 2,
        "/rules/1": 3, "/rules/1/where/rules/0": 1, "/rules/1/where/rules/1": 0,
        "/rules/2": 3,
    }  # fmt: skip
    assert counted(rule(users({"at_least": 2}, CHAMPION), match="none")) == {"/rules/0": 0, "/rules/0/where/rules/0": 2}


def test_so_it_is_for_users_and_their_subscriptions() -> None:
    pro = {"subscriptions": "any", "where": rule(PRO, PRO | {"op": "is_not"}, match="any")}
    factories.relationship(_account("Cedar"), factories.end_user())
    assert counted(rule(pro, BOSS), "user") == {
        "/rules/0": 1, "/rules/0/where/rules/0": 1, "/rules/0/where/rules/1": 0, "/rules/1": 2,
    }  # fmt: skip


def test_the_only_condition_of_any_user_costs_no_statement() -> None:
    question = read_rule(rule(users("any", CHAMPION)))
    with CaptureQueriesContext(connection) as asked:
        seen = preview(question, base=question.members.live())
    assert seen.alone == {"/rules/0": 2, "/rules/0/where/rules/0": 2}
    assert sum("relationship" in one["sql"] for one in asked) == 1


def test_what_stands_inside_has_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segments.alone.WITHIN_LIMIT_MS", 0)
    question = read_rule(rule(users("any", CHAMPION, BOSS), LARGE))
    seen = preview(question, base=question.members.live())
    assert (seen.alone, len(seen.uncounted)) == ({"/rules/0": 1, "/rules/1": 3}, 2)
