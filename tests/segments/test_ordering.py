"""Segments inside segments: what is refreshed before what, and that no circle can be saved."""

from __future__ import annotations

from typing import Any

import pytest

from segments.editing import save_segment
from segments.models import Segment
from segments.ordering import CircularSegments, in_order, topological, with_dependents
from segments.refresh import refresh_segments
from segments.rules.tree import RuleError
from tests.segments.conftest import inside, mrr_from, names_in


def keys(segments: list[Segment]) -> list[str]:
    """Their keys in order."""
    return [segment.key for segment in segments]


def test_what_is_named_comes_before_what_names_it() -> None:
    assert topological({"c": {"b"}, "b": {"a"}, "a": set()}) == ["a", "b", "c"]
    with pytest.raises(CircularSegments) as circle:
        topological({"a": {"b"}, "b": {"a"}})
    assert circle.value.path[0] == circle.value.path[-1]


def test_one_refresh_carries_a_change_through_segments_inside_segments(account: Any, segment: Any) -> None:
    account("acme", mrr=900)
    account("tiny", mrr=1)
    big = segment("Big", mrr_from(500))
    middle = segment("Middle", inside("big"))
    last = segment("Last", inside("middle", "not_in"))
    save_segment(last, name="Last", rule=inside("middle", "not_in"))
    refresh_segments()
    assert (names_in(big), names_in(middle), names_in(last)) == ({"acme"}, {"acme"}, {"tiny"})


def test_a_segment_brings_along_all_that_depend_on_it(segment: Any) -> None:
    for name, rule in (("A", mrr_from(1)), ("B", inside("a")), ("C", inside("b")), ("D", mrr_from(2))):
        segment(name, rule)
    assert keys(with_dependents({"a"}, Segment.objects.all())) == ["a", "b", "c"]
    assert keys(with_dependents({"c"}, Segment.objects.all())) == ["c"]


def test_a_save_makes_everything_that_depends_on_it_due(segment: Any, drain: Any) -> None:
    first = segment("A", mrr_from(1))
    segment("B", inside("a"))
    segment("C", mrr_from(2))
    drain()
    save_segment(first, name="A", rule=mrr_from(5))
    assert {one.key for one in Segment.objects.all() if one.due} == {"a", "b"}


def test_a_circle_is_refused_with_its_path(segment: Any) -> None:
    first = segment("Alpha", mrr_from(1))
    second = segment("Beta", inside("alpha"))
    segment("Gamma", inside("beta"))
    with pytest.raises(RuleError) as refused:
        save_segment(first, name="Alpha", rule=inside("gamma", "not_in"))
    (problem,) = refused.value.problems
    assert problem.code == "cycle"
    # A circle may be told from any of its members on; each step must be a real one.
    path = problem.message.split(": ")[1].rstrip(".").split(" → ")
    assert path[0] == path[-1] == "Alpha"
    assert path in (["Alpha", "Gamma", "Beta", "Alpha"], ["Alpha", "Beta", "Gamma", "Alpha"])
    second.refresh_from_db()
    first.refresh_from_db()
    assert first.rule == mrr_from(1)


def test_a_segment_cannot_name_itself(segment: Any) -> None:
    alone = segment("Alone", mrr_from(1))
    with pytest.raises(RuleError) as refused:
        save_segment(alone, name="Alone", rule={"match": "any", "rules": [inside("alone"), mrr_from(1)]})
    assert "Alone → Alone" in refused.value.problems[0].message


def test_a_circle_made_behind_our_back_stops_nothing_else(account: Any, segment: Any) -> None:
    account("acme", mrr=900)
    first = segment("A", mrr_from(1))
    segment("B", inside("a"))
    other = segment("C", mrr_from(1))
    Segment.objects.filter(pk=first.pk).update(rule=inside("b"))
    assert {one.key for one in in_order(Segment.objects.all())} == {"a", "b", "c"}
    refresh_segments()
    assert names_in(other) == {"acme"}
