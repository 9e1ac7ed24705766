"""Segments of users from the rule to who came and went: per relationship, each person once, as full as narrowed."""

from __future__ import annotations

import datetime as dt
import itertools
from random import Random
from typing import Any

import pytest
from django.core.management import call_command

from accounts.fields import Subject
from accounts.models import Account, EndUser, Relationship, UserInAccount
from core.clock import moment
from core.intake import BadValue
from segments.changing import Changed
from segments.editing import clone_segment, save_segment
from segments.explaining import explain_segment, explain_segments
from segments.history import members_on, movements, sizes
from segments.impact import knock_on
from segments.linting import check_segments
from segments.models import RefreshRun, Segment, SegmentRefresh, UserMembership
from segments.ordering import in_order
from segments.pinning import pin_member, unpin_member
from segments.places import accounts_matched
from segments.questions import Reader, preview, read_rule
from segments.recipients import people_of, relationships_of
from segments.refresh import refresh_due, refresh_segments
from segments.rules.lint import lint
from segments.rules.tree import RuleError
from segments.subjects import ABOUT
from segments.versions import differences
from tests import factories
from tests.factories import rule
from tests.segments.conftest import names_in
from usage.models import DailyUsage, EventName, UserActivity

pytestmark = pytest.mark.django_db
CHAMPION = {"field": "relationship.role", "op": "is", "value": "Champion"}
EXPORTED = {"event": "Report Exported", "op": "at_least", "value": 1, "window": {"last": 30, "unit": "day"}}


def of_users(name: str, *conditions: dict[str, Any], match: str = "all", **values: Any) -> Segment:
    found = save_segment(None, name=name, rule=rule(*conditions, match=match), subject="user", **values)
    refresh_due()
    found.refresh_from_db()
    return found


def people_in(segment: Segment) -> set[str]:
    stays = UserMembership.objects.filter(segment=segment, left_at=None)
    return set(stays.values_list("user__name", flat=True))


def did(user: EndUser, account: Account, event: str = "Report Exported", days_ago: int = 1) -> None:
    name, _ = EventName.objects.get_or_create(name=event)
    day = moment().today - dt.timedelta(days=days_ago)
    DailyUsage.objects.create(account=account, user=user, name=name, day=day, count=1)
    seen = {"first_seen_at": moment().now, "last_seen_at": moment().now}  # the roll-up keeps who was ever seen where
    UserActivity.objects.get_or_create(account=account, user=user, defaults=seen)


def matching(*conditions: dict[str, Any], match: str = "all") -> set[tuple[str, str | None]]:
    rows = read_rule(rule(*conditions, match=match), subject="user").matching()
    return set(rows.values_list("user__name", "account__name"))


@pytest.fixture
def world(db: None) -> dict[str, Any]:
    """Ann in A and B, Bo in B, Cy in no account, Di who left A, Ed only in an archived account."""
    a, b = factories.account("A", mrr=100), factories.account("B", mrr=900, plan="Pro")
    old = factories.account("Old", archived_at=moment().now)
    ann, bo, cy, di, ed = (factories.end_user(name) for name in ("Ann", "Bo", "Cy", "Di", "Ed"))
    factories.relationship(a, ann, "Champion")
    factories.relationship(b, ann, "Reader")
    factories.relationship(b, bo, "Champion")
    past = moment().now - dt.timedelta(days=9)
    factories.relationship(a, di, "Champion", started_at=past, ended_at=moment().now)
    factories.relationship(old, ed, "Champion")
    EventName.objects.get_or_create(name="Report Exported")
    return {"a": a, "b": b, "ann": ann, "bo": bo, "cy": cy, "di": di}


def test_the_rule_without_conditions_is_every_live_user_each_once(world: dict[str, Any]) -> None:
    everybody = of_users("Everybody")
    assert people_in(everybody) == {"Ann", "Bo", "Cy", "Di"}
    assert everybody.member_count == 4 and everybody.contract_value == 0
    assert Reader.now().read({}, subject="user").words == "Every user"


def test_conditions_are_about_one_relationship(world: dict[str, Any]) -> None:
    pro = {"field": "account.plan", "op": "is", "value": "Pro"}
    assert matching(CHAMPION, pro) == {("Bo", "B")}
    assert matching(CHAMPION) == {("Ann", "A"), ("Bo", "B")}
    assert people_in(of_users("Champions of Pro", CHAMPION, pro)) == {"Bo"}
    assert people_in(of_users("Champions or Pro", CHAMPION, pro, match="any")) == {"Ann", "Bo"}


def test_an_event_in_one_account_matches_only_through_that_account(world: dict[str, Any]) -> None:
    did(world["ann"], world["a"])
    assert matching(EXPORTED) == {("Ann", "A")}
    assert matching(EXPORTED, {"field": "account.plan", "op": "is", "value": "Pro"}) == set()
    assert matching(EXPORTED | {"anywhere": True}) == {("Ann", "A"), ("Ann", "B")}
    never = {"event": "Report Exported", "op": "never"}
    assert matching(never) == {("Ann", "B"), ("Bo", "B"), ("Cy", None), ("Di", None)}


def test_users_of_no_account_have_no_values_of_account_and_relationship(world: dict[str, Any]) -> None:
    did(world["di"], world["a"])
    assert matching({"field": "account.mrr", "op": "is_not_set"}) == {("Cy", None), ("Di", None)}
    assert matching({"field": "account.events_30d", "op": "is_not_set"}) == {("Cy", None), ("Di", None)}
    assert matching({"field": "relationship.role", "op": "is_not", "value": "Champion"}) == {
        ("Ann", "B"), ("Cy", None), ("Di", None)
    }  # fmt: skip
    assert matching({"subscriptions": "none", "where": rule({"field": "subscription.plan", "op": "is_set"})}) >= {
        ("Cy", None)
    }
    # Di left, so what she did in A counts only where the account does not matter.
    assert ("Di", None) not in matching(EXPORTED)
    assert ("Di", None) in matching(EXPORTED | {"anywhere": True})


@pytest.mark.parametrize(("accounts", "met"), [(n, m) for n in range(4) for m in range(n + 1)])
@pytest.mark.parametrize("match", ["all", "any", "none"])
def test_truth_table_of_accounts_and_those_that_match(accounts: int, met: int, match: str) -> None:
    user = factories.end_user("Ann")
    for number in range(accounts):
        factories.relationship(factories.account(), user, "Champion" if number < met else "Reader")
    # In a user of no account the role is missing: not met, so that "none of" holds.
    answers = [number < met for number in range(accounts)] or [False]
    expected = any(not answer if match == "none" else answer for answer in answers)
    assert people_in(of_users("Champions", CHAMPION, match=match)) == ({"Ann"} if expected else set())


def test_segments_of_both_kinds_name_each_other_and_follow_in_order(world: dict[str, Any]) -> None:
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 500})
    champions = of_users("Champions", CHAMPION)
    of_large = of_users("Champions of large", CHAMPION, {"segment": "large", "op": "in"})
    some = {"users": "any", "where": rule({"segment": "champions", "op": "in"})}
    led = factories.segment("With a champion", some)
    again = of_users("In one with a champion", {"segment": "with-a-champion", "op": "in"})
    both = of_users("Both", {"segment": "champions", "op": "in"}, {"segment": "large", "op": "not_in"})
    assert people_in(of_large) == {"Bo"} and people_in(champions) == {"Ann", "Bo"}
    assert names_in(led) == {world["a"].external_id, world["b"].external_id}
    assert people_in(again) == {"Ann", "Bo"} and people_in(both) == {"Ann"}
    order = [one.key for one in in_order(Segment.objects.order_by("-pk"))]
    assert order.index("champions") < order.index("with-a-champion") < order.index("in-one-with-a-champion")
    Relationship.objects.filter(user=world["bo"]).update(role="Reader", folded={"role": "reader"})
    Relationship.objects.filter(user=world["ann"], account=world["a"]).update(
        ended_at=moment().now + dt.timedelta(seconds=1)
    )
    refresh_segments()
    assert people_in(champions) == people_in(again) == set() and names_in(led) == set()
    Account.objects.filter(pk=world["a"].pk).update(mrr=5_000)
    assert large.key == "large"


def test_a_circle_through_both_kinds_is_refused_with_its_path(world: dict[str, Any]) -> None:
    people = of_users("People", CHAMPION)
    factories.segment("Firms", {"users": "any", "where": rule({"segment": "people", "op": "in"})})
    with pytest.raises(RuleError) as raised:
        save_segment(people, name="People", rule=rule({"segment": "firms", "op": "in"}))
    assert [problem.code for problem in raised.value.problems] == ["cycle"]
    assert "People → Firms → People" in str(raised.value)


def test_a_narrowed_refresh_ends_where_a_full_one_does() -> None:
    """Fields, events, both kinds of membership and pins change at random; only the accounts touched are told."""
    dice = Random(20261125)
    accounts = [factories.account(f"A{n}", mrr=n * 100) for n in range(6)]
    people = [factories.end_user(f"P{n}") for n in range(6)]
    for account, user in itertools.product(accounts, people):
        if dice.random() < 0.4:
            factories.relationship(account, user, dice.choice(["Champion", "Reader"]))
    EventName.objects.get_or_create(name="Report Exported")
    factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 300})
    of_users("Exporters", EXPORTED, {"segment": "large", "op": "in"}, match="any")
    factories.segment("Led", {"users": "any", "where": rule({"segment": "exporters", "op": "in"}, CHAMPION)})
    of_users("Colleagues", {"segment": "led", "op": "in"})
    of_users("Anywhere", EXPORTED | {"anywhere": True})
    for _ in range(25):
        account, user = dice.choice(accounts), dice.choice(people)
        change = dice.randrange(5)
        if change == 0:
            Account.objects.filter(pk=account.pk).update(mrr=dice.randrange(700))
        elif change == 1:
            did(user, account, days_ago=dice.randrange(40))
        elif change == 2:
            DailyUsage.objects.filter(account=account).delete()
        elif change == 3:
            Relationship.objects.filter(account=account, user=user, ended_at=None).update(
                ended_at=moment().now + dt.timedelta(seconds=1)
            )
        elif not Relationship.objects.filter(account=account, user=user, ended_at=None).exists():
            factories.relationship(account, user, "Champion")
        refresh_segments(RefreshRun.Trigger.DATA, changed=Changed.of([account.pk]))
        newest = SegmentRefresh.objects.latest("pk").pk
        refresh_segments(RefreshRun.Trigger.DAILY)
        late = SegmentRefresh.objects.filter(pk__gt=newest).exclude(joined=0, left=0)
        assert not late, [str(one) for one in late]
    assert UserMembership.objects.filter(left_at__isnull=False).exists()


def test_a_user_of_no_account_is_refreshed_by_their_own_id(world: dict[str, Any]) -> None:
    titled = of_users("Titled", {"field": "user.title", "op": "is", "value": "CEO"})
    EndUser.objects.filter(pk=world["cy"].pk).update(title="CEO", folded={"title": "ceo"})
    refresh_segments(RefreshRun.Trigger.DATA, changed=Changed.of([world["b"].pk]))
    assert people_in(titled) == set()
    refresh_segments(RefreshRun.Trigger.DATA, changed=Changed.of([], [world["cy"].pk]))
    assert people_in(titled) == {"Cy"}


def test_explained_for_each_account_and_as_the_membership_says(world: dict[str, Any]) -> None:
    did(world["ann"], world["a"])
    segments = [
        of_users("Champions", CHAMPION),
        of_users("Exporters", EXPORTED, CHAMPION),
        of_users("Not champions", CHAMPION, match="none"),
        of_users("Everybody"),
        of_users("Champions by segment", {"segment": "champions", "op": "in"}),
    ]
    for user in EndUser.objects.exclude(name="Ed"):
        for found in explain_segments(segments, user, Reader.now()):
            assert found.segment is not None
            assert found.outcome.met == (user.name in people_in(found.segment)) == bool(found.member_since)
            assert len(found.places) == max(1, user.relationships.open().count())
    told = explain_segment(segments[1], UserInAccount.objects.filter(user=world["ann"]))
    assert told is not None and told.account == world["a"] and told.headline.startswith("A match in A.")
    assert [(str(place.account), place.outcome.met) for place in told.places] == [("A", True), ("B", False)]
    nobody = explain_segment(segments[0], UserInAccount.objects.filter(user=world["cy"]))
    assert nobody is not None and nobody.account is None
    assert nobody.headline.startswith("Not a match as a user of no account.")
    assert nobody.outcome.outcomes[0].missing


def test_previewed_in_people_and_accounts(world: dict[str, Any]) -> None:
    champions = of_users("Champions", CHAMPION)
    question = read_rule(
        rule(CHAMPION, {"field": "account.mrr", "op": "at_least", "value": 1}, match="any"), subject="user"
    )
    seen = preview(question, base=UserInAccount.objects.live(), segment=champions)
    assert (seen.total, seen.count, seen.accounts, seen.mrr) == (4, 2, 2, 1000)
    assert (seen.joins, seen.leaves) == (0, 0) and seen.stages == {}
    assert seen.alone == {"/rules/0": 2, "/rules/1": 2}
    assert [one.name for one in seen.sample] == ["Ann", "Bo"]
    fewer = read_rule(rule({"field": "user.name", "op": "any_of", "value": ["Bo", "Cy"]}), subject="user")
    seen = preview(fewer, base=UserInAccount.objects.live(), segment=champions)
    assert (seen.count, seen.accounts, seen.joins, seen.leaves, seen.mrr) == (2, 1, 1, 1, 900)
    pin_member(champions, world["cy"], kind="in", reason="Asked to")
    seen = preview(fewer, base=UserInAccount.objects.live(), segment=champions)
    assert (seen.joins, seen.leaves, seen.pins.brought) == (1, 1, 0)


def test_users_are_pinned_in_and_out_and_history_says_so(world: dict[str, Any]) -> None:
    champions = of_users("Champions", CHAMPION)
    pin_member(champions, world["cy"], kind="in", reason="Asked to")
    pin_member(champions, world["bo"], kind="out", reason="On leave")
    refresh_due()
    assert people_in(champions) == {"Ann", "Cy"}
    found = movements(champions, Reader.now(), None)
    told = {(move.member.name, move.joined): (move.cause, move.reason) for move in found}
    assert told["Cy", True] == ("hand", "Asked to") and told["Bo", False] == ("hand", "On leave")
    assert told["Ann", True] == ("definition", "")
    explained = explain_segment(champions, UserInAccount.objects.filter(user=world["bo"]))
    assert explained is not None and not explained.member and explained.pinned.startswith("Kept out by somebody")
    assert unpin_member(champions, world["bo"])
    refresh_due()
    assert people_in(champions) == {"Ann", "Bo", "Cy"}
    with pytest.raises(BadValue, match="about users"):
        pin_member(champions, world["a"], kind="in", reason="No")
    with pytest.raises(BadValue, match="about accounts"):
        pin_member(factories.segment("Large"), world["ann"], kind="in", reason="No")


def test_members_on_a_day_sizes_and_causes(world: dict[str, Any]) -> None:
    champions = of_users("Champions", CHAMPION)
    now = moment()
    UserMembership.objects.filter(user=world["bo"]).update(entered_at=now.now - dt.timedelta(days=5))
    yesterday = members_on(champions, now.today - dt.timedelta(days=1), now, None)
    assert [row.user.name for row in yesterday] == ["Bo"]
    assert [
        row.user.name for row in members_on(champions, now.today, now, UserInAccount.objects.filter(account=world["a"]))
    ] == ["Ann"]
    assert [n for _, n in sizes(champions, 3, now, None)] == [1, 1, 2]


def test_recipients_once_a_person_or_once_for_each_account_that_matches(world: dict[str, Any]) -> None:
    champions, everyone = of_users("Champions", CHAMPION), of_users("Everyone")
    seen = Account.objects.live()
    assert {(r.user.name, r.account.name) for r in relationships_of(champions, seen)} == {("Ann", "A"), ("Bo", "B")}
    assert relationships_of(everyone, seen).count() == 3
    people = {one.name: one.account_names for one in people_of(everyone, seen)}
    assert people == {"Ann": ["A", "B"], "Bo": ["B"]}
    pin_member(champions, world["ann"], kind="in", reason="Anyway")
    Relationship.objects.filter(user=world["ann"]).update(role="Reader", folded={"role": "reader"})
    refresh_due()
    assert {r.account.name for r in relationships_of(champions, seen) if r.user == world["ann"]} == {"A", "B"}
    found = accounts_matched(champions, [world["bo"].pk], ABOUT[Subject.USER].live(), Reader.now())
    assert {pk: [one.name for one in accounts] for pk, accounts in found.items()} == {world["bo"].pk: ["B"]}


def test_what_a_save_would_do_to_segments_of_the_other_kind(world: dict[str, Any]) -> None:
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 500})
    of_users("Of large", {"segment": "large", "op": "in"})
    factories.segment("Led", {"users": "any", "where": rule({"segment": "of-large", "op": "in"})})
    of_users("Outside", {"segment": "led", "op": "not_in"})
    for least in (50, 500, 5_000):
        changed = rule({"field": "account.mrr", "op": "at_least", "value": least})
        told = {k.segment.key: (k.joins, k.leaves) for k in knock_on(large, Reader.now().read(changed), Reader.now())}
        assert set(told) == {"of-large", "led", "outside"}
        newest = SegmentRefresh.objects.latest("pk").pk
        save_segment(large, name="Large", rule=changed)
        refresh_due()
        large.refresh_from_db()
        for done in SegmentRefresh.objects.filter(pk__gt=newest).exclude(segment=large):
            assert told[done.segment.key] == (done.joined, done.left), (least, done.segment.key)


def test_remarks_versions_and_copies_know_the_subject(world: dict[str, Any]) -> None:
    both = rule(
        {"field": "user.title", "op": "is", "value": "CEO"}, {"field": "user.title", "op": "is", "value": "CTO"}
    )
    reader = Reader.now()
    notes = lint(reader.read(both, subject="user").rule, reader.words, reader.moment.today, Subject.USER)
    assert [note.code for note in notes] == ["never-true"]
    assert lint(reader.read(both).rule, reader.words, reader.moment.today) == []  # of two users
    of_users("One", CHAMPION), of_users("Two", CHAMPION)
    codes = {checked.segment.key: {note.code for note in checked.notes} for checked in check_segments()}
    assert "identical" in codes["one"] and "identical" in codes["two"]
    [change] = differences(rule(), rule({"segment": "one", "op": "in"}), Reader.now(), "user")
    assert change.words == "In One"
    assert clone_segment(Segment.objects.get(key="one")).subject == "user"


def test_written_as_text_and_applied_again(world: dict[str, Any], tmp_path: Any, capsys: Any) -> None:
    of_users("Champions", CHAMPION)
    factories.segment("Led", {"users": "any", "where": rule({"segment": "champions", "op": "in"})})
    file = tmp_path / "segments.yaml"
    call_command("segments", "export", str(file))
    assert file.read_text().count("subject: user") == 1
    call_command("segments", "apply", str(file))
    assert "0 made, 0 changed" in capsys.readouterr().out
    Segment.objects.all().delete()
    call_command("segments", "apply", str(file))
    assert dict(Segment.objects.values_list("key", "subject")) == {"champions": "user", "led": "account"}
    file.write_text(file.read_text().replace("subject: user", "subject: account"))
    with pytest.raises(Exception, match="fixed"):
        call_command("segments", "apply", str(file))
