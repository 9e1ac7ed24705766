"""Remarks on rules: what can never hold, what always holds, what is said twice; and nothing about sound rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from accounts.models import Account, AttributeDefinition
from segments.models import Segment
from segments.questions import Reader
from segments.rules.lint import lint
from tests import factories
from tests.factories import rule
from tests.segments.judging import answers, reader_of, world_in_database
from tests.segments.storing import furnish
from tests.segments.test_rules_agree_with_the_oracle import quietly
from tests.segments.worlds import Case, cases
from usage.models import EventName

pytestmark = pytest.mark.django_db


def has(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": f"account.{field}", "op": op} | ({} if value is None else {"value": value})


def mrr(op: str, value: Any = None) -> dict[str, Any]:
    return has("mrr", op, value)


def days(n: int) -> dict[str, Any]:
    return {"n": n, "unit": "day"}


def users(how: Any, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"users": how, "where": rule(*conditions)}


def codes(tree: dict[str, Any]) -> list[tuple[str, str]]:
    reader = Reader.now()
    notes = lint(reader.read(tree, personal=True).rule, reader.words, reader.moment.today)
    return [(note.pointer, note.code) for note in notes]


def export(op: str, value: Any = None, measure: Any = "count", last: int = 30, **more: Any) -> dict[str, Any]:
    counted = {} if value is None else {"value": value}
    counted |= {"measure": measure} if op in MEASURED else {}
    return {"event": "Export", "op": op, **counted, "window": {"last": last, "unit": "day"}, **more}


MEASURED = ("at_least", "more_than", "at_most", "less_than", "exactly", "between")
PAGES = {"where": rule({"field": "event.properties.pages", "op": "more_than", "value": 5})}


NO = {"field": "user.title", "op": "is", "value": "a"}
NEVER = [
    [mrr("at_least", 100), mrr("at_most", 50)],
    [mrr("more_than", 100), mrr("less_than", 100)],
    [mrr("at_least", 100), mrr("less_than", 100)],
    [mrr("equals", 5), mrr("between", [6, 7])],
    [mrr("any_of", [1, 2]), mrr("at_least", 3)],
    [mrr("at_least", 5), mrr("is_not_set")],
    [mrr("is_set"), mrr("is_not_set")],
    [mrr("between", [1, 2]), mrr("not_between", [1, 2])],
    [mrr("at_least", 100), rule(mrr("at_most", 50))],
    [mrr("at_least", 100), rule(mrr("at_least", 100), match="none")],
    [has("plan", "is", "A"), has("plan", "is", "B")],
    [has("plan", "is", "A"), has("plan", "is_not", "a")],
    [has("plan", "any_of", ["A", "B"]), has("plan", "is_not", "A"), has("plan", "none_of", ["B", "C"])],
    [has("plan", "is", "Growth"), has("plan", "contains", "pro")],
    [has("plan", "is", "Growth"), has("plan", "starts_with", "row")],
    [has("stage", "is", "live"), has("stage", "any_of", ["trial", "cancelled"])],
    [has("renews_on", "within_last", days(30)), has("renews_on", "more_than_ago", days(30))],
    [has("renews_on", "within_next", days(30)), has("renews_on", "more_than_ahead", days(90))],
    [has("renews_on", "before", "2026-01-01"), has("renews_on", "on_or_after", "2026-01-01")],
    [has("renews_on", "this_year"), has("renews_on", "last_year")],
    [rule(mrr("at_least", 9), mrr("at_most", 1)), has("plan", "is", "A")],
    [rule(rule(mrr("at_least", 9), mrr("at_most", 1)), rule(mrr("is_set"), mrr("is_not_set")), match="any")],
    [users("any", NO, {"field": "user.title", "op": "is", "value": "b"})],
    [users({"at_least": 2}, NO, NO | {"op": "is_not"})],
]
SOUND = [
    [mrr("at_least", 100), mrr("at_most", 100)],
    [mrr("at_least", {"percent": 50, "of": "account.licences"}), mrr("at_most", 1)],
    [mrr("is_not_set"), mrr("not_equals", 5)],
    [has("plan", "is", "Growth"), has("plan", "contains", "ROW")],
    [has("plan", "any_of", ["A", "B"]), has("plan", "is_not", "A")],
    [has("plan", "is", "A"), has("country", "is", "B")],
    [has("renews_on", "within_last", days(30)), has("renews_on", "more_than_ago", days(29))],
    [has("renews_on", "within_last", days(30)), has("renews_on", "after", "2199-01-01")],
    [{"field": "user.title", "op": "is", "value": "a"}, {"field": "user.title", "op": "is", "value": "b"}],
    [users("any", NO), users("none", {"field": "user.title", "op": "is", "value": "b"})],
    [users("all", NO, {"field": "user.name", "op": "is", "value": "b"})],
    [],
]


@pytest.mark.parametrize("conditions", NEVER, ids=range(len(NEVER)))
def test_what_can_never_hold_is_found(conditions: list[dict[str, Any]]) -> None:
    found = codes(rule(*conditions))
    assert ("", "never-true") in found and {code for _, code in found} == {"never-true"}


@pytest.mark.parametrize("conditions", SOUND, ids=range(len(SOUND)))
def test_nothing_is_said_about_sound_rules(conditions: list[dict[str, Any]]) -> None:
    assert codes(rule(*conditions)) == []


@pytest.mark.parametrize(
    "tree",
    [
        rule(mrr("is_set"), mrr("is_not_set"), match="any"),
        rule(has("plan", "is", "A"), has("plan", "is_not", "A"), match="any"),
        rule(rule(mrr("at_least", 9), mrr("at_most", 1)), match="none"),
        rule(users("none", NO, NO | {"op": "is_not"})),
        rule(rule(mrr("is_set"), mrr("is_not_set"), match="any"), rule(mrr("is_set"), mrr("is_not_set"), match="any")),
    ],
    ids=range(5),
)
def test_what_always_holds_is_found(tree: dict[str, Any]) -> None:
    assert ("", "always-true") in codes(tree)


def test_the_same_condition_twice_is_marked_at_the_second() -> None:
    assert codes(rule(mrr("at_least", 5), has("plan", "is", "A"), mrr("at_least", 5))) == [("/rules/2", "twice")]
    inner = rule(mrr("at_least", 5), has("plan", "is", "A"), match="any")
    turned = rule(has("plan", "is", "A"), mrr("at_least", 5), match="any")
    assert codes(rule(inner, turned)) == [("/rules/1", "twice")]
    other = factories.segment("Other", mrr("is_set"))
    both = rule({"segment": other.key, "op": "in"}, {"segment": other.key, "op": "not_in"})
    assert codes(both) == [("", "never-true")]
    assert Segment.objects.count() == 1


def test_yes_and_no_cannot_both_hold() -> None:
    AttributeDefinition.objects.create(subject="account", key="vip", name="VIP", kind="boolean")
    assert codes(rule(has("custom.vip", "is_true"), has("custom.vip", "is_false"))) == [("", "never-true")]


@settings(quietly, max_examples=40)
@given(case=cases(rules=20, depth=3))
def test_a_remark_is_never_wrong(furnished: None, case: Case) -> None:
    with world_in_database(case.world):
        reader = reader_of(case.world)
        live = set(Account.objects.live().values_list("external_id", flat=True))
        for tree in case.rules:
            question = reader.read(tree, personal=True)
            said = {note.code for note in lint(question.rule, reader.words, reader.moment.today) if note.pointer == ""}
            if "never-true" in said:
                assert answers(tree, reader) == set(), tree
            if "always-true" in said:
                assert answers(tree, reader) == live, tree


@pytest.fixture
def furnished(db: None) -> None:
    furnish()


def of(name: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": f"event.properties.{name}", "op": op} | ({} if value is None else {"value": value})


def after(op: str, *wheres: Any) -> dict[str, Any]:
    """One export after another."""
    steps = [{"event": "Export"} | ({"where": rule(*where)} if where else {}) for where in wheres]
    return {"sequence": steps, "op": op, "within": days(7), "window": {"last": 30, "unit": "day"}}


UNMET = [of("pages", "at_least", 9), of("pages", "at_most", 5)]
NO_EVENT = {"where": rule(*UNMET)}
EVENTS_NEVER = [
    [export("at_least", 1, **NO_EVENT)],
    [export("more_than", 0, {"sum": "properties.pages"}, **NO_EVENT)],
    [export("at_most", 3, {"avg": "properties.pages"}, **NO_EVENT)],
    [export("stopped", **NO_EVENT)],
    [export("decreased_by", {"percent": 10}, **NO_EVENT)],
    [export("at_least", 1, where=rule(of("kind", "is", "a"), of("kind", "is_not_set")))],
    [export("at_least", 1, where=rule(of("pages", "is_not_set"), of("pages", "at_least", 1)))],
    [users("any", export("at_least", 1, **NO_EVENT))],
    [after("then", UNMET, [])],
    [after("then", [], UNMET)],
    [after("not_then", UNMET, [])],
    [export("less_than", 0)],
    [export("exactly", 1.5)],
    [export("between", [0.2, 0.8], "users")],
    [export("at_least", 31, "days")],
    [export("never"), export("at_least", 1)],
    [export("never"), export("more_than", 0.5, {"distinct": "properties.pages"})],
    [export("never"), export("at_most", 3, {"avg": "properties.pages"})],
    [export("never"), export("first_time_in")],
    [export("never"), export("increased_by", {"percent": 10})],
    [export("stopped"), export("restarted")],
    [export("at_least", 3), export("less_than", 3)],
    [export("at_least", 1, "users"), export("exactly", 0, "days")],
    [export("never", **PAGES), export("at_least", 1, **PAGES)],
    [users("any", export("never"), export("at_least", 1))],
]
EVENTS_SOUND = [
    [export("at_least", 1, where=rule(of("kind", "any_of", ["5"]), of("kind", "any_of", [6]), match="any"))],
    [export("at_least", 1, where=rule(of("kind", "is_not", "5"), of("kind", "at_least", 6)))],
    [export("at_least", 1, where=rule(of("kind", "is_not", "5"), of("kind", "is_set")))],
    [after("then", [of("kind", "is", "a")], [of("kind", "is", "b")])],
    [export("at_least", 0, {"sum": "properties.pages"})],
    [export("less_than", 0, {"sum": "properties.pages"})],
    [export("at_least", 30, "days")],
    [export("never"), export("at_least", 1, last=60)],
    [export("never", **PAGES), export("at_least", 1)],
    [export("never"), export("at_least", 1, anywhere=True)],
    [export("never"), export("at_least", 0, {"sum": "properties.pages"})],
    [export("never"), export("stopped")],
    [export("at_least", 3), export("at_most", 3)],
    [export("at_least", 3), export("at_most", 1, "users")],
    [export("exactly", 0, "users"), export("at_least", 1)],  # by nobody
    [users("any", export("never")), users("any", export("at_least", 1))],
]
EVENTS_ALWAYS = [
    rule(export("at_least", 0)),
    rule(export("never", **NO_EVENT)),
    rule(export("at_most", 5, {"sum": "properties.pages"}, **NO_EVENT)),
    rule(export("at_most", 30, "days")),
    rule(export("less_than", 0), match="none"),
    rule(export("never"), export("at_least", 1), match="any"),
    rule(export("at_most", 2, "users"), export("more_than", 2, "users"), match="any"),
]


@pytest.fixture
def exports(db: None) -> None:
    EventName.objects.create(name="Export")


@pytest.mark.parametrize("conditions", EVENTS_NEVER)
def test_events_that_can_never_be_are_found(exports: None, conditions: list[dict[str, Any]]) -> None:
    assert "never-true" in [code for _, code in codes(rule(*conditions))]


@pytest.mark.parametrize("conditions", EVENTS_SOUND)
def test_nothing_is_said_about_events_that_can_be(exports: None, conditions: list[dict[str, Any]]) -> None:
    assert codes(rule(*conditions)) == []


@pytest.mark.parametrize("tree", EVENTS_ALWAYS)
def test_events_that_always_hold_are_found(exports: None, tree: dict[str, Any]) -> None:
    assert ("", "always-true") in codes(tree)


def test_a_filter_is_looked_at_as_any_other_group(exports: None) -> None:
    twice = export("at_least", 1, where=rule(of("kind", "is", "a"), of("kind", "is", "a")))
    everything = export("at_least", 1, where=rule(of("kind", "is", "a"), of("kind", "is_not", "a"), match="any"))
    assert codes(rule(twice)) == [("/rules/0/where/rules/1", "twice")]
    assert set(codes(rule(everything))) == {("/rules/0/where", "always-true")}
    assert ("/rules/0", "never-true") in codes(rule(export("at_least", 1, **NO_EVENT), mrr("is_set"), match="any"))
    assert ("", "never-true") not in codes(rule(after("not_then", [], UNMET)))


@pytest.mark.parametrize("tree", [rule(export("never"), export("at_least", 1, "users"), match="any")])
def test_what_nobody_did_may_have_happened(exports: None, tree: dict[str, Any]) -> None:
    assert codes(tree) == []
