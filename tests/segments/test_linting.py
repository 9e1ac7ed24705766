"""Remarks that need the data: fields without values, segments alike today, segments that nothing uses."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Account, AttributeDefinition
from segments.editing import set_active
from segments.linting import check_segments, note_preview, note_rule, overlap
from segments.models import AccountMembership, Segment
from segments.questions import Reader, preview
from tests import factories
from tests.factories import rule
from usage.models import AccountUsage, EventName
from usage.store import EventFact, PostgresStore
from usage.traits.editing import save_trait
from usage.traits.models import AccountTraits

pytestmark = pytest.mark.django_db


def mrr(value: int, op: str = "at_least") -> dict[str, Any]:
    return {"field": "account.mrr", "op": op, "value": value}


PRO = {"field": "account.plan", "op": "is", "value": "Pro"}


@pytest.fixture
def accounts(db: None) -> list[Account]:
    return [factories.account(f"A{number}", mrr=number * 100, plan="Pro" if number > 5 else "") for number in range(10)]


def said() -> dict[str, set[str]]:
    return {item.segment.name: {note.code for note in item.notes} for item in check_segments()}


def test_sound_segments_get_no_remark(accounts: list[Account]) -> None:
    factories.segment("Large", mrr(500))
    factories.segment("Small", mrr(200, "at_most"))
    factories.segment("All of them")
    assert said() == {}


def test_segments_with_the_same_members_or_within_another_are_told(accounts: list[Account]) -> None:
    factories.segment("Large", mrr(600))
    factories.segment("On Pro", PRO)
    factories.segment("Larger", mrr(800))
    built = factories.segment("Built on large", {"segment": "large", "op": "in"})
    assert said() == {
        "Large": {"identical"},
        "On Pro": {"identical"},
        "Larger": {"contained"},
        built.name: {"identical"},
    }
    notes = {item.segment.name: [note.message for note in item.notes] for item in check_segments()}
    assert notes["Large"] == ["It has the same 4 members as On Pro today."], "not as the one that is built on it"
    assert "All of its 2 members are in Large too, today." in notes["Larger"]


def previewed(tree: dict[str, Any], segment: Segment | None = None, subject: str = "account") -> set[tuple[str, str]]:
    """What is said of a rule that is not saved: the code and the other segment."""
    reader = Reader.now().about(subject)
    question = reader.read(tree)
    base = question.members.live()
    seen = preview(question, base=base, segment=segment)
    notes = note_preview(question, reader, seen, base, segment)
    names = Segment.objects.values_list("name", flat=True)
    return {(note.code, name) for note in notes for name in names if f" {name} " in note.message}


def test_a_rule_that_is_not_saved_is_compared_with_the_segments(accounts: list[Account]) -> None:
    large, pro = factories.segment("Large", mrr(600)), factories.segment("On Pro", PRO)
    factories.segment("Small", mrr(200, "at_most"))
    factories.segment("All of them")
    set_active(factories.segment("Off", mrr(700)), False)
    built = factories.segment("Built on Pro", {"segment": pro.key, "op": "in"})
    same = rule(mrr(501))
    every = {("identical", "Large"), ("identical", "On Pro"), ("identical", built.name)}
    assert previewed(same) == every
    assert previewed(same, large) == every - {("identical", "Large")}, "not as itself"
    assert previewed(same, pro) == {("identical", "Large")}, "nor as one that is built on it"
    assert previewed(rule(mrr(800))) == {("contained", name) for _, name in every}
    assert previewed(rule({"segment": pro.key, "op": "in"}, mrr(800))) == {
        ("contained", "Large"),
        ("contained", built.name),
    }
    assert previewed(rule(mrr(500))) == previewed(rule(mrr(9_000))) == previewed(rule()) == set()
    assert previewed(rule(mrr(0))) == {("identical", "All of them")}
    AccountMembership.objects.filter(account=accounts[9]).delete()
    assert previewed(same) == set(), "it is asked for those that match now"


def test_a_few_of_very_many_do_not_stand_for_all(accounts: list[Account], monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn ones only rule segments out; that all are within is counted."""
    monkeypatch.setattr("segments.questions.FEW", 2)
    factories.segment("Large", mrr(600))
    assert previewed(rule(mrr(300))) == set()
    monkeypatch.setattr("segments.alike.MOST", 1)
    factories.segment("Larger", mrr(500))
    assert previewed(rule(mrr(700))) == {("contained", "Large")}, "the smallest of those that contain it"
    monkeypatch.setattr("segments.alike.LIMIT_MS", 0)
    assert previewed(rule(mrr(700))) == set(), "what there is no time for is not said"


def test_a_rule_about_users_is_compared_with_segments_of_users(accounts: list[Account]) -> None:
    for number, title in enumerate(("CTO", "CTO", "Clerk")):
        user = factories.end_user(f"U{number}", title=title)
        for account in accounts[: number + 1]:
            factories.relationship(account, user)
    chief = {"field": "user.title", "op": "is", "value": "CTO"}
    factories.segment("Chiefs", chief, subject="user")
    factories.segment("Of accounts", mrr(0))
    assert previewed(rule(chief | {"op": "starts_with"}), subject="user") == {("identical", "Chiefs")}
    second = {"field": "user.name", "op": "is", "value": "U1"}
    assert previewed(rule(second), subject="user") == {("contained", "Chiefs")}


def test_unused_switched_off_empty_broken_and_frozen_segments_are_told(accounts: list[Account]) -> None:
    factories.segment("Hidden", mrr(500), visible=False)
    factories.segment("Used", mrr(300), visible=False)
    factories.segment("User of it", {"segment": "used", "op": "not_in"})
    set_active(factories.segment("Off", mrr(100)), False)
    factories.segment("Empty", mrr(9_000))
    Segment.objects.filter(pk=factories.segment("Broken", mrr(200, "at_most")).pk).update(
        rule=rule({"field": "account.gone", "op": "is_set"})
    )
    Segment.objects.filter(pk=factories.segment("Frozen", mrr(150, "at_most")).pk).update(error="It failed.")
    found = said()
    assert found["Hidden"] >= {"unused"} and "unused" not in found.get("Used", set())
    assert (found["Off"], found["Empty"]) == ({"off"}, {"empty"})
    assert "broken" in found["Broken"] and "frozen" in found["Frozen"]


def test_a_field_that_nothing_feeds_is_told_until_something_does(accounts: list[Account]) -> None:
    AttributeDefinition.objects.create(subject="account", key="nps", name="NPS", kind="number")
    conditions = [
        {"field": "account.custom.nps", "op": "at_least", "value": 5},
        {"field": "account.country", "op": "is_not", "value": "DE"},
        {"users": "any", "where": rule({"field": "user.title", "op": "is", "value": "CTO"})},
        mrr(5),
    ]
    question = Reader.now().read(rule(*conditions))

    def unfed() -> list[str]:
        return [note.pointer for note in note_rule(question.rule, Reader.now()) if note.code == "no-data"]

    assert unfed() == ["/rules/0", "/rules/1", "/rules/2/where/rules/0"]
    factories.account("New", attributes={"nps": 0}, country="DE")
    assert unfed() == ["/rules/2/where/rules/0"]
    factories.relationship(accounts[0], factories.end_user("Ada", title="CTO"))
    assert unfed() == []


def unfed(*conditions: dict[str, Any]) -> list[tuple[str, str]]:
    reader = Reader.now()
    notes = note_rule(reader.read(rule(*conditions)).rule, reader)
    return [(note.pointer, note.message.split(" yet")[0]) for note in notes if note.code == "no-data"]


def test_fields_of_percentages_and_of_windows_count_as_named(accounts: list[Account]) -> None:
    EventName.objects.create(name="Export")
    share = mrr(0) | {"value": {"percent": 50, "of": "account.licences"}}
    since = {"event": "Export", "op": "at_least", "value": 1, "window": {"since": "account.renews_on"}}
    assert unfed(share, since) == [
        ("/rules/0", "Nothing has a value of licences"),
        ("/rules/1", "Nothing has a value of renewal date"),
    ]
    Account.objects.filter(pk=accounts[0].pk).update(licences=5, renews_on=dt.date(2027, 1, 1))
    assert unfed(share, since) == []


def test_counts_are_fed_only_once_something_was_counted(accounts: list[Account]) -> None:
    trait = save_trait(None, name="Exports", method="count", definition={"event": "Export"})
    counts = [{"field": key, "op": "equals", "value": 0} for key in ("account.active_users_7d", trait.field_key)]
    assert [pointer for pointer, _ in unfed(*counts)] == ["/rules/0", "/rules/1"]
    AccountUsage.objects.create(account=accounts[0], last_seen_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    AccountTraits.objects.create(account=accounts[0], shown={"exports": 2})
    assert unfed(*counts) == [], "a count of 0 is a value where something was told"


def test_a_property_that_the_latest_events_do_not_have_is_told(accounts: list[Account]) -> None:
    def exported(**properties: Any) -> None:
        fact = EventFact(str(properties), "Export", timezone.now(), accounts[0].external_id, None, properties)
        PostgresStore().append([fact], source="test")

    def asked(**more: Any) -> dict[str, Any]:
        return {"event": "Export", "op": "at_least", "value": 1, "window": "ever"} | more

    def where(name: str, op: str, value: Any = None) -> dict[str, Any]:
        test = {"field": f"event.properties.{name}", "op": op} | ({} if value is None else {"value": value})
        return {"event": "Export", "where": rule(test)}

    EventName.objects.create(name="Export")
    pages = asked(**where("pagez", "at_least", 5))
    assert unfed(pages) == [], "of an event that is not among the latest nothing is known"
    exported()
    typo = "None of the latest events “Export” has a property “pagez”. Check how it is spelled."
    assert unfed(pages) == [("/rules/0/where/rules/0", typo)]
    exported(pages=5)
    exported(pages="many", shared=True)
    steps = {"sequence": [where("pagez", "is_set"), where("pages", "is_true")], "op": "then", "window": "ever",
             "within": {"n": 1, "unit": "day"}}  # fmt: skip
    kind = "In the latest events “Export” the property “pages” is a number or a text, and not yes or no as here."
    assert unfed(pages, asked(measure={"sum": "properties.pagez"}), steps) == [
        ("/rules/0/where/rules/0", typo),
        ("/rules/1", typo),
        ("/rules/2/sequence/0/where/rules/0", typo),
        ("/rules/2/sequence/1/where/rules/0", kind),
    ]
    sound = [where("pages", "at_least", 5), where("pages", "is_not", "a"), where("shared", "is_true")]
    assert unfed(*(asked(**one) for one in sound), asked(measure={"distinct": "properties.shared"})) == []


def test_a_field_is_not_called_empty_where_there_is_no_account_yet(db: None) -> None:
    assert note_rule(Reader.now().read(rule(PRO)).rule, Reader.now()) == []


def test_the_overlap_counts_what_each_two_share(accounts: list[Account]) -> None:
    large, pro = factories.segment("Large", mrr(500)), factories.segment("On Pro", PRO)
    none = factories.segment("Empty", mrr(9_000))
    counted = overlap([large, pro, none])
    assert [counted.size(one) for one in (large, pro, none)] == [5, 4, 0]
    assert counted.shared[large.pk, pro.pk] == counted.shared[pro.pk, large.pk] == 4
    accounts[9].archived_at = accounts[9].created_at
    accounts[9].save()
    assert overlap([large, pro]).shared[large.pk, pro.pk] == 3


def test_the_command_prints_the_remarks_and_fails_where_that_is_wished(accounts: list[Account]) -> None:
    out = StringIO()
    call_command("check_segments", stdout=out)
    assert out.getvalue() == "0 remarks on 0 segments.\n"
    call_command("check_segments", "--strict", stdout=out)
    factories.segment("Never", mrr(5), mrr(1, "at_most"))
    call_command("check_segments", stdout=(told := StringIO()))
    assert "Never (never)\n  Never true: No value of MRR meets all of this: MRR is at least $5; MRR is at most $1." in (
        told.getvalue()
    )
    with pytest.raises(CommandError, match="2 remarks on 1 segment."):
        call_command("check_segments", "--strict", stdout=out)
