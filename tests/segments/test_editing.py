"""Saving, cloning, ordering, switching off and deleting segments."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from core.intake import BadValue, NameTaken
from core.versions import Stale
from segments.editing import (
    SegmentInUse,
    clone_segment,
    delete_segment,
    move_segment,
    place_segment,
    reorder_segments,
    save_segment,
    set_active,
    set_visible,
)
from segments.models import AccountMembership, Segment, SegmentVersion
from tests.segments.conftest import inside, mrr_from, names_in


def order() -> list[str]:
    """The names in the company's order."""
    return list(Segment.objects.order_by("position", "id").values_list("name", flat=True))


def versions(segment: Segment) -> list[int]:
    """The numbers of the versions that are kept."""
    return sorted(SegmentVersion.objects.filter(segment=segment).values_list("number", flat=True))


def test_a_changed_rule_is_a_new_version_with_its_words_author_and_reason(segment: Any) -> None:
    author = get_user_model().objects.create(username="eva")
    big = segment("Big", mrr_from(500))
    changed = save_segment(big, name="Big", rule=mrr_from(800), author=author, reason="Prices rose")
    assert (changed.version, versions(big)) == (2, [1, 2])
    newest = SegmentVersion.objects.get(segment=big, number=2)
    assert (newest.author, newest.reason, newest.rule) == (author, "Prices rose", mrr_from(800))
    assert "800" in newest.words


def test_a_save_without_a_change_makes_no_version_and_still_refreshes(segment: Any, drain: Any) -> None:
    big = segment("Big", mrr_from(500))
    drain()
    again = save_segment(big, name="Bigger", rule=mrr_from(500), description="By MRR")
    assert versions(big) == [1]
    assert again.due
    assert (again.name, again.description) == ("Bigger", "By MRR")


def test_an_older_editor_cannot_overwrite_a_newer_save(segment: Any) -> None:
    big = segment("Big", mrr_from(500))
    save_segment(big, name="Big", rule=mrr_from(800), expected_version=1)
    with pytest.raises(Stale) as stale:
        save_segment(big, name="Big", rule=mrr_from(100), expected_version=1)
    assert stale.value.current.rule == mrr_from(800)
    assert Segment.objects.get(pk=big.pk).rule == mrr_from(800)


@pytest.mark.parametrize("name", ["Straße", "STRASSE", " strasse ", "strasse\u00a0"])
def test_a_name_is_taken_whatever_its_case(segment: Any, name: str) -> None:
    segment("Straße", mrr_from(1))
    with pytest.raises(NameTaken):
        segment(name, mrr_from(2))
    assert Segment.objects.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "\ud800", "x" * 121, "x" * 10_000_000])
def test_a_name_that_cannot_be_is_refused(segment: Any, name: str) -> None:
    with pytest.raises(BadValue):
        segment(name, mrr_from(1))
    assert not Segment.objects.exists()


def test_a_clone_stands_hidden_right_under_its_original_with_the_same_rule(segment: Any) -> None:
    first = segment("First", mrr_from(1), description="Ours")
    segment("Second", mrr_from(2))
    copy = clone_segment(first)
    assert order() == ["First", "First (copy)", "Second"]
    assert (copy.rule, copy.description, copy.visible, copy.active) == (first.rule, "Ours", False, True)
    assert copy.due
    assert SegmentVersion.objects.get(segment=copy).reason == "Cloned from First"


def test_a_second_clone_finds_a_name_of_its_own(segment: Any) -> None:
    first = segment("First", mrr_from(1))
    names = {clone_segment(first).name for _ in range(3)}
    assert names == {"First (copy)", "First (copy 2)", "First (copy 3)"}
    long = segment("x" * 120, mrr_from(1))
    assert len({clone_segment(long).name, clone_segment(long).name}) == 2


def test_segments_move_up_and_down_and_stop_at_the_ends(segment: Any) -> None:
    a, _, c = (segment(name, mrr_from(1)) for name in "ABC")
    assert move_segment(c, -1) == 2
    assert order() == ["A", "C", "B"]
    assert move_segment(a, -1) == 1
    assert order() == ["A", "C", "B"]
    assert place_segment(a, 99) == 3
    assert order() == ["C", "B", "A"]
    assert list(Segment.objects.order_by("position", "id").values_list("position", flat=True)) == [1, 2, 3]


def test_a_part_of_the_order_changes_places_among_itself(segment: Any) -> None:
    a, b, c, d = (segment(name, mrr_from(1)) for name in "ABCD")
    reorder_segments([d.pk, b.pk])
    assert order() == ["A", "D", "C", "B"]
    reorder_segments([d.pk, c.pk, b.pk, a.pk])
    assert order() == ["D", "C", "B", "A"]
    for wrong in ([a.pk, a.pk], [a.pk, 10**9]):
        with pytest.raises(ValueError, match="order"):
            reorder_segments(wrong)
    assert order() == ["D", "C", "B", "A"]


def test_deleting_is_refused_with_the_list_of_users(segment: Any) -> None:
    base = segment("Base", mrr_from(1))
    user = segment("User of base", inside("base"))
    with pytest.raises(SegmentInUse) as used:
        delete_segment(base)
    assert [(use.kind, use.name, use.pk) for use in used.value.users] == [("segment", "User of base", user.pk)]
    assert "User of base" in str(used.value)
    delete_segment(user)
    delete_segment(base)
    assert not Segment.everything.exists()


def test_a_deleted_segment_takes_its_history_along(account: Any, segment: Any, drain: Any) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))
    drain()
    assert AccountMembership.objects.count() == 1
    delete_segment(big)
    assert not AccountMembership.objects.exists()
    assert not SegmentVersion.objects.exists()


def test_a_segment_that_is_switched_off_has_no_members_and_keeps_its_rule(
    account: Any, segment: Any, drain: Any
) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))
    drain()
    set_active(big, False)
    drain()
    big.refresh_from_db()
    assert (names_in(big), big.member_count, big.rule) == (set(), 0, mrr_from(500))
    set_active(big, True)
    drain()
    assert names_in(big) == {"acme"}


def test_a_segment_in_use_cannot_be_switched_off(segment: Any) -> None:
    base = segment("Base", mrr_from(1))
    segment("User", inside("base"))
    with pytest.raises(SegmentInUse):
        set_active(base, False)
    with pytest.raises(SegmentInUse):
        save_segment(base, name="Base", rule=mrr_from(1), active=False)
    base.refresh_from_db()
    assert base.active


def test_a_hidden_segment_is_no_tab_and_goes_on(account: Any, segment: Any, drain: Any) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))
    set_visible(big, False)
    drain()
    assert not Segment.objects.tabs().exists()
    assert names_in(big) == {"acme"}


def test_keys_stay_apart_when_names_look_alike(segment: Any) -> None:
    keys = [segment(name, mrr_from(1)).key for name in ("At risk", "At-risk!", "日本", "中国")]
    assert len(set(keys)) == 4
