"""Windows that begin with a date of the user, or of the user in an account: what they mean, and how they are told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from accounts.fields import Subject
from accounts.models import Account, EndUser, Relationship, UserInAccount
from core.clock import Moment
from segments.linting import note_rule
from segments.models import Segment
from segments.questions import Reader
from segments.rule_view import NodeView, rule_view
from segments.rules.explain import explain
from segments.rules.tree import RuleError, fields_of, parse, to_json
from tests import factories
from tests.factories import rule
from tests.segments.test_events import NOON, UTC, ago, did, event, settle_in, users, who
from tests.web.reading import fields
from tests.web.test_builder import send
from usage.models import UserActivity

pytestmark = pytest.mark.django_db
CAME = {"since": "relationship.started_at"}
BORN = {"since": "user.first_seen_at"}
SEEN = {"since": "user.last_seen_at"}


@pytest.fixture
def ann(db: None) -> EndUser:
    """Known for 20 days, in Old for 10 and in New for 3; exported in Old 15 and 5 days ago, and in New 5 days ago."""
    found = factories.end_user("Ann", external_id="ann", first_seen_at=ago(20))
    for name, days in (("old", 10), ("new", 3)):
        account = factories.account(name, external_id=name)
        factories.relationship(account, found, "Admin", started_at=ago(days))
        UserActivity.objects.create(account=account, user=found, first_seen_at=ago(20), last_seen_at=ago(days / 2))
    for account, days in (("old", 15), ("old", 5), ("new", 5)):
        did(account, "Export", ago(days), "ann")
    return found


def places(*rules: dict[str, Any]) -> set[tuple[str, str | None]]:
    """Who matches in which account, by ids."""
    who()  # adds up what happened
    found = Reader.now(Moment(NOON, UTC)).read(rule(*rules), subject=Subject.USER).matching()
    return set(found.values_list("user__external_id", "account__external_id"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (event(value=1, window=CAME), {"old"}),
        (event(value=2, window=CAME), set()),
        (event(value=2, window=BORN), {"old"}),
        (event(value=1, window=BORN), {"old", "new"}),
        (event(op="never", window=CAME), {"new"}),
        (event(op="at_most", value=0, window=CAME), {"new"}),
        (event(value=1, window=SEEN), {"old"}),
        (event(op="first_time_in", window=CAME), set()),
        (event(op="first_time_in", window=BORN), {"old", "new"}),
        (event(value=2, window=CAME, anywhere=True), {"old"}),
        (event(value=3, window=BORN, anywhere=True), {"old", "new"}),
        (event(value=1, measure="days", window=CAME, where=rule({"field": "event.properties.x", "op": "is_not_set"})),
         {"old"}),
        ({"sequence": [{"event": "Export"}, {"event": "Export"}], "op": "then", "within": {"n": 11, "unit": "day"},
          "window": BORN}, {"old"}),
        ({"sequence": [{"event": "Export"}, {"event": "Export"}], "op": "then", "within": {"n": 11, "unit": "day"},
          "window": CAME}, set()),
    ],
)  # fmt: skip
def test_each_account_has_the_date_of_its_own_user(ann: EndUser, condition: Any, expected: set[str]) -> None:
    assert who(users("any", condition)) == expected
    assert places(condition) == {("ann", account) for account in expected}
    assert who(users("none", condition)) == {"old", "new"} - expected
    reader = Reader.now(Moment(NOON, UTC))
    asked = reader.read(rule(users("any", condition)))
    told = explain(asked.rule, asked.context, reader.words, Account.objects.all())
    assert {one.external_id for one in Account.objects.all() if told[one.pk].met} == expected
    asked = reader.read(rule(condition), subject=Subject.USER)
    told = explain(asked.rule, asked.context, reader.words, UserInAccount.objects.live())
    assert {one.account.external_id for one in UserInAccount.objects.live() if told[one.pk].met} == expected


def test_edges_a_missing_date_and_nobody(ann: EndUser) -> None:
    """The day itself is in the window; without the date there is no window; of others' events none counts."""
    other = factories.relationship(Account.objects.get(name="new"), factories.end_user(external_id="bo")).user
    did("new", "Export", ago(3), "bo")
    for start, expected in ((ago(3), {"new"}), (ago(2), set()), (None, set())):
        EndUser.objects.filter(pk=other.pk).update(first_seen_at=start)
        EndUser.objects.filter(pk=ann.pk).update(first_seen_at=None)
        assert who(users("any", event(value=1, window=BORN))) == expected
        assert who(users("all", event(op="never", window=BORN))) == {"old", "new"} - expected
    Relationship.objects.filter(user=ann, account__name="old").update(ended_at=ago(1))
    assert who(users("any", event(value=1, window=CAME))) == set()
    assert places(event(value=1, window=CAME)) == set()


def test_a_user_of_no_account_has_a_date_too(ann: EndUser) -> None:
    """And did something anywhere, if not there any more."""
    Relationship.objects.filter(user=ann).update(ended_at=ago(1))
    assert places(event(value=3, window=BORN, anywhere=True)) == {("ann", None)}
    assert places(event(value=1, window=BORN)) == set()
    assert places(event(op="never", window=CAME, anywhere=True)) == {("ann", None)}


def test_in_words_as_json_in_remarks_and_for_those_that_depend_on_it(ann: EndUser) -> None:
    reader = Reader.now(Moment(NOON, UTC))
    data = rule(users("any", event(value=1, window={"since": "relationship.custom.trained_on"})))
    with pytest.raises(RuleError) as refused:
        reader.read(data)
    assert refused.value.problems[0].pointer == "/rules/0/where/rules/0/window/since"
    data = rule(users("any", event(value=1, window=CAME)))
    asked = reader.read(data)
    assert "at least 1 time since “In the account since” of the user in the account" in asked.words
    assert parse(to_json(asked.rule), reader.vocabulary) == asked.rule
    assert fields_of(asked.rule) == {"relationship.started_at"}
    never_fed = {"since": "user.last_seen_at"}
    UserActivity.objects.all().delete()
    notes = note_rule(reader.read(rule(users("any", event(value=1, window=never_fed)))).rule, reader)
    assert [note.code for note in notes] == ["no-data"]


@pytest.mark.parametrize("key", ["user.first_seen_at", "relationship.started_at"])
def test_outside_of_what_is_about_a_user_it_says_where_it_fits(ann: EndUser, key: str) -> None:
    with pytest.raises(RuleError, match="not a date of the account. Such a window stands inside a group about users"):
        Reader.now().read(rule(event(value=1, window={"since": key})))


def offered(tree: dict[str, Any], subject: str = Subject.ACCOUNT) -> list[str]:
    """Whose dates the builder offers beside the first event of a rule."""
    node: NodeView = rule_view(tree, Reader.now().about(subject)).root
    while node.event is None:
        node = node.nodes[0]
    return [whose for whose, _ in node.event.sinces]


def test_the_builder_offers_the_dates_that_fit_and_keeps_others(ann: EndUser, client: Client) -> None:
    theirs = ["Account", "User in the account", "User"]
    assert offered(rule(event(value=1, window={"since": "account.first_seen_at"}))) == ["Account"]
    assert offered(rule(users("any", event(value=1, window=CAME)))) == theirs
    assert sorted(offered(rule(event(value=1, window=BORN)), Subject.USER)) == sorted(theirs)
    assert offered(rule(event(value=1, window=BORN))) == ["Account", "Does not fit here"]
    client.force_login(factories.member("admin").user)
    segment = factories.segment("Since", users("any", event(value=1, window=CAME)))
    path = f"/segments/{segment.pk}/edit/"
    form = fields(client.get(path).content.decode())
    assert form["n.0.0.since"] == "relationship.started_at"
    assert send(client, path, form, n__0__0__since="user.first_seen_at").status_code == 302
    stored = Segment.objects.get(pk=segment.pk).rule
    assert stored["rules"][0]["where"]["rules"][0]["window"] == BORN


def test_the_day_is_that_of_the_workspace(ann: EndUser) -> None:
    """Who came at 23:30 in Auckland came on that day, though it is the day before in UTC."""
    zone = settle_in("Pacific/Auckland")
    came = dt.datetime(2026, 11, 20, 23, 30, tzinfo=zone)
    Relationship.objects.filter(user=ann).update(started_at=came)
    Account.objects.filter(name="old").update(archived_at=NOON)
    did("new", "Export", came.replace(hour=1), "ann")
    did("new", "Export", came - dt.timedelta(days=1), "ann")
    assert who(users("any", event(op="exactly", value=1, window=CAME)), zone=zone) == {"new"}
