"""The write side for relationships and the team."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.facts import (
    AssignmentFact,
    Fact,
    Outcome,
    RelationshipFact,
    define_attribute,
    record_accounts,
    record_assignments,
    record_relationships,
    record_users,
)
from accounts.models import Assignment, AttributeChange, EndUser, Relationship, Subject
from tests import factories

pytestmark = pytest.mark.django_db


def day(number: int) -> dt.datetime:
    return dt.datetime(2026, 3, number, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def two_accounts_and_a_user() -> None:
    record_accounts([Fact("a", {}, day(1)), Fact("b", {}, day(1))], source="t")
    record_users([Fact("u", {}, day(1))], source="t")


def belongs(at: int, values: dict[str, Any] | None = None, **more: Any) -> Outcome:
    fact = RelationshipFact(more.pop("user", "u"), more.pop("account", "a"), day(at), values or {}, **more)
    return record_relationships([fact], source="app")


def periods() -> list[tuple[int, int | None, str]]:
    rows = Relationship.objects.order_by("started_at", "id")
    return [(row.started_at.day, row.ended_at.day if row.ended_at else None, row.role) for row in rows]


def test_opening_twice_is_one_open_relationship() -> None:
    belongs(2, {"role": "admin"})
    assert belongs(5).touched == set()
    assert periods() == [(2, None, "admin")]


def test_an_end_and_a_return_make_a_new_row_that_takes_the_role_over() -> None:
    belongs(2, {"role": "admin"})
    belongs(9, ended_at=day(9))
    belongs(12)
    assert periods() == [(2, 9, "admin"), (12, None, "admin")]


def test_an_end_that_comes_before_its_start_still_ends_it() -> None:
    belongs(9, ended_at=day(9))
    assert periods() == [(9, 9, "")]
    belongs(2)
    assert periods() == [(2, 9, "")]


def test_a_late_end_between_two_sightings_splits_the_period() -> None:
    belongs(2)
    belongs(8)
    belongs(5, ended_at=day(5))
    assert periods() == [(2, 5, ""), (8, None, "")]


def test_an_earlier_start_moves_the_start() -> None:
    belongs(8)
    belongs(9, started_at=day(3))
    assert periods() == [(3, None, "")]


def test_role_and_attributes_keep_the_newest_value_with_history() -> None:
    define_attribute(Subject.RELATIONSHIP, "seats", kind="number")
    belongs(5, {"role": "admin", "custom.seats": 3})
    belongs(3, {"role": "member", "custom.seats": 1})
    row = Relationship.objects.get()
    assert (row.role, row.attributes, row.folded["role"]) == ("admin", {"seats": 3}, "admin")
    assert AttributeChange.objects.filter(subject="relationship", key="role").count() == 1


def test_a_user_may_belong_to_several_accounts() -> None:
    belongs(2)
    belongs(2, account="b")
    assert Relationship.objects.open().count() == 2


def test_unknown_people_and_accounts_are_refused_or_made() -> None:
    outcome = record_relationships([RelationshipFact("new", "nowhere", day(1))], source="t")
    assert {reject.key for reject in outcome.rejected} == {"user", "account"}
    made = record_relationships([RelationshipFact("new", "nowhere", day(1))], source="t", create_missing=True)
    assert len(made.created) == 1
    assert EndUser.objects.filter(external_id="new").exists()


def test_an_end_before_the_start_is_refused() -> None:
    outcome = belongs(9, started_at=day(8), ended_at=day(4))
    assert "lies before" in outcome.rejected[0].reason
    assert not Relationship.objects.exists()


def test_a_part_passes_from_one_colleague_to_the_next() -> None:
    first, second = factories.member(), factories.member()
    record_assignments([AssignmentFact("a", "CSM", first.name, day(1)), AssignmentFact("a", "csm", second.key, day(7))])
    rows = list(Assignment.objects.order_by("started_at").values_list("member", "started_at", "ended_at"))
    assert rows == [(first.pk, day(1), day(7)), (second.pk, day(7), None)]
    record_assignments([AssignmentFact("a", "csm", None, day(9))])
    assert not Assignment.objects.filter(ended_at__isnull=True).exists()


def test_an_assignment_that_makes_no_sense_is_refused() -> None:
    someone = factories.member()
    outcome = record_assignments(
        [
            AssignmentFact("nowhere", "csm", someone.key, day(1)),
            AssignmentFact("a", "king", someone.key, day(1)),
            AssignmentFact("a", "csm", "nobody", day(1)),
        ]
    )
    assert [reject.key for reject in outcome.rejected] == ["account", "role", "member"]
    assert "account-manager, csm, onboarding-manager" in outcome.rejected[1].reason
