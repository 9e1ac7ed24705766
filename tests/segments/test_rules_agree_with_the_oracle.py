"""The compiled SQL and the oracle name the same accounts, for thousands of drawn rules and worlds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.fields.operators import OPERATORS
from accounts.fields.properties import property_operators
from accounts.fields.windows import WINDOW_UNITS
from accounts.models import Account
from segments.models import Segment
from segments.rules.events import COUNTS, EVENT_OPERATORS, OF_PROPERTY, SEQUENCE_OPERATORS
from segments.rules.operators import SEGMENT_OPERATORS
from segments.rules.tree import parse, to_json
from tests.drawing import ALL, draws
from tests.segments import families
from tests.segments.judging import answers, reader_of, world_in_database
from tests.segments.oracle import TWINS, members
from tests.segments.stays import USER_SEGMENTS
from tests.segments.worlds import FIELDS, Case, Rules, cases
from usage.recent import COMPARED, count_recent, marks

DRAWS, RULES, WORLDS = 140, 15, 5  # each rule is judged in each world of its draw
quietly = settings(
    max_examples=DRAWS,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # an example is small as drawn; making it smaller takes minutes
)


pytestmark = pytest.mark.usefixtures("furniture", "db")


def seen_in(node: Any, found: Counter[str]) -> None:
    """Count the operators and the kinds of node of a rule."""
    if isinstance(node, list):
        for one in node:
            seen_in(one, found)
        return
    if "match" in node:
        found[node["match"]] += 1
        seen_in(node["rules"], found)
        return
    if "event" in node or "sequence" in node:
        events_in(node, found)
        return
    for rows in ("users", "subscriptions"):
        if rows in node:
            how = node[rows] if isinstance(node[rows], str) else next(iter(node[rows]))
            found[f"{rows} {how}"] += 1
            seen_in(node["where"], found)
            if "of" in node:
                found["of an event"] += "'event'" in str(node["of"]) or "'sequence'" in str(node["of"])
                seen_in(node["of"], found)
            return
    if "segment" in node:
        found[f"segment {node['op']}"] += 1
        found[f"segment of users {node['op']}"] += node["segment"] in USER_SEGMENTS
        return
    found.update([node["op"], f"{FIELDS[node['field']]} {node['op']}"])
    if isinstance(node.get("value"), dict) and "percent" in node["value"]:
        found["percent of"] += 1


def events_in(node: Any, found: Counter[str]) -> None:
    """Count what a condition on events asks."""
    found[f"event {node['op']}"] += 1
    window, measure = node["window"], node.get("measure", "count")
    found[f"window {window if isinstance(window, str) else next(iter(window))}"] += 1
    if "since" in window:
        found[f"since {window['since'].split('.')[0]}"] += 1
    found["window of hours"] += isinstance(window, dict) and window.get("unit") == "hour"
    found[f"measure {measure if isinstance(measure, str) else next(iter(measure))}"] += 1
    kind = "sequence" if "sequence" in node else "event"
    found[f"{kind} anywhere"] += bool(node.get("anywhere"))
    found[f"{kind} filter"] += "where" in str(node)
    found["kept window"] += window in [{"last": n, "unit": "day"} for n in COMPARED]
    if isinstance(window, dict) and "unit" in window:
        found[f"window unit {window['unit']}"] += 1
    for step in node.get("sequence", [node]):
        properties_in(step.get("where"), found)


def properties_in(where: Any, found: Counter[str]) -> None:
    """Count the comparisons of a filter by properties."""
    for one in (where or {}).get("rules", []):
        if "rules" in one:
            properties_in(one, found)
        else:
            found[f"property {one['op']}"] += 1


def test_the_database_and_the_oracle_name_the_same_accounts() -> None:
    drawn: Counter[str] = Counter()
    tally = Counter(draws=0, rules=0, cases=0, members=0, accounts=0)

    @settings(quietly, max_examples=draws(DRAWS))
    @given(case=cases(rules=RULES, worlds=WORLDS))
    def agree(case: Case) -> None:
        with world_in_database(*case.worlds):
            reader = reader_of(case.world)
            tally["draws"] += 1
            if tally["draws"] % 2:  # every second draw has the sums of the last days
                count_recent(reader.moment.today, [], marks())
            for rule in case.rules:
                expected, found = [members(rule, world) for world in case.worlds], answers(rule, reader)
                everywhere = set().union(*expected)
                assert found == everywhere, f"{rule}\nonly SQL: {found - everywhere}\nonly oracle: {everywhere - found}"
                seen_in(rule, drawn)
                tally["rules"] += 1
                tally["cases"] += len(expected)
                tally["members"] += len(everywhere)
                tally["accounts"] += sum(len(world["accounts"]) for world in case.worlds)

    agree()
    kinds = {f"users {how}" for how in ("any", "all", "none", "at_least", "at_least_percent")}
    kinds |= {f"subscriptions {how}" for how in ("any", "all", "none")} | {"all", "any", "none", "percent of"}
    wanted = kinds | {f"segment{of} {op}" for op in SEGMENT_OPERATORS for of in ("", " of users")}
    wanted |= {f"{kind} {op}" for kind, ops in families.OPERATORS.items() for op in ops}
    wanted |= {f"event {op}" for op in (*EVENT_OPERATORS, *SEQUENCE_OPERATORS)} | {
        *(f"{kind} {part}" for kind in ("event", "sequence") for part in ("anywhere", "filter")),
        "window of hours",
        "kept window",
    }
    wanted |= {f"window {kind}" for kind in ("last", "between", "since", "ever")}
    wanted |= {f"since {owner}" for owner in ("account", "user", "relationship")} | {"of an event"}
    wanted |= {f"measure {name}" for name in (*COUNTS, *OF_PROPERTY)}
    wanted |= {f"property {op.key}" for op in property_operators()} | {f"window unit {unit}" for unit in WINDOW_UNITS}
    if ALL:
        assert wanted - set(+drawn) == set(), "these were never drawn, so nothing is known about them"
    assert drawn["kept window"] >= draws(50)
    assert tally["rules"] >= draws(2_000) and tally["cases"] >= draws(10_000)
    # Rules that hold for nobody or for everybody would agree too.
    assert 0.2 < tally["members"] / tally["accounts"] < 0.8


def test_the_families_know_every_operator_of_every_kind() -> None:
    declared = {(kind.value, key) for key, op in OPERATORS.items() for kind in op.kinds}
    assert {(kind, op) for kind, ops in families.OPERATORS.items() for op in ops} == declared


def test_every_negative_operator_is_known_to_the_oracle_as_the_complement_of_its_twin() -> None:
    negative = {key: op.negates for key, op in OPERATORS.items() if op.negates}
    negative |= {key: op.negates for key, op in SEGMENT_OPERATORS.items() if op.negates}
    assert negative == TWINS


@settings(quietly, max_examples=draws(25))
@given(case=cases(rules=6, depth=3))
def test_the_laws_of_logic_hold_in_the_database(case: Case) -> None:
    with world_in_database(case.world):
        reader = reader_of(case.world)
        live = set(Account.objects.live().values_list("external_id", flat=True))

        def of(match: str, *rules: Any) -> set[str]:
            return answers({"match": match, "rules": list(rules)}, reader)

        for p, q in zip(case.rules[::2], case.rules[1::2], strict=True):
            if not p["rules"] or not q["rules"]:
                continue
            assert of("none", p) == live - of("all", p)
            assert of("none", {"match": "all", "rules": [p, q]}) == of(
                "any", *[{"match": "none", "rules": [r]} for r in (p, q)]
            )
            assert of("none", p, q) == of("all", {"match": "none", "rules": [p]}, {"match": "none", "rules": [q]})
            assert of("all", p, q) == of("all", q, p) == of("all", p) & of("all", q)
            assert of("any", p, q) == of("any", p) | of("any", q)
            assert of("any", {"match": "all", "rules": [p]}) == of("all", p)


@settings(quietly, max_examples=draws(25))
@given(dice=st.randoms(use_true_random=True), case=cases(rules=1))
def test_all_users_is_the_dual_of_any_user_and_negative_operators_are_complements(dice: Any, case: Case) -> None:
    pools = {
        key: families.pool(dice, kind, key, case.world["now"], case.world["zone"], case.world["choices"].get(key, []))
        for key, kind in (("user.name", "text"), ("account.custom.c_money", "money"), ("account.custom.c_list", "list"))
    }
    stays = families.pool(dice, "datetime", "segment", case.world["now"], case.world["zone"], [])
    with world_in_database(case.world):
        reader = reader_of(case.world)
        live = set(Account.objects.live().values_list("external_id", flat=True))
        maker = Rules(dice, pools, stays)
        p = maker.leaf("user.")

        def users(how: str, where: Any) -> set[str]:
            return answers(
                {"match": "all", "rules": [{"users": how, "where": {"match": "all", "rules": [where]}}]}, reader
            )

        some = users(
            "any", {"match": "any", "rules": [{"field": "user.name", "op": op} for op in ("is_set", "is_not_set")]}
        )
        not_p = {"match": "none", "rules": [p]}
        assert users("all", p) == some & users("none", not_p)
        assert users("none", p) == live - users("any", p)
        for _ in range(4):
            leaf = maker.leaf()
            twin = TWINS.get(leaf["op"])
            if twin:
                positive = answers({"match": "all", "rules": [leaf | {"op": twin}]}, reader)
                assert answers({"match": "all", "rules": [leaf]}, reader) == live - positive


@settings(quietly, max_examples=60)
@given(case=cases(rules=8, accounts=1))
def test_a_rule_survives_being_written_and_read_again(case: Case) -> None:
    reader = reader_of(case.world)
    for rule in case.rules:
        tree = parse(rule, reader.vocabulary, segments=reader.subjects)
        again = parse(to_json(tree), reader.vocabulary, segments=reader.subjects)
        assert again == tree and to_json(again) == to_json(tree)


def test_the_world_names_segments_that_exist() -> None:
    assert Segment.objects.filter(key__in=("base-one", "base-two")).count() == 2
