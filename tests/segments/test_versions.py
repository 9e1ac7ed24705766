"""Versions: what changed in words, and going back."""

from __future__ import annotations

from typing import Any

import pytest

from core.versions import UnknownVersion
from segments.editing import save_segment
from segments.models import AccountMembership, Segment, SegmentVersion
from segments.questions import Reader
from segments.refresh import refresh_due
from segments.versions import differences, restore_version, versions_of
from tests import factories
from tests.factories import rule

pytestmark = pytest.mark.django_db


def mrr(value: int, op: str = "at_least") -> dict[str, Any]:
    return {"field": "account.mrr", "op": op, "value": value}


GONE = {"field": "account.gone", "op": "is", "value": "x"}
REGROUPED = "the same conditions, grouped or ordered in another way"
PLAN = {"field": "account.plan", "op": "is", "value": "Growth"}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (rule(mrr(1)), rule(mrr(1)), []),
        (rule(mrr(1)), rule(mrr(2)), [("changed", "MRR is at least $1 → MRR is at least $2")]),
        (rule(mrr(1)), rule(mrr(1, "at_most")), [("changed", "MRR is at least $1 → MRR is at most $1")]),
        (rule(mrr(1)), rule(mrr(1), PLAN), [("added", "Plan is “Growth”")]),
        (rule(mrr(1), PLAN), rule(PLAN), [("removed", "MRR is at least $1")]),
        (rule(mrr(1)), rule(PLAN), [("removed", "MRR is at least $1"), ("added", "Plan is “Growth”")]),
        (rule(mrr(1), PLAN), rule(mrr(1), PLAN, match="any"), [("regrouped", "all conditions → any condition")]),
        (rule(mrr(1), PLAN), rule(mrr(1), rule(PLAN)), [("regrouped", REGROUPED)]),
        (rule(), rule(PLAN), [("added", "Plan is “Growth”")]),
        (rule(mrr(1), mrr(1)), rule(mrr(1)), [("removed", "MRR is at least $1")]),
        (rule(GONE), rule(), [("removed", "account.gone is x (cannot be read any more)")]),
        (
            rule({"users": "any", "where": rule({"field": "user.title", "op": "is", "value": "CTO"})}),
            rule({"users": "all", "where": rule({"field": "user.title", "op": "is", "value": "CTO"})}),
            [("changed", "At least one user for whom title is “CTO” → Every user for whom title is “CTO”")],
        ),
    ],
)  # fmt: skip
def test_the_difference_of_two_definitions_is_told_in_words(
    before: Any, after: Any, changes: list[tuple[str, str]]
) -> None:
    assert [(one.kind, one.words) for one in differences(before, after, Reader.now())] == changes


def test_every_version_tells_who_changed_what_and_why() -> None:
    ada = factories.member("manager")
    made = factories.segment("Large", mrr(100))
    save_segment(made, name="Large", rule=rule(mrr(200), PLAN), author=ada.user, reason="Too many")
    newest, first = versions_of(made, Reader.now())
    assert (newest.version.number, newest.version.author, newest.version.reason) == (2, ada.user, "Too many")
    assert [change.kind for change in newest.changes] == ["changed", "added"]
    assert (first.version.number, first.changes) == (1, [])
    assert versions_of(made, Reader.now(), [2])[0].changes == newest.changes


def test_restoring_makes_a_new_version_and_its_members_are_told_apart_from_the_customers_doing() -> None:
    rich, poor = factories.account("Rich", mrr=500), factories.account("Poor", mrr=5)
    made = factories.segment("Large", mrr(100))
    made = save_segment(made, name="Large", rule=rule(mrr(1)))
    refresh_due()
    assert set(AccountMembership.objects.filter(left_at=None).values_list("account_id", flat=True)) == {
        rich.pk,
        poor.pk,
    }
    back = restore_version(Segment.objects.get(pk=made.pk), 1)
    refresh_due()
    assert (back.version, back.rule) == (3, rule(mrr(100)))
    assert SegmentVersion.objects.get(segment=made, number=3).reason == "Version 1 restored"
    assert AccountMembership.objects.get(account=poor).closed_by.new_definition  # type: ignore[union-attr]


def test_a_version_that_never_was_is_not_restored() -> None:
    made = factories.segment("Large", mrr(100))
    with pytest.raises(UnknownVersion, match="Large has no version 7"):
        restore_version(made, 7)
    assert restore_version(made, 1).version == 1, "it says what the present one says"
