"""Rules on events that cannot be: each is refused with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest

from segments.questions import read_rule
from segments.rules.tree import RuleError, parse, to_json
from tests.segments.test_bad_rules import all_, users

N = "/rules/0"
PAGES = {"field": "event.properties.pages", "op": "at_least", "value": 3}
DAY = {"n": 1, "unit": "day"}


def event(**changes: Any) -> dict[str, Any]:
    """A good condition on an event, with something wrong."""
    node = {"event": "Ev A", "op": "at_least", "value": 3, "window": {"last": 30, "unit": "day"}} | changes
    return all_({key: value for key, value in node.items() if value is not ...})


def where(rule: Any) -> dict[str, Any]:
    """One with a filter."""
    return event(where=all_(rule))


def sequence(**changes: Any) -> dict[str, Any]:
    """Two events, with something wrong."""
    node = {"sequence": [{"event": "Ev A"}, {"event": "Ev % B"}], "op": "then", "within": DAY, "window": "ever"}
    return all_(node | changes)


W, M, V = f"{N}/window", f"{N}/measure", f"{N}/value"
BAD: list[tuple[str, Any, str]] = [
    ("an event there is not", event(event="Ev C"), f"{N}/event"),
    ("an event in another case", event(event="ev a"), f"{N}/event"),
    ("an event that is a list", event(event=["Ev A"]), f"{N}/event"),
    ("no operator", event(op=...), f"{N}/op"),
    ("a text's operator", event(op="contains"), f"{N}/op"),
    ("no value", event(value=...), V),
    ("a text for a count", event(value="3"), V),
    ("true for a count", event(value=True), V),
    ("a negative count", event(value=-1), V),
    ("one end", event(op="between", value=[1]), V),
    ("ends swapped", event(op="between", value=[3, 1]), V),
    ("a value of never", event(op="never"), V),
    ("a number as change", event(op="increased_by"), V),
    ("no percent", event(op="increased_by", value={"percent": 0}), f"{V}/percent"),
    ("down by more than all", event(op="decreased_by", value={"percent": 101}), f"{V}/percent"),
    ("a change since ever", event(op="increased_by", value={"percent": 5}, window="ever"), W),
    ("stopped since ever", event(op="stopped", value=..., window="ever"), W),
    ("first time ever", event(op="first_time_in", value=..., window="ever"), W),
    ("a measure of never", event(op="never", value=..., measure="users"), M),
    ("an unknown measure", event(measure="median"), M),
    ("a sum of nothing", event(measure={"sum": "properties."}), f"{M}/sum"),
    ("a sum of what is no property", event(measure={"sum": "account.mrr"}), f"{M}/sum"),
    ("two measures", event(measure={"sum": "properties.a", "avg": "properties.a"}), M),
    ("an unknown window", event(window="always"), W),
    ("no days", event(window={"last": 0, "unit": "day"}), f"{W}/last"),
    ("half a day", event(window={"last": 0.5, "unit": "day"}), f"{W}/last"),
    ("a million days", event(window={"last": 10**6, "unit": "day"}), f"{W}/last"),
    ("a fortnight", event(window={"last": 1, "unit": "fortnight"}), f"{W}/unit"),
    ("one age", event(window={"between": [60], "unit": "day"}), f"{W}/between"),
    ("ages swapped", event(window={"between": [30, 60], "unit": "day"}), f"{W}/between"),
    ("a negative age", event(window={"between": [30, -1], "unit": "day"}), f"{W}/between/1"),
    ("since a name", event(window={"since": "account.name"}), f"{W}/since"),
    ("since a user's date", event(window={"since": "user.first_seen_at"}), f"{W}/since"),
    ("since what is gone", event(window={"since": "account.custom.gone"}), f"{W}/since"),
    ("anywhere as a text", event(anywhere="yes"), f"{N}/anywhere"),
    ("an extra key", event(limit=5), f"{N}/limit"),
    ("a filter that is a list", event(where=[PAGES]), f"{N}/where"),
    ("an empty filter", event(where=all_()), f"{N}/where/rules"),
    ("an account's field as filter", where({"field": "account.mrr", "op": "is_set"}), f"{N}/where/rules/0/field"),
    ("no property", where({"field": "event.properties.", "op": "is_set"}), f"{N}/where/rules/0/field"),
    ("NUL in a property", where({"field": "event.properties.a\x00", "op": "is_set"}), f"{N}/where/rules/0/field"),
    ("a lone surrogate in a property", where(PAGES | {"field": "event.properties.\ud800"}), f"{N}/where/rules/0/field"),
    ("a person's operator", where(PAGES | {"op": "is_me"}), f"{N}/where/rules/0/op"),
    ("a text for a number", where(PAGES | {"value": "3"}), f"{N}/where/rules/0/value"),
    ("texts among numbers", where(PAGES | {"op": "any_of", "value": [1, "b"]}), f"{N}/where/rules/0/value/0"),
    ("a broken pattern", where(PAGES | {"op": "matches", "value": "("}), f"{N}/where/rules/0/value"),
    ("a segment in a filter", where({"segment": "base-one", "op": "in"}), f"{N}/where/rules/0"),
    ("an event in a filter", where({"event": "Ev A", "op": "never"}), f"{N}/where/rules/0"),
    ("users in a filter", where({"users": "any", "where": all_(PAGES)}), f"{N}/where/rules/0"),
    ("a property outside of an event", all_(PAGES), f"{N}/field"),
    ("a property among users", users(all_(PAGES)), f"{N}/where/rules/0/field"),
    ("an event among subscriptions", all_({"subscriptions": "any", "where": event()}), f"{N}/where/rules/0"),
    ("one event alone", sequence(sequence=[{"event": "Ev A"}]), f"{N}/sequence"),
    ("three events", sequence(sequence=[{"event": "Ev A"}] * 3), f"{N}/sequence"),
    ("a name for an event", sequence(sequence=["Ev A", "Ev A"]), f"{N}/sequence"),
    ("a second that is not", sequence(sequence=[{"event": "Ev A"}, {"event": "x"}]), f"{N}/sequence/1/event"),
    ("a step that counts", sequence(sequence=[{"event": "Ev A", "op": "never"}] * 2), f"{N}/sequence/0/op"),
    ("no time between", sequence(within=None), f"{N}/within"),
    ("a month between", sequence(within={"n": 1, "unit": "month"}), f"{N}/within/unit"),
    ("a count of a sequence", sequence(op="at_least"), f"{N}/op"),
    ("a sequence somewhere", sequence(anywhere="yes"), f"{N}/anywhere"),
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("furniture", "db")


@pytest.mark.parametrize(("rule", "pointer"), [(rule, at) for _, rule, at in BAD], ids=[name for name, _, _ in BAD])
def test_a_bad_rule_on_events_is_refused_with_its_place(rule: Any, pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_rule(rule)
    problems = refused.value.problems
    assert pointer in {problem.pointer for problem in problems}, problems
    assert all(problem.code and problem.message and len(problem.message) < 2_000 for problem in problems)


def test_what_stands_just_inside_the_limits_is_taken_and_comes_back() -> None:
    for rule in (
        event(value=0),
        event(op="decreased_by", value={"percent": 100}),
        event(window={"between": [5, 5], "unit": "hour"}),
        event(window={"last": 36_500, "unit": "day"}),
        event(op="first_time_in", value=..., window={"since": "account.first_seen_at"}),
        where(PAGES | {"field": 'event.properties.it\'s "odd" %s'}),
        sequence(within={"n": 1, "unit": "week"}),
        users(event()),
    ):
        question = read_rule(rule)
        list(question.accounts())
        vocabulary = question.context.vocabulary
        assert parse(to_json(question.rule), vocabulary) == question.rule


def test_a_near_name_is_offered() -> None:
    with pytest.raises(RuleError) as refused:
        read_rule(event(event="EvA"))
    assert "Ev A" in refused.value.problems[0].allowed
