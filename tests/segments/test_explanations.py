"""Explanations: the same answer as the refresh, told with values, shares, near misses and in proper English."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings

from accounts.facts import Fact, record_accounts
from accounts.models import Account, AttributeDefinition
from segments.explaining import explain_rule, explain_segments
from segments.models import Segment
from segments.questions import Reader
from segments.rules.explain import explain
from segments.rules.outcome import Outcome
from tests import factories
from tests.drawing import draws
from tests.factories import rule
from tests.segments.judging import answers, reader_of, world_in_database
from tests.segments.storing import furnish
from tests.segments.test_rules_agree_with_the_oracle import quietly
from tests.segments.worlds import Case, cases

pytestmark = pytest.mark.django_db


@pytest.fixture
def furnished(db: None) -> None:
    furnish()


@settings(quietly, max_examples=draws(25))
@given(case=cases(rules=5))
def test_an_account_meets_the_explained_rule_exactly_if_it_matches(furnished: None, case: Case) -> None:
    with world_in_database(case.world):
        reader = reader_of(case.world)
        for drawn in case.rules:
            question, matched = reader.read(drawn, personal=True), answers(drawn, reader)
            live = Account.objects.live()
            found = explain(question.rule, question.context, reader.words, live)
            one = live.first()
            if one is not None:
                alone = explain(question.rule, question.context, reader.words, live.filter(pk=one.pk))
                assert alone == {one.pk: found[one.pk]}, "an account is explained alike alone and among others"
            unnamed = explain(question.rule, question.context, reader.words, live, named=False)
            assert unnamed == {pk: _without_rows(told) for pk, told in found.items()}, "it counts alike without names"
            assert len(found) == live.count()
            for pk, key in live.values_list("pk", "external_id"):
                told = found[pk]
                assert told.met == (key in matched), drawn
                assert (told.away == 0) == told.met or told.match == "none" or not told.outcomes
                _hangs_together(told)


def _without_rows(outcome: Outcome) -> Outcome:
    return replace(outcome, rows=(), outcomes=tuple(_without_rows(one) for one in outcome.outcomes))


def _hangs_together(outcome: Outcome) -> None:
    """A group's truth follows from its parts."""
    if outcome.kind == "group" and outcome.outcomes:
        parts = [one.met for one in outcome.outcomes]
        assert outcome.met == {"all": all(parts), "any": any(parts), "none": not any(parts)}[outcome.match]
    for one in outcome.outcomes:
        _hangs_together(one)


def told(account: Account, *conditions: dict[str, Any], match: str = "all") -> Any:
    return explain_rule(rule(*conditions, match=match), Account.objects.filter(pk=account.pk))


def test_a_share_of_another_number_is_told_with_both() -> None:
    AttributeDefinition.objects.create(subject="account", key="seats_used", name="Seats used", kind="number")
    account = factories.account("Alder", licences=48, attributes={"seats_used": 42})
    condition = {
        "field": "account.custom.seats_used",
        "op": "at_least",
        "value": {"percent": 90, "of": "account.licences"},
    }
    assert told(account, condition).outcome.outcomes[0].actual == "42, 88% of 48 licences"
    Account.objects.filter(pk=account.pk).update(licences=0)
    assert told(account, condition).outcome.outcomes[0].actual == "42, of 0 licences"
    Account.objects.filter(pk=account.pk).update(licences=None)
    assert told(account, condition).outcome.outcomes[0].actual == "42; licences is not known"


@pytest.mark.parametrize(
    ("asked", "headline"),
    [
        ([100], "Not a match. The condition is not met."),
        ([1], "A match. The condition is met."),
        ([100, 200], "Not a match. 0 of 2 conditions are met."),
        ([1, 200], "Not a match. 1 of 2 conditions is met."),
        ([1, 2], "A match. 2 of 2 conditions are met."),
        ([], "A match."),
    ],
)
def test_the_headline_is_english(asked: list[int], headline: str) -> None:
    account = factories.account("Alder", mrr=50)
    found = told(account, *({"field": "account.mrr", "op": "at_least", "value": n} for n in asked))
    assert found.headline == headline


def test_what_is_one_condition_away_is_a_near_miss() -> None:
    account = factories.account("Alder", mrr=50, plan="Growth", country="DE")
    small, large = ({"field": "account.mrr", "op": "at_least", "value": n} for n in (1, 100))
    plan = {"field": "account.plan", "op": "is", "value": "Growth"}
    assert told(account, small, large).near_miss
    assert not told(account, large).near_miss, "a rule of one condition has no near misses"
    assert not told(account, small).near_miss
    assert not told(account, large, {"field": "account.plan", "op": "is", "value": "Pro"}).near_miss
    either = rule(large, {"field": "account.country", "op": "is", "value": "FR"}, match="any")
    assert (told(account, plan, either).near_miss, told(account, plan, either).away) == (True, 1)
    assert told(account, small, plan, match="none").away == 2


def test_segments_come_with_those_it_is_in_first_and_then_the_nearest() -> None:
    account = factories.account("Alder", mrr=50, plan="Growth")
    mrr = [{"field": "account.mrr", "op": "at_least", "value": n} for n in (1, 100, 200)]
    far = factories.segment("Far", *mrr[1:])
    near = factories.segment("Near", *mrr[:2])
    inside = factories.segment("Inside", mrr[0])
    broken = factories.segment("Broken", mrr[0])
    Segment.everything.filter(pk=broken.pk).update(rule=rule({"field": "account.gone", "op": "is_set"}))
    found = explain_segments([far, Segment.objects.get(pk=broken.pk), near, inside], account, Reader.now())
    names = [item.segment.name for item in found if item.segment]
    assert names == ["Broken", "Inside", "Near", "Far"], "Broken keeps its last member, so it is told first"
    assert found[0].headline.startswith("The rule cannot be read. There is no field")
    assert [item.near_miss for item in found] == [False, False, True, False]


def test_the_command_line_tells_the_whole_tree(capsys: pytest.CaptureFixture[str]) -> None:
    at = dt.datetime(2026, 5, 1, 9, tzinfo=dt.UTC)
    record_accounts([Fact("alder", {"name": "Alder", "stated_mrr": 50, "domain": "alder.example"}, at)], source="crm")
    account = Account.objects.get()
    for name, title in (("Ada", "CTO"), ("Bo", "Clerk")):
        factories.relationship(account, factories.end_user(name, title=title))
    chiefs = {"users": "any", "where": rule({"field": "user.title", "op": "is", "value": "CTO"})}
    domain = {"field": "account.domain", "op": "contains", "value": "alder"}
    near = factories.segment("Near", domain, chiefs, {"field": "account.country", "op": "is", "value": "DE"})
    factories.segment("Inside", rule(domain, chiefs, match="any"))
    call_command("explain_account", "alder")
    lines = capsys.readouterr().out.splitlines()
    assert lines[: lines.index("Inside: A match. The condition is met.")] == [
        "Near: Not a match. 2 of 3 conditions are met.",
        "  yes  domain contains “alder” (alder.example, as of 2026-05-01)",
        "  yes  at least one user for whom title is “CTO” (1 of 2)",
        "    yes  Ada",
        "      yes  title is “CTO” (CTO)",
        "    no   Bo",
        "      no   title is “CTO” (Clerk)",
        "  no   country is “DE” (Country is not known)",
    ]
    call_command("explain_account", "alder", near.key)
    assert "Inside" not in capsys.readouterr().out
    for words, said in ((["birch"], "no live account “birch”"), (["alder", "gone"], "no segment of accounts gone")):
        with pytest.raises(CommandError, match=said):
            call_command("explain_account", *words)
