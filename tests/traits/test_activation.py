"""Activation progress: the share of chosen conditions that an account, or a user in it, meets."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, Relationship, TeamMember
from core.clock import Moment
from tests import factories
from tests.traits.conftest import Tell
from tests.web.reading import text
from usage.traits.computing import refresh_traits
from usage.traits.editing import TraitInUse, delete_trait, save_trait
from usage.traits.models import AccountTraits, Trait, UserTraits
from usage.traits.reading import TraitError

pytestmark = pytest.mark.django_db
EARLIER = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STEPS = [
    {"users": {"at_least": 2}, "where": factories.rule({"field": "user.email", "op": "is_set"})},
    {"field": "account.mrr", "op": "at_least", "value": 10},
    factories.rule(
        {"field": "account.plan", "op": "is", "value": "pro"},
        {"field": "account.industry", "op": "is", "value": "banks"},
        match="any",
    ),
]


def progress(*steps: Any, **rule: Any) -> Trait:
    definition = {"rule": {"match": "all", "rules": list(steps)} | rule}
    return save_trait(None, name="Activation", method="activation", definition=definition)


def test_each_condition_counts_by_itself_and_missing_values_meet_none(present: Moment) -> None:
    full, some = factories.account("Full", mrr=10, industry="Banks"), factories.account("Some", mrr=9, plan="Pro")
    none = factories.account("None")
    for number in range(2):
        factories.relationship(full, factories.end_user(email=f"u{number}@example.com"))
    factories.relationship(some, factories.end_user(email="one@example.com"))
    factories.relationship(none)
    progress(*STEPS)
    refresh_traits(present)
    rows = AccountTraits.objects.values_list("account__name", "shown__activation")
    assert {name: float(value) for name, value in rows} == {"Full": 100, "Some": 33.33, "None": 0}


def test_a_condition_may_ask_for_another_trait_which_is_computed_first(present: Moment, tell: Tell) -> None:
    account = factories.account()
    count = save_trait(None, name="Exports", method="count", definition={"event": "Export"})
    trait = progress({"field": count.field_key, "op": "at_least", "value": 1})
    assert trait.kind == "percent"
    tell(account, "Export")
    refresh_traits(present)
    assert AccountTraits.objects.get().shown == {"exports": 1, "activation": 100}
    with pytest.raises(TraitInUse, match="trait “Activation”"):
        delete_trait(count)


def test_events_may_be_conditions(present: Moment, tell: Tell) -> None:
    account = factories.account()
    tell(account, "Export", days=2)
    tell(account, "Share", days=31)
    window = {"last": 30, "unit": "day"}
    common = {"op": "at_least", "value": 1, "measure": "count", "window": window}
    steps = [{"event": name, **common} for name in ("Export", "Share")]
    progress(*steps)
    refresh_traits(present)
    assert AccountTraits.objects.get().shown == {"activation": 50}


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"rules": []}, "/rule/rules"),
        ({"rules": STEPS[1:2] * 21}, "/rule/rules"),
        ({"match": "any", "rules": STEPS}, "/rule/match"),
        ({"rules": [{"segment": "x", "op": "in"}]}, "/rule"),
        ({"rules": [{"field": "account.gone", "op": "is", "value": 1}]}, "/rule/rules/0/field"),
        ({"rules": [{"field": "team.csm", "op": "is_me"}]}, "/rule/rules/0/op"),
        ({"rules": [{"field": "account.name", "op": "matches", "value": "("}]}, "/rule/rules/0/value"),
    ],
)
def test_conditions_that_cannot_be_are_refused_at_their_place(rule: dict[str, Any], pointer: str) -> None:
    with pytest.raises(TraitError) as refused:
        progress(**rule)
    assert pointer in [problem.pointer for problem in refused.value.problems]


@pytest.fixture
def people(present: Moment, tell: Tell) -> None:
    """Ann is a champion who exports in Alder and idle in Birch; Bo is idle in Birch, which Cy left; Di is nowhere."""
    alder, birch = factories.account("Alder"), factories.account("Birch", plan="Pro")
    ann, bo, cy, _ = (factories.end_user(name) for name in ("Ann", "Bo", "Cy", "Di"))
    factories.relationship(alder, ann, "Champion")
    factories.relationship(birch, ann)
    factories.relationship(birch, bo)
    factories.relationship(birch, cy, "Champion", started_at=EARLIER, ended_at=present.now)
    tell(alder, "Export", user=ann)


OF_USERS = factories.rule(
    {"event": "Export", "op": "at_least", "value": 1, "measure": "count", "window": "ever"},
    {"field": "relationship.role", "op": "is", "value": "champion"},
    {"field": "account.plan", "op": "is", "value": "pro"},
)


def of_users(rule: dict[str, Any]) -> Trait:
    return save_trait(None, subject="user", name="Activation", method="activation", definition={"rule": rule})


def test_of_a_user_each_account_has_a_share_of_its_own(present: Moment, people: None) -> None:
    of_users(OF_USERS)
    refresh_traits(present)
    rows = UserTraits.objects.values_list("account__name", "user__name", "shown__activation")
    shares = {(account, user): float(value) for account, user, value in rows}
    assert shares == {("Alder", "Ann"): 66.67, ("Birch", "Ann"): 33.33, ("Birch", "Bo"): 33.33}
    mine = Relationship.objects.get(account__name="Alder")
    mine.role = "Reader"
    mine.save()
    refresh_traits(present, [Account.objects.get(name="Alder").pk])
    rows = UserTraits.objects.filter(account__name="Alder").values_list("shown__activation", flat=True)
    assert [float(value) for value in rows] == [33.33]


@pytest.mark.parametrize("rule", [factories.rule(*STEPS), factories.rule()])
def test_conditions_of_users_are_refused_as_a_segment_of_users_refuses_them(rule: dict[str, Any]) -> None:
    with pytest.raises(TraitError) as refused:
        of_users(rule)
    assert refused.value.problems[0].pointer in ("/rule/rules/0", "/rule/rules")


def test_the_page_and_the_api_make_one_for_users(present: Moment, people: None) -> None:
    browser = Client()
    browser.force_login(factories.member(TeamMember.Access.MANAGER).user)
    shown = browser.get("/traits/new/?subject=user&method=activation").content.decode()
    assert 'data-key="relationship.role" data-rows=""' in shown
    form = {"subject": "user", "method": "activation", "name": "Activation", "active": "1", "n.match": "all"}
    stepped = browser.post("/traits/new/", form | {"do": "add:n:relationship.role"}).content.decode()
    assert 'name="n.0.field" value="relationship.role"' in stepped and 'name="n.0.rows"' not in stepped
    form |= {"n.0.field": "relationship.role", "n.0.op": "is", "n.0.value": "Champion"}
    tried = text(browser.post("/traits/new/", form | {"do": "preview"}).content.decode())
    assert "3 of 3 users in accounts have a value." in tried and "Ann, Alder" in tried
    definition = {"rule": factories.rule({"field": "relationship.role", "op": "is", "value": "Champion"})}
    body = {"subject": "user", "name": "Activation", "method": "activation", "definition": definition}
    made = browser.post("/api/v1/traits/", body, content_type="application/json")
    assert made.status_code == 201 and made.json()["field"] == "user.trait.activation"
    rule = {"field": "user.trait.activation", "op": "at_least", "value": 100}
    found = browser.post(
        "/api/v1/segments/preview/", {"rule": factories.rule(rule), "subject": "user"}, "application/json"
    )
    assert found.json().get("count") == 1, found.json()


def test_the_page_builds_its_conditions_step_by_step(present: Moment) -> None:
    factories.account("One", mrr=100)
    browser = Client()
    browser.force_login(factories.member(TeamMember.Access.MANAGER).user)
    assert "rule-builder" in browser.get("/traits/new/?method=activation").content.decode()
    form = {"subject": "account", "method": "activation", "name": "Activation", "active": "1", "n.match": "all"}
    stepped = browser.post("/traits/new/", form | {"do": "add:n:account.mrr"}).content.decode()
    assert 'value="account.mrr"' in stepped and not Trait.objects.exists()
    form |= {"n.0.field": "account.mrr", "n.0.op": "at_least"}
    refused = browser.post("/traits/new/", form)
    assert refused.status_code == 422 and "A value is missing." in refused.content.decode()
    assert browser.post("/traits/new/", form | {"n.0.value": "50"}).status_code == 302
    assert AccountTraits.objects.get().shown == {"activation": 100}
    shown = browser.get(f"/traits/{Trait.objects.get().pk}/").content.decode()
    assert "Share of 1 conditions that are met: MRR is at least $50" in shown
