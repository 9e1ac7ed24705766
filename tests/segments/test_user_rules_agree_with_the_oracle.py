"""Rules about users: the compiled SQL and the oracle name the same people, in the same accounts."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.fields import Subject
from accounts.fields.operators import OPERATORS
from accounts.models import UserInAccount
from segments.questions import Reader
from segments.rules.events import EVENT_OPERATORS, SEQUENCE_OPERATORS
from segments.rules.operators import SEGMENT_OPERATORS
from segments.rules.tree import parse, to_json
from tests.drawing import ALL, draws
from tests.segments.judging import reader_of, world_in_database
from tests.segments.storing import furnish
from tests.segments.test_rules_agree_with_the_oracle import quietly, seen_in
from tests.segments.user_oracle import matching_places, places, user_members
from tests.segments.user_worlds import user_case_of
from tests.segments.worlds import Case

RULES, WORLDS = 20, 70


@pytest.fixture(autouse=True)
def _furnished(db: None) -> None:
    furnish()


def user_cases(rules: int = RULES) -> st.SearchStrategy[Case]:
    return st.randoms(use_true_random=True).map(lambda dice: user_case_of(dice, rules))


def places_found(rule: dict[str, Any], reader: Reader) -> dict[str, list[str | None]]:
    """Who matches, and in which accounts."""
    found: dict[str, list[str | None]] = {}
    rows = reader.read(rule, personal=True, subject="user").matching()
    for user, account in rows.values_list("user__external_id", "account__external_id"):
        found.setdefault(user, []).append(account)
    return found


def test_the_database_and_the_oracle_name_the_same_people_in_the_same_accounts() -> None:
    drawn: Counter[str] = Counter()
    tally: Counter[str] = Counter()

    @settings(quietly, max_examples=draws(WORLDS))
    @given(case=user_cases())
    def agree(case: Case) -> None:
        with world_in_database(case.world):
            reader = reader_of(case.world)
            persons = range(len(case.world["persons"]))
            tally.update(f"{min(len(places(one, case.world)), 2)} places" for one in persons)
            for rule in case.rules:
                expected = {f"u{one}": matching_places(rule, one, case.world) for one in persons}
                found = places_found(rule, reader)
                assert {one: sorted(map(str, found.get(one, []))) for one in expected} == {
                    one: sorted(map(str, where)) for one, where in expected.items()
                }, rule
                assert {one for one in expected if expected[one]} == {
                    f"u{one}" for one in user_members(rule, case.world)
                }
                seen_in(rule, drawn)
                tally["cases"] += 1
                tally["members"] += sum(bool(where) for where in expected.values())
                tally["people"] += len(expected)
                tally["some"] += sum(0 < len(expected[f"u{one}"]) < len(places(one, case.world)) for one in persons)
                tally["no account"] += sum(None in where for where in expected.values())

    agree()
    wanted = set(OPERATORS) | {f"segment {op}" for op in SEGMENT_OPERATORS} | {"all", "any", "none"}
    wanted |= {f"event {op}" for op in (*EVENT_OPERATORS, *SEQUENCE_OPERATORS)}
    wanted |= {f"subscriptions {how}" for how in ("any", "all", "none")} | {"event anywhere", "sequence anywhere"}
    wanted |= {f"since {owner}" for owner in ("account", "user", "relationship")}
    if ALL:
        assert wanted - set(+drawn) == set(), "these were never drawn, so nothing is known about them"
    assert min(tally[f"{n} places"] for n in (0, 1, 2)) > 5, tally
    assert min(tally["some"], tally["no account"]) > draws(100), tally
    assert 0.2 < tally["members"] / tally["people"] < 0.8


@settings(quietly, max_examples=40)
@given(case=user_cases(8))
def test_a_rule_about_users_survives_being_written_and_read_again(case: Case) -> None:
    reader = reader_of(case.world)
    for rule in case.rules:
        tree = parse(rule, reader.vocabulary, segments=reader.subjects, subject=Subject.USER)
        assert parse(to_json(tree), reader.vocabulary, segments=reader.subjects, subject=Subject.USER) == tree


def test_a_wrong_reading_of_users_in_several_accounts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is able to tell: archived accounts that count, and people of no account who are left out."""
    for name, wrong in (
        ("archived accounts count", lambda self: self.all()),
        (
            "people of no account are left out",
            lambda self: self.filter(account__archived_at=None, account__isnull=False),
        ),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(type(UserInAccount.objects.all()), "live", wrong)
            assert any(differs(seed) for seed in range(30)), name
    assert not any(differs(seed) for seed in range(5))


def differs(seed: int) -> bool:
    case = user_case_of(Random(seed), 10)
    with world_in_database(case.world):
        reader = reader_of(case.world)
        return any(
            set(places_found(rule, reader)) != {f"u{one}" for one in user_members(rule, case.world)}
            for rule in case.rules
        )


def test_worlds_have_people_in_no_one_and_several_accounts() -> None:
    counts: Counter[int] = Counter()
    for seed in range(40):
        world = user_case_of(Random(seed), 1).world
        counts.update(len(places(one, world)) for one in range(3))
    assert {0, 1, 2, 3} <= set(counts), counts
