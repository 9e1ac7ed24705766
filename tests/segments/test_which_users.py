"""A group about users that looks at some of them only: what it means, and how it is written, told and edited."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from django.test import Client

from accounts.fields import vocabulary
from accounts.models import Account, Relationship
from core.clock import moment
from segments.explaining import explain_rule
from segments.linting import note_rule
from segments.models import Segment
from segments.questions import Reader
from segments.rule_form import OF, read_form, take_step, without_unset
from segments.rule_view import rule_view
from segments.rules.compiler import compile_rule
from segments.rules.explain import explain
from segments.rules.tree import RuleError, fingerprint, parse, to_json
from segments.textform import read_text, write_text
from tests import factories
from tests.factories import rule

pytestmark = pytest.mark.django_db
ADMIN = rule({"field": "relationship.role", "op": "is", "value": "Admin"})
BOSS = rule({"field": "user.title", "op": "is", "value": "Boss"})


def users(how: Any, of: Any = ADMIN, where: Any = BOSS) -> dict[str, Any]:
    return {"users": how, "of": of, "where": where}


@pytest.fixture
def accounts(db: None) -> None:
    """By name: for each user a letter, A an admin and U another; the bosses among them in capitals."""
    for name in ("", "u", "U", "a", "A", "Aa", "AAa", "Auu", "aUU", "AAUu"):
        account = factories.account(name or "nobody")
        for letter in name:
            user = factories.end_user(title="Boss" if letter.isupper() else "")
            factories.relationship(account, user, "Admin" if letter in "aA" else "User")
    gone = Relationship.objects.filter(account__name="A")
    factories.account("left")
    gone_user = factories.end_user(title="Boss")
    left = Account.objects.get(name="left")
    factories.relationship(left, gone_user, "Admin", started_at=gone[0].created_at, ended_at=moment().now)


EVERYBODY = {"nobody", "u", "U", "a", "A", "Aa", "AAa", "Auu", "aUU", "AAUu", "left"}
SOME = {"A", "Aa", "AAa", "Auu", "AAUu"}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("any", SOME),
        ("none", EVERYBODY - SOME),
        ("all", {"A", "Auu", "AAUu"}),
        ({"at_least": 1}, SOME),
        ({"at_least": 2}, {"AAa", "AAUu"}),
        ({"at_least_percent": 50}, SOME),
        ({"at_least_percent": 60}, {"A", "AAa", "Auu", "AAUu"}),
        ({"at_least_percent": 100}, {"A", "Auu", "AAUu"}),
    ],
)
def test_how_many_of_some_users_meet_a_group(accounts: None, how: Any, expected: set[str]) -> None:
    def who(match: str) -> set[str]:
        asked = Reader.now().read(rule(users(how), match=match))
        return {one.name for one in Account.objects.filter(compile_rule(asked.rule, asked.context))}

    assert who("all") == expected
    assert who("none") == EVERYBODY - expected
    asked = Reader.now().read(rule(users(how)))
    told = explain(asked.rule, asked.context, Reader.now().words, Account.objects.all())
    assert {one.name for one in Account.objects.all() if told[one.pk].met} == expected


def test_it_is_written_as_it_was_read_and_is_another_rule() -> None:
    data = rule(users({"at_least_percent": 50}))
    read = parse(data, vocabulary())
    assert to_json(read) == data
    plain = parse(rule({"users": {"at_least_percent": 50}, "where": BOSS}), vocabulary())
    assert fingerprint(read) != fingerprint(plain) and "of" not in to_json(plain.rules[0])
    segment = factories.segment("Admins", users({"at_least_percent": 50}))
    assert [one.rule for one in read_text(write_text([segment]))] == [data]
    words = "At least 50% of users, of those for whom role in the account is “Admin”, for whom title is “Boss”"
    assert Reader.now().read(data).words == words


@pytest.mark.parametrize(
    ("node", "pointer"),
    [
        (users("any", of=[]), "/rules/0/of"),
        (users("any", of=rule()), "/rules/0/of/rules"),
        (users("any", of={"field": "relationship.role", "op": "is", "value": "x"}), "/rules/0/of"),
        (users("any", of=rule({"field": "account.mrr", "op": "is_set"})), "/rules/0/of/rules/0/field"),
        (users("any", of=rule({"users": "any", "where": BOSS})), "/rules/0/of/rules/0"),
        ({"subscriptions": "any", "of": ADMIN, "where": BOSS}, "/rules/0/of"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(node: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse(rule(node), vocabulary())
    assert pointer in [problem.pointer for problem in refused.value.problems]


def test_only_those_who_are_looked_at_are_told_of(accounts: None) -> None:
    found = explain_rule(rule(users("all")), Account.objects.filter(name="aUU"))
    assert found is not None
    node = found.outcome.outcomes[0]
    assert (node.actual, node.of, len(node.rows), node.met) == ("0 of 1", 1, 1, False)
    none = explain_rule(rule(users("all")), Account.objects.filter(name="U"))
    assert none is not None and none.outcome.outcomes[0].actual == "0 of 0"


@pytest.mark.parametrize(("how", "code"), [("any", "never-true"), ("all", "never-true"), ("none", "always-true")])
def test_users_who_cannot_exist_are_remarked_on(accounts: None, how: str, code: str) -> None:
    reader, title = Reader.now(), "user.title"
    nobody = rule({"field": title, "op": "is_set"}, {"field": title, "op": "is_not_set"})
    notes = note_rule(reader.read(rule(users(how, of=nobody))).rule, reader)
    assert ("/rules/0", code) in [(note.pointer, note.code) for note in notes]


FORM = {
    "n.match": "all", "n.0.rows": "users", "n.0.quantifier": "at_least_percent", "n.0.amount": "50", "n.0.match": "all",
    "n.0.0.field": "user.title", "n.0.0.op": "is", "n.0.0.value": "Boss",
}  # fmt: skip
ONLY = {"n.0.o0.match": "all", "n.0.o0.0.field": "relationship.role", "n.0.o0.0.op": "is", "n.0.o0.0.value": "Admin"}


def test_the_form_says_the_same_and_its_steps_change_it() -> None:
    known = vocabulary()
    tree, places = read_form(FORM | ONLY, known)
    assert tree == rule(users({"at_least_percent": 50}))
    for step in ("up:n.0.o0", "wrap:n.0.o0", "out:n.0.o0.0", "negate:n.0.o0", "copy:n.0.o0"):
        take_step(tree, places, step, known)
        assert tree == rule(users({"at_least_percent": 50})), step
    take_step(tree, places, "add:n.0.o0:user.email", known)
    assert [one["field"] for one in tree["rules"][0]["of"]["rules"]] == ["relationship.role", "user.email"]
    take_step(tree, places, "remove:n.0.o0.0", known)
    assert [one["field"] for one in tree["rules"][0]["of"]["rules"]] == ["user.email"]
    take_step(tree, places, "remove:n.0.o0", known)
    assert tree == rule({"users": {"at_least_percent": 50}, "where": BOSS})
    take_step(tree, places, "of:n.0", known)
    assert tree["rules"][0]["of"] == {"match": "all", "rules": []}
    assert without_unset(tree) == rule({"users": {"at_least_percent": 50}, "where": BOSS})


def test_the_builder_shows_it_and_saves_it(admin_client: Client) -> None:
    form = {"name": "Admins", "subject": "account"} | FORM
    assert 'value="of:n.0"' in admin_client.post("/segments/new/", form | {"do": "update"}).content.decode()
    opened = admin_client.post("/segments/new/", form | {"do": "of:n.0"}).content.decode()
    assert "Only users for whom" in opened and 'value="add:n.0.o0"' in opened
    saved = admin_client.post("/segments/new/", form | ONLY)
    assert saved.status_code == 302
    segment = Segment.objects.get(name="Admins")
    assert segment.rule == rule(users({"at_least_percent": 50}))
    shown = admin_client.get(f"/segments/{segment.pk}/edit/").content.decode()
    assert 'name="n.0.o0.0.field" value="relationship.role"' in shown


def test_moving_out_is_offered_where_it_does_something() -> None:
    """A condition on the users of a group stays about these users: out of the group it would mean something else."""
    group = {"match": "any", "rules": [dict(BOSS["rules"][0])]}
    looked_at = {"match": "all", "rules": [dict(ADMIN["rules"][0]), dict(group)]}
    tree = rule({"match": "any", "rules": [users("any", looked_at, {"match": "all", "rules": [dict(group)]})]})
    reader = Reader.now()
    stack, found = [rule_view(tree, reader).root], {}
    while stack:
        node = stack.pop()
        stack += [*node.nodes, *([node.of] if node.of else [])]
        if node.place and node.place[-1] != OF:
            found[node.place] = node.in_group
    assert len(found) == 7
    for place, offered in found.items():
        changed = deepcopy(tree)
        take_step(changed, {"n": place}, "out:n", reader.vocabulary)
        assert (changed != tree) == offered, place
