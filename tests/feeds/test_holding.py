"""A feed stops: what depends on it keeps its members and says so, people are told once, and it goes on by itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core.clock import Moment, moment
from csbox.pipeline import look_at_feeds, refresh_everything
from segments.editing import save_segment
from segments.explaining import explain_segment
from segments.holding.holds import Holds
from segments.holding.models import HoldNotice
from segments.holding.telling import release, tell, unseen
from segments.models import AccountMembership, RefreshRun, Segment
from segments.questions import Reader
from segments.refresh import refresh_due
from tests import factories
from tests.feeds.conftest import HOUR, MONDAY, store
from usage.feeds.models import Feed, FeedArrival, FeedHour, FeedSilence
from usage.feeds.watching import silences, watch_feeds
from usage.store import EventFact, PostgresStore
from usage.traits.models import Trait

START = MONDAY
STOP = START + dt.timedelta(days=60)
LOGIN = {"event": "Login", "op": "never", "window": {"last": 14, "unit": "day"}}


def at(days: float, hours: float = 0) -> Moment:
    """So long after the feed stopped."""
    return moment(STOP + dt.timedelta(days=days, hours=hours))


def members(segment: Segment) -> set[str]:
    rows = AccountMembership.objects.filter(segment=segment, left_at=None)
    return set(rows.values_list("account__external_id", flat=True))


@pytest.fixture
def author(db: None) -> Any:
    user = factories.member("manager").user
    user.email = "csm@example.com"
    user.save()
    return user


@pytest.fixture
def stopped(author: Any) -> Segment:
    """Forty accounts that log in every day until the feed stops, and the segment of those that have gone quiet."""
    for number in range(40):
        factories.account(external_id=f"a{number}")
    facts = [
        EventFact(f"{number}-{day}", "Login", STOP - dt.timedelta(days=day, hours=1), f"a{number}")
        for number in range(40)
        for day in range(0, 20, 4)
    ]
    PostgresStore().append(facts, source="sdk")
    FeedArrival.objects.all().delete()  # they came over sixty days, and not at this moment
    hours = [START + step * HOUR for step in range(60 * 24)]
    store("sdk", hours, "Login")
    return save_segment(None, name="Silent 14 days", rule=factories.rule(LOGIN), author=author)


def daily(now: Moment) -> RefreshRun:
    """What the worker does every night."""
    look_at_feeds(now)
    return refresh_everything(RefreshRun.Trigger.DAILY, now)


def test_forty_accounts_do_not_flood_a_segment_when_their_feed_stops(stopped: Segment) -> None:
    refresh_due(now=at(0))
    daily(at(0))
    assert members(stopped) == set()
    for day in (1, 2, 3, 8, 13, 14, 15, 29):
        run = daily(at(day))
        assert run.joined == 0 and run.held == 1
        record = run.refreshes.get(segment=stopped)
        assert record.held.startswith("Held since") and record.held.endswith("because sdk is silent.")
    assert members(stopped) == set()
    stopped.refresh_from_db()
    assert "because sdk is silent" in stopped.held
    found = explain_segment(stopped, Account.objects.filter(external_id="a1"))
    assert found and found.headline.startswith("Held since") and "By the rule: a match" in found.headline
    silence = FeedSilence.objects.get()
    assert silence.since <= STOP and silence.noticed_at - silence.since < dt.timedelta(days=2)


def test_without_the_hold_it_would_be_flooded(stopped: Segment) -> None:
    """The control: the same accounts and days, and nobody looks at the feeds."""
    refresh_due(now=at(0))
    refresh_everything(RefreshRun.Trigger.DAILY, at(20))
    assert len(members(stopped)) == 40


def test_what_reads_nothing_of_the_feed_goes_on(stopped: Segment) -> None:
    PostgresStore().append([EventFact("s", "Sync", STOP, "a1")], source="erp")
    names = factories.segment("Named", {"field": "account.name", "op": "is_not", "value": "x"}, refreshed=False)
    other = factories.segment("Other event", LOGIN | {"event": "Sync"}, refreshed=False)
    refresh_due(now=at(0))
    run = daily(at(16))
    held = set(run.refreshes.exclude(held="").values_list("segment__name", flat=True))
    assert held == {"Silent 14 days"} and len(members(names)) == 40 and "a1" in members(other)


def test_a_person_told_once_by_page_and_mail_and_asks_anyway(
    stopped: Segment, author: Any, django_capture_on_commit_callbacks: Any
) -> None:
    for number in range(12):
        save_segment(None, name=f"Quiet {number}", rule=factories.rule(LOGIN), author=author)
    refresh_due(now=at(0))
    with django_capture_on_commit_callbacks(execute=True):
        for day in range(1, 5):
            daily(at(day))
    (notice,) = HoldNotice.objects.all()
    assert notice.user == author and len(notice.segments) == 13
    assert len(mail.outbox) == 1 and "and 8 more" in mail.outbox[0].body and mail.outbox[0].to == ["csm@example.com"]
    assert unseen(author) == [notice]
    assert tell(FeedSilence.objects.get()) == []
    # A save by a person is answered at once, whatever is silent.
    save_segment(stopped, name="Silent 3 days", rule=factories.rule(LOGIN | {"window": {"last": 3, "unit": "day"}}))
    refresh_due(now=at(4))
    assert len(members(stopped)) == 40


def test_administrators_are_told_where_nobody_else_is_responsible(stopped: Segment, author: Any) -> None:
    admin = factories.member("admin").user
    Segment.objects.update(created_by=None)
    look_at_feeds(at(2))
    assert set(HoldNotice.objects.values_list("user", flat=True)) == {admin.pk}


def test_it_goes_on_by_itself_when_data_comes_again(stopped: Segment) -> None:
    refresh_due(now=at(0))
    daily(at(4))
    feed = Feed.objects.get()
    FeedHour.objects.create(feed=feed, hour=STOP + dt.timedelta(days=5), count=1)
    Feed.objects.update(last_at=STOP + dt.timedelta(days=5, minutes=5))
    PostgresStore().append(
        [EventFact(f"again-{n}", "Login", STOP + dt.timedelta(days=5, minutes=n), f"a{n}") for n in range(39)],
        source="sdk",
    )
    FeedArrival.objects.all().delete()
    run = daily(at(5, 1))
    silence = FeedSilence.objects.get()
    assert silence.ended_at and silence.released_at is None and run.held == 1
    stopped.refresh_from_db()
    assert "still filling up" in stopped.held
    FeedHour.objects.bulk_create(
        [FeedHour(feed=feed, hour=STOP + dt.timedelta(days=5, hours=n), count=1) for n in range(1, 400)]
    )
    Feed.objects.update(last_at=STOP + dt.timedelta(days=21))
    look_at_feeds(at(15))
    silence.refresh_from_db()
    assert silence.released_at == at(15).now
    refresh_due(RefreshRun.Trigger.DATA, at(15))
    stopped.refresh_from_db()
    assert stopped.held == "" and members(stopped) == {"a39"}


def test_a_person_says_that_it_is_real(stopped: Segment, author: Any) -> None:
    refresh_due(now=at(0))
    daily(at(16))
    silence = FeedSilence.objects.get()
    assert release(silence, by="ann") and not release(silence, by="eve")
    assert silence.released_by == "ann"
    refresh_due(RefreshRun.Trigger.DATA, at(16))
    assert len(members(stopped)) == 40
    run = daily(at(17))
    assert run.held == 0 and FeedSilence.objects.count() == 1  # and it is not noticed anew


def test_an_evaluation_of_some_accounts_waits_too(stopped: Segment) -> None:
    refresh_due(now=at(0))
    look_at_feeds(at(16))
    run = refresh_everything(RefreshRun.Trigger.DATA, at(16))
    assert run.held == 1 and run.joined == 0
    from csbox.pipeline import refresh_accounts

    some = list(Account.objects.values_list("pk", flat=True)[:5])
    run = refresh_accounts(some, at(16))
    assert run.held == 1 and run.joined == 0 and not run.refreshes.filter(segment=stopped).exists()


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({"field": "account.active_users_30d", "op": "at_most", "value": 0}, True),
        ({"field": "account.trait.logins", "op": "at_most", "value": 0}, True),
        ({"field": "account.trait.share", "op": "at_most", "value": 0}, True),
        ({"field": "account.trait.syncs", "op": "at_most", "value": 0}, False),
        ({"field": "account.mrr", "op": "at_least", "value": 0}, False),
        ({"users": "any", "where": {"match": "all", "rules": [{"field": "user.last_seen_at", "op": "is_set"}]}}, True),
        ({"segment": "silent-14-days", "op": "in"}, False),
    ],
)
def test_what_depends_on_the_feed(stopped: Segment, rule: dict[str, Any], held: bool) -> None:
    window = {"last": 30, "unit": "day"}
    for key, event in (("logins", "Login"), ("syncs", "Sync")):
        Trait.objects.create(
            key=key, name=key, name_folded=key, method="count", kind="number",
            definition={"event": event, "window": window},
        )  # fmt: skip
    Trait.objects.create(
        key="share", name="share", name_folded="share", method="ratio", kind="number",
        definition={"left": "account.trait.logins", "right": "account.mrr"},
    )  # fmt: skip
    look_at_feeds(at(3))
    reader = Reader.now()
    question = reader.read(factories.rule(rule))
    assert bool(Holds.now(reader.vocabulary).of(question.rule)) is held


def test_asking_costs_one_statement_while_no_feed_is_silent(stopped: Segment) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert not silences().open
    assert len(queries) == 1


def test_arrivals_are_summed_up_by_source_event_and_hour(db: None) -> None:
    factories.account(external_id="a")
    now = moment()
    PostgresStore().append([EventFact("1", "Login", now.now, "a"), EventFact("2", "Sync", now.now, "a")], source="x")
    PostgresStore().append([EventFact("3", "Login", now.now, "a")], source="x")
    PostgresStore().append([EventFact("3", "Login", now.now, "a")], source="y")
    watch_feeds(now)
    watch_feeds(now)
    feeds = {feed.source: feed for feed in Feed.objects.all()}
    assert feeds.keys() == {"x", "y"} and not FeedArrival.objects.exists()
    assert sum(feeds["x"].hours.values_list("count", flat=True)) == 3
    assert feeds["x"].events.count() == 2 and feeds["y"].events.count() == 1


def test_sources_that_came_once_do_not_pile_up(stopped: Segment) -> None:
    store("file may.csv", [STOP - dt.timedelta(days=2)], "Login")
    look_at_feeds(at(3))
    assert Feed.objects.count() == 2
    look_at_feeds(at(100))
    assert [feed.source for feed in Feed.objects.all()] == ["sdk"]  # its silence is not over
    assert FeedSilence.objects.get().ended_at is None
