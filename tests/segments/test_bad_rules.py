"""Rules that cannot be: each is refused with the place of the mistake and never with another exception."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from segments.editing import save_segment
from segments.models import Segment
from segments.questions import read_rule
from segments.rules.tree import MAX_CONDITIONS, MAX_DEPTH, RuleError

GOOD = {"field": "account.name", "op": "is", "value": "x"}
SPAN = {"n": 30, "unit": "day"}
NAMED = {"field": "user.name", "op": "is_set"}
PERCENT = {"percent": 5}


def all_(*rules: Any) -> dict[str, Any]:
    """A group of all of these."""
    return {"match": "all", "rules": list(rules)}


def leaf(field: Any = "account.name", op: Any = "is", **value: Any) -> dict[str, Any]:
    """A rule of one condition."""
    return all_({"field": field, "op": op, **value})


def nested(levels: int) -> Any:
    """Groups in groups."""
    rule: Any = GOOD
    for _ in range(levels):
        rule = all_(rule)
    return rule


def listed(levels: int) -> Any:
    """Lists in lists."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


def users(where: Any, how: Any = "any") -> dict[str, Any]:
    """A rule about users."""
    return all_({"users": how, "where": where})


V = "/rules/0/value"
FIELD, OP = "/rules/0/field", "/rules/0/op"
BAD: list[tuple[str, Any, str]] = [
    ("a text", "all", ""),
    ("a number", 7, ""),
    ("true", True, ""),
    ("a list", [GOOD], ""),
    ("a leaf as the root", GOOD, ""),
    ("a users node as the root", {"users": "any", "where": all_(GOOD)}, "/where/rules/0/field"),
    ("no rules", {"match": "all"}, "/rules"),
    ("rules as an object", {"match": "all", "rules": {"0": GOOD}}, "/rules"),
    ("rules as a text", {"match": "all", "rules": "x"}, "/rules"),
    ("an unknown match", {"match": "some", "rules": [GOOD]}, "/match"),
    ("match as a list", {"match": ["all"], "rules": [GOOD]}, "/match"),
    ("an extra key", {"match": "all", "rules": [GOOD], "not": True}, "/not"),
    ("Django's own words", all_({**GOOD, "_connector": "OR"}), "/rules/0/_connector"),
    ("an empty group below", all_(all_()), "/rules/0/rules"),
    ("null for a node", all_(None), "/rules/0"),
    ("an empty node", all_({}), "/rules/0"),
    ("a node of nothing known", all_({"sql": "1=1"}), "/rules/0"),
    ("an event that never came", all_({"event": "Report Exported", "op": "at_least", "value": 3}), "/rules/0/event"),
    ("too deep", nested(MAX_DEPTH + 1), "/rules/0" * MAX_DEPTH),
    ("two hundred deep", nested(200), "/rules/0" * MAX_DEPTH),
    ("so deep that reading it fails", nested(20_000), ""),
    ("lists without end", all_(listed(20_000)), ""),
    ("a list in a list", all_(listed(400)), "/rules/0"),
    ("too wide", all_(*[GOOD] * (MAX_CONDITIONS + 1)), f"/rules/{MAX_CONDITIONS}"),
    ("ten thousand conditions", all_(*[GOOD] * 10_000), ""),
    ("a value of ten megabytes", leaf(value="x" * 10_000_000), ""),
    ("a list of a hundred thousand", leaf(op="any_of", value=["x"] * 100_000), ""),
    ("a list of two thousand", leaf(op="any_of", value=["x"] * 2_000), V),
    ("NUL", leaf(value="a\x00b"), V),
    ("NUL in a list", leaf(op="any_of", value=["a", "b\x00"]), f"{V}/1"),
    ("a lone surrogate", leaf(value="\ud800"), V),
    ("a lone surrogate as a field", leaf("\udfff", value="x"), FIELD),
    ("an empty text", leaf(value=""), V),
    ("a blank text", leaf(value=" \u00a0 "), V),
    ("a number for a text", leaf(value=5), V),
    ("an object for a text", leaf(value={"a": 1}), V),
    ("no value", leaf(), V),
    ("null for a value", leaf(value=None), V),
    ("a value too many", leaf(op="is_set", value="x"), V),
    ("an empty list", leaf(op="any_of", value=[]), V),
    ("a text for a list", leaf(op="any_of", value="abc"), V),
    ("null in a list", leaf(op="none_of", value=["a", None]), f"{V}/1"),
    ("an unknown field", leaf("account.nonsense", value="x"), FIELD),
    ("no field", all_({"field": None, "op": "is", "value": "x"}), FIELD),
    ("a field that is a list", leaf(["account.name"], value="x"), FIELD),
    ("Python's insides", leaf("account.__class__", value="x"), FIELD),
    ("a way around the registry", leaf("account.name__startswith", value="x"), FIELD),
    ("a password", leaf("team.csm__user__password", value="x"), FIELD),
    ("SQL for a field", leaf("account.custom.x' = '' OR 1=1 --", value="x"), FIELD),
    ("SQL for an operator", leaf(op="= 1 OR 1=1 --", value="x"), OP),
    ("an unknown operator", leaf(op="sounds_like", value="x"), OP),
    ("no operator", all_({"field": "account.name", "value": "x"}), OP),
    ("an operator that is a list", leaf(op=["is"], value="x"), OP),
    ("an operator of another kind", leaf("account.mrr", "contains", value="5"), OP),
    ("a text operator on a list", leaf("account.custom.c_list", "is", value="x"), OP),
    ("a text for a number", leaf("account.mrr", "at_least", value="5"), V),
    ("true for a number", leaf("account.mrr", "at_least", value=True), V),
    ("NaN", leaf("account.mrr", "at_least", value=math.nan), V),
    ("infinity", leaf("account.mrr", "at_most", value=math.inf), V),
    ("a number of thirty digits", leaf("account.mrr", "equals", value=10**30), V),
    ("a number of five thousand digits", leaf("account.mrr", "equals", value=10**5_000), ""),
    ("1e300", leaf("account.mrr", "equals", value=1e300), V),
    ("a decimal, which JSON has not", leaf("account.mrr", "equals", value=Decimal(1)), ""),
    ("bytes", leaf(value=b"x"), ""),
    ("a set", leaf(op="any_of", value={"x"}), ""),
    ("ends swapped", leaf("account.mrr", "between", value=[10, 1]), V),
    ("one end", leaf("account.mrr", "between", value=[10]), V),
    ("an end that is a text", leaf("account.mrr", "between", value=[1, "x"]), f"{V}/1"),
    ("dates swapped", leaf("account.renews_on", "between", value=["2026-02-01", "2026-01-01"]), V),
    ("the 30th of February", leaf("account.renews_on", "on", value="2026-02-30"), V),
    ("the year 20260", leaf("account.renews_on", "on", value="20260-02-03"), V),
    ("the year 1", leaf("account.renews_on", "on", value="0001-01-01"), V),
    ("a number for a date", leaf("account.renews_on", "on", value=20260203), V),
    ("no days", leaf("account.renews_on", "within_last", value={"n": 0, "unit": "day"}), f"{V}/n"),
    ("minus one day", leaf("account.renews_on", "within_last", value={"n": -1, "unit": "day"}), f"{V}/n"),
    ("a thousand million days", leaf("account.renews_on", "within_last", value={"n": 10**9, "unit": "day"}), f"{V}/n"),
    ("half a day", leaf("account.renews_on", "within_last", value={"n": 0.5, "unit": "day"}), f"{V}/n"),
    ("true days", leaf("account.renews_on", "within_last", value={"n": True, "unit": "day"}), f"{V}/n"),
    ("a fortnight", leaf("account.renews_on", "within_last", value={"n": 1, "unit": "fortnight"}), f"{V}/unit"),
    ("hours of a date", leaf("account.renews_on", "within_last", value={"n": 1, "unit": "hour"}), f"{V}/unit"),
    ("a unit that is a list", leaf("account.renews_on", "within_last", value={"n": 1, "unit": []}), f"{V}/unit"),
    ("a span with more", leaf("account.renews_on", "within_last", value={**SPAN, "x": 1}), V),
    ("a choice there is not", leaf("account.stage", "is", value="nirvana"), V),
    ("a person there is not", leaf("team.csm", "any_of", value=["ann", "nobody"]), f"{V}/1"),
    ("a broken pattern", leaf(op="matches", value="("), V),
    ("too many repetitions", leaf(op="matches", value="a{99999}"), V),
    ("a back reference", leaf(op="matches", value=r"(a)\1"), V),
    ("an endless pattern", leaf(op="matches", value="a" * 300), V),
    ("a pattern that runs away", leaf(op="matches", value="(a?){255}(a?){255}(a?){255}(a?){255}a{255}"), V),
    ("repetitions in repetitions", leaf(op="not_matches", value="((a{1,255}){1,255}){1,255}"), V),
    ("percent of a text", leaf("account.mrr", "at_least", value=PERCENT | {"of": "account.name"}), f"{V}/of"),
    ("percent of another row", leaf("account.mrr", "at_least", value=PERCENT | {"of": "subscription.mrr"}), f"{V}/of"),
    ("percent of nothing", leaf("account.mrr", "at_least", value=PERCENT), V),
    ("5 as a text", leaf("account.mrr", "at_least", value={"percent": "5", "of": "account.mrr"}), f"{V}/percent"),
    ("an unknown segment", all_({"segment": "nowhere", "op": "in"}), "/rules/0/segment"),
    ("a segment by number", all_({"segment": 1, "op": "in"}), "/rules/0/segment"),
    ("a segment without operator", all_({"segment": "base-one"}), OP),
    ("entered without a span", all_({"segment": "base-one", "op": "entered"}), V),
    ("in with a value", all_({"segment": "base-one", "op": "in", "value": SPAN}), V),
    ("a segment inside users", users(all_({"segment": "base-one", "op": "in"})), "/rules/0/where/rules/0"),
    ("users inside users", users(all_({"users": "any", "where": all_(GOOD)})), "/rules/0/where/rules/0"),
    ("an account's field inside users", users(all_(GOOD)), "/rules/0/where/rules/0/field"),
    ("users without conditions", users(all_()), "/rules/0/where/rules"),
    ("users with a leaf", users(GOOD), "/rules/0/where"),
    ("no users clause", all_({"users": "any"}), "/rules/0/where"),
    ("some users", users(all_(NAMED), "some"), "/rules/0/users"),
    ("at least no users", users(all_(NAMED), {"at_least": 0}), "/rules/0/users/at_least"),
    ("at least half a user", users(all_(NAMED), {"at_least": 0.5}), "/rules/0/users/at_least"),
    ("101 percent", users(all_(NAMED), {"at_least_percent": 101}), "/rules/0/users/at_least_percent"),
    ("a count of subscriptions", all_({"subscriptions": {"at_least": 2}, "where": all_(NAMED)}),
     "/rules/0/subscriptions"),
    ("a key that is no text", all_({1: "x", "field": "account.name", "op": "is_set"}), "/rules/0/1"),
]  # fmt: skip


pytestmark = [pytest.mark.usefixtures("furniture", "db"), pytest.mark.once]


@pytest.mark.parametrize(
    ("rule", "pointer"), [(rule, pointer) for _, rule, pointer in BAD], ids=[name for name, _, _ in BAD]
)
def test_a_bad_rule_is_refused_with_its_place(rule: Any, pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_rule(rule)
    problems = refused.value.problems
    assert pointer in {problem.pointer for problem in problems}, problems
    assert all(problem.code and problem.message and len(problem.message) < 2_000 for problem in problems)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(RuleError) as refused:
        read_rule(
            all_({"field": "account.nonsense", "op": "is"}, GOOD, {"field": "account.mrr", "op": "is", "value": 1})
        )
    assert [(p.pointer, p.code) for p in refused.value.problems] == [
        ("/rules/0/field", "unknown-field"),
        ("/rules/2/op", "wrong-operator"),
    ]


def test_is_me_is_refused_in_a_saved_segment() -> None:
    rule = leaf("team.csm", "is_me")
    assert read_rule(rule).rule.rules
    with pytest.raises(RuleError) as refused:
        save_segment(None, name="Mine", rule=rule)
    assert refused.value.problems[0].pointer == "/rules/0/op"


def test_nothing_of_a_refused_rule_is_kept() -> None:
    before = Segment.everything.count()
    for _, rule, _ in BAD[:40]:
        with pytest.raises(RuleError):
            save_segment(None, name="Bad", rule=rule)
    assert Segment.everything.count() == before


def test_what_stands_just_inside_the_limits_is_taken() -> None:
    for rule in (
        nested(MAX_DEPTH),
        all_(*[GOOD] * MAX_CONDITIONS),
        leaf(op="any_of", value=["x"] * 1_000),
        leaf(value="x" * 1_000),
        leaf("account.mrr", "equals", value=10**19),
        leaf("account.renews_on", "within_last", value={"n": 36_500, "unit": "day"}),
        {},
        None,
    ):
        list(read_rule(rule).accounts())
