"""Segments as text: a file says exactly what is stored, and applying it makes exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from segments.applying import apply_segments
from segments.editing import place_segment, save_segment
from segments.models import Segment, SegmentVersion
from segments.presets import presets, take_preset
from segments.refresh import refresh_due
from segments.textform import TextError, read_text, write_text
from tests import factories
from tests.segments.judging import world_in_database
from tests.segments.stays import SEGMENTS, USER_SEGMENTS
from tests.segments.storing import furnish
from tests.segments.user_worlds import user_case_of
from tests.segments.worlds import case_of

pytestmark = [pytest.mark.django_db, pytest.mark.once]
BIG = {"field": "account.mrr", "op": "at_least", "value": 500}
FILE = """segments:
  - key: big
    name: Big
    rule: {all: [{field: account.mrr, op: at_least, value: 500}]}
  - key: within
    name: Within
    visible: false
    rule: {all: [{segment: first, op: in}]}
  - key: first
    name: First
    rule: {match: any, rules: [{field: account.plan, op: is, value: on}, {segment: big, op: not_in}]}
"""


def state() -> list[tuple[Any, ...]]:
    """What is stored of every segment, in order."""
    rows = Segment.objects.in_tab_order()
    return list(rows.values_list("key", "name", "description", "visible", "active", "rule", "version"))


def run(*words: str) -> str:
    """What the command prints."""
    from io import StringIO

    out = StringIO()
    call_command("segments", *words, stdout=out)
    return out.getvalue()


def test_every_drawn_rule_comes_back_from_its_text(db: None) -> None:
    furnish()
    for seed in range(40):
        case = case_of(Random(seed), rules=8, depth=4)
        with world_in_database(case.world):
            of_users = [("user", rule) for rule in user_case_of(Random(seed), rules=4).rules]
            drawn = [*[("account", rule) for rule in case.rules], *of_users]
            made = [Segment(key=f"s{i}", name=f"S{i}", rule=rule, subject=of) for i, (of, rule) in enumerate(drawn)]
            again = read_text(write_text(made))
            assert [(one.subject, one.rule) for one in again] == [
                (of, json.loads(json.dumps(rule))) for of, rule in drawn
            ]


def test_a_file_reads_like_a_list_of_conditions_a_line_each() -> None:
    rule = {
        "match": "all",
        "rules": [BIG, {"users": "none", "where": {"match": "any", "rules": [BIG | {"value": "on"}]}}],
    }
    assert (
        write_text([Segment(key="big", name="Big", rule=rule)])
        == """segments:
- key: big
  name: Big
  visible: true
  active: true
  rule:
    all:
    - {field: account.mrr, op: at_least, value: 500}
    - users: none
      where:
        any:
        - {field: account.mrr, op: at_least, value: 'on'}
"""
    )


def test_an_export_applied_to_an_empty_workspace_makes_the_same_segments(tmp_path: Path) -> None:
    for preset in presets():
        take_preset(preset.key)
    furnish()
    Segment.objects.filter(key__in=(*SEGMENTS, *USER_SEGMENTS)).delete()
    drawn = next(one for one in user_case_of(Random(5)).rules if one["rules"] and "'segment'" not in str(one))
    save_segment(None, name="Chiefs", rule=drawn, subject="user")
    builds_on_it = {"users": "any", "where": factories.rule({"segment": "chiefs", "op": "in"})}
    place_segment(factories.segment("Stands before", builds_on_it, refreshed=False), 1)
    factories.segment("Odd: “yes” # no", BIG, description="on\ntwo lines: {x}", visible=False, active=False)
    before, path = state(), tmp_path / "segments.yaml"
    assert "segments written to" in run("export", str(path))
    Segment.objects.all().delete()
    assert f"{len(before)} made, 0 changed" in run("apply", str(path))
    assert state() == before
    versions = SegmentVersion.objects.count()
    assert f"0 made, 0 changed, 0 deleted, {len(before)} as they were." in run("apply", str(path))
    assert SegmentVersion.objects.count() == versions


def test_a_hand_written_file_is_applied_in_the_order_of_dependence() -> None:
    done = apply_segments(read_text(FILE))
    assert (done.made, done.kept, done.moved) == (["big", "first", "within"], [], [])
    assert [key for key, *_ in state()] == ["big", "within", "first"], "the tabs stand as in the file"
    found = {key: rule for key, *_, rule, _ in state()}
    assert found["first"]["rules"][0]["value"] == "on"
    assert Segment.objects.get(key="within").visible is False
    refresh_due()
    assert not Segment.objects.exclude(error="").exists()


def test_a_file_that_only_orders_anew_is_a_change(tmp_path: Path) -> None:
    apply_segments(read_text(FILE))
    place_segment(factories.segment("Between", BIG, refreshed=False), 2)
    path = tmp_path / "segments.yaml"
    path.write_text(write_text(Segment.objects.filter(key__in=("big", "within", "first")).order_by("-key")))
    before = state()
    told = run("apply", str(path), "--dry-run")
    assert "~ order: within, first, big\n" in told and "0 changed, 0 deleted, 3 moved, 3 as they were." in told
    assert state() == before
    run("apply", str(path))
    assert [key for key, *_ in state()] == ["within", "between", "first", "big"], "what the file does not have stays"
    assert "0 deleted, 3 as they were." in run("apply", str(path))


def test_a_change_is_said_in_words_and_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    factories.segment("Big", BIG)
    path = tmp_path / "segments.yaml"
    path.write_text(
        "segments: [{key: big, name: Large, rule: {all: [{field: account.mrr, op: at_least, value: 900}]}}]"
    )
    before = state()
    told = run("apply", str(path), "--dry-run")
    assert "~ big" in told and "name: “Big” becomes “Large”" in told
    assert "rule: MRR is at least $500" in told and "becomes: MRR is at least $900" in told
    assert "Dry run, nothing was changed: 0 made, 1 changed" in told
    assert state() == before
    run("apply", str(path), "--reason", "Reviewed")
    assert Segment.objects.get().name == "Large"
    assert SegmentVersion.objects.get(number=2).reason == "Reviewed"


def test_nothing_is_deleted_unless_asked_and_then_dependents_go_first(tmp_path: Path) -> None:
    apply_segments(read_text(FILE))
    path = tmp_path / "none.yaml"
    path.write_text("segments: []")
    assert "0 deleted" in run("apply", str(path)) and Segment.objects.count() == 3
    assert "3 deleted" in run("apply", str(path), "--prune", "--dry-run") and Segment.objects.count() == 3
    assert "- within (Within)" in run("apply", str(path), "--prune") and not Segment.objects.exists()


def test_one_that_is_used_by_what_stays_is_not_pruned(tmp_path: Path) -> None:
    apply_segments(read_text(FILE))
    path = tmp_path / "one.yaml"
    path.write_text(run("export", "--only", "first"))
    with pytest.raises(CommandError, match="big: Big is used by segment “First”"):
        run("apply", str(path), "--prune")
    assert Segment.objects.count() == 3


BAD = [
    ("", "must be “segments:”"),
    ("segments: 5", "must be “segments:”"),
    ("segments: [", "not YAML"),
    ("\x00", "not YAML"),
    ("segments: [5]", "Segment 1: expected a mapping"),
    ("segments: [{key: a b, name: A, rule: {all: []}}]", "the key must be"),
    ("segments: [{key: a, name: A}]", "no rule"),
    ("segments: [{key: a, name: A, rule: {all: []}, color: red}]", "“color” is not known here"),
    ("segments: [{key: a, name: A, name: B, rule: {all: []}}]", "“name” comes twice"),
    ("segments: [{key: a, name: A, rule: {all: []}}, {key: a, name: B, rule: {all: []}}]", "“a” comes twice"),
    ("segments: [{key: a, name: 5, rule: {all: []}}]", "Expected text"),
    ("segments: [{key: a, name: '', rule: {all: []}}]", "Enter a name"),
    ("segments: [{key: a, name: A, visible: yes, rule: {all: []}}]", "true or false"),
    (
        "segments: [{key: a, name: A, rule: {all: [{field: account.mmr, op: at_least, value: 1}]}}]",
        "rule/rules/0/field",
    ),
    ("segments: [{key: a, name: A, rule: {all: [{segment: nobody, op: in}]}}]", "There is no segment “nobody”"),
    ("segments: [{key: a, name: A, rule: {all: [{segment: a, op: in}]}}]", "depend on each other"),
    ("segments: [{key: a, name: A, rule: {all: [{all: []}]}}]", "has no condition"),
    ("segments: [{key: a, name: A, rule: 5}]", "rule"),
    ("a: &x [1]\nsegments: [*x]", "anchor"),
    ("segments: [!!python/object/apply:os.system ['true']]", "not YAML"),
    ("[" * 5_000, "not YAML"),
    ("x" * 2_000_001, "2,000,001 characters"),
]


@pytest.mark.parametrize(("text", "says"), BAD, ids=range(len(BAD)))
def test_a_bad_file_is_refused_with_a_sentence_and_changes_nothing(text: str, says: str) -> None:
    with pytest.raises(TextError) as refused:
        apply_segments(read_text(text))
    assert says in str(refused.value)
    assert not Segment.objects.exists()


def test_one_bad_segment_keeps_the_good_ones_out_as_well(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FILE + "  - {key: bad, name: Big, rule: {all: []}}\n")
    with pytest.raises(CommandError, match="Nothing was changed. bad: There is already a segment named"):
        run("apply", str(path))
    assert not Segment.objects.exists()


def test_a_file_that_is_not_there_and_one_that_is_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    for file in (path, tmp_path / "missing.yaml"):
        with pytest.raises(CommandError, match="Nothing was changed."):
            run("apply", str(file))
