"""A segment through time: members on a day, size by day, and why each account came or went."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Account, Assignment, AttributeChange, EndUser, Relationship, TeamMember
from core.clock import Moment, moment
from core.models import Workspace
from segments.changing import Changed
from segments.editing import save_segment
from segments.history import definitions, members_on, movements, sizes
from segments.models import AccountMembership, RefreshRun, Segment
from segments.pinning import pin_member
from segments.questions import Reader
from segments.refresh import refresh_due, refresh_segments
from tests import factories
from tests.factories import rule
from usage.models import Event, EventName
from usage.partitions import ensure_months, month_of

pytestmark = pytest.mark.django_db
LARGE = {"field": "account.mrr", "op": "at_least", "value": 100}
SOON = {"field": "account.renews_on", "op": "within_next", "value": {"n": 30, "unit": "day"}}


def stay(segment: Segment, account: Account, entered: str, left: str | None = None) -> None:
    AccountMembership.objects.filter(segment=segment, account=account).delete()
    AccountMembership.objects.create(
        segment=segment,
        account=account,
        entered_at=dt.datetime.fromisoformat(entered),
        left_at=dt.datetime.fromisoformat(left) if left else None,
    )


def test_members_and_size_of_a_day_are_those_at_its_end_in_the_workspaces_zone() -> None:
    Workspace.objects.update(time_zone="Pacific/Tongatapu")  # UTC+13
    zone = ZoneInfo("Pacific/Tongatapu")
    now = Moment(dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC), zone)
    segment = factories.segment("Nobody", LARGE)
    one, two = factories.account("One"), factories.account("Two")
    stay(segment, one, "2026-11-17T10:59:59+00:00", "2026-11-20T11:00:00+00:00")  # until the first instant of the 21st
    stay(segment, two, "2026-11-19T11:00:00+00:00")  # from the first instant of the 20th

    def on(day: int) -> list[str]:
        return [row.account.name for row in members_on(segment, dt.date(2026, 11, day), now, None)]

    assert [on(day) for day in (16, 17, 18, 19, 20, 21, 22)] == [
        [],
        ["One"],
        ["One"],
        ["One"],
        ["One", "Two"],
        ["Two"],
        ["Two"],
    ]
    assert sizes(segment, 90, now, None) == [
        (dt.date(2026, 11, day), size) for day, size in [(17, 1), (18, 1), (19, 1), (20, 2), (21, 1), (22, 1)]
    ]
    assert sizes(segment, 3, now, None)[0] == (dt.date(2026, 11, 20), 2)
    assert sizes(segment, 90, now, Account.objects.filter(pk=two.pk))[-1] == (dt.date(2026, 11, 22), 1)


def causes(segment: Segment) -> dict[str, str]:
    """The newest cause of each account, with the direction."""
    found = movements(segment, Reader.now(), None)
    return {f"{move.member.name} {'in' if move.joined else 'out'}": move.cause for move in reversed(found)}


def daily(days: int = 0) -> None:
    refresh_segments(RefreshRun.Trigger.DAILY, moment(moment().now + dt.timedelta(days=days)))


def test_data_time_definition_and_hand_are_told_apart() -> None:
    today = moment().today
    near = factories.account("Near", mrr=200, renews_on=today + dt.timedelta(days=10))
    far = factories.account("Far", mrr=200, renews_on=today + dt.timedelta(days=31))
    new = factories.account("New", mrr=200, renews_on=None)
    segment = factories.segment("Renews soon", SOON)
    assert causes(segment) == {"Near in": "definition"}
    Account.objects.filter(pk=new.pk).update(renews_on=today + dt.timedelta(days=5))
    AttributeChange.objects.create(subject="account", object_id=new.pk, key="renews_on", at=moment().now, source="crm")
    daily(days=1)
    assert causes(segment) == {"Near in": "definition", "Far in": "time", "New in": "data"}
    save_segment(segment, name="Renews soon", rule=rule(SOON, {"field": "account.mrr", "op": "less_than", "value": 50}))
    refresh_due(now=moment(moment().now + dt.timedelta(days=1)))
    assert {causes(segment)[f"{name} out"] for name in ("Near", "Far", "New")} == {"definition"}
    pin_member(segment, near, kind="in", reason="Board")
    refresh_due(now=moment(moment().now + dt.timedelta(days=1, hours=1)))
    newest = movements(segment, Reader.now(), None, limit=1)[0]
    assert (newest.member, newest.joined, newest.cause, newest.reason) == (near, True, "hand", "Board")
    assert far.pk != new.pk


def test_what_cannot_move_with_time_moves_with_data() -> None:
    account = factories.account("Alder", mrr=5)
    segment = factories.segment("Large", LARGE)
    Account.objects.filter(pk=account.pk).update(mrr=500)
    daily()
    assert causes(segment) == {"Alder in": "data"}


def test_a_refresh_for_new_data_is_about_data_whatever_the_rule() -> None:
    account = factories.account("Alder", renews_on=None)
    segment = factories.segment("Renews soon", SOON)
    Account.objects.filter(pk=account.pk).update(renews_on=moment().today)
    refresh_segments(RefreshRun.Trigger.DATA, changed=Changed.of([account.pk]))
    assert causes(segment) == {"Alder in": "data"}


@pytest.mark.parametrize(("received", "cause"), [(True, "data"), (False, "time")])
def test_an_event_that_was_received_since_the_refresh_before_is_data(received: bool, cause: str) -> None:
    account = factories.account("Alder", renews_on=moment().today + dt.timedelta(days=31))
    segment = factories.segment("Renews soon", SOON)
    if received:
        now = moment().now
        ensure_months([month_of(now)])
        name = EventName.objects.create(name="Signed in")
        Event.objects.create(
            account=account, name=name, at=now - dt.timedelta(hours=3), received_at=now, source="s", message_id="m"
        )
    daily(days=1)
    assert causes(segment) == {"Alder in": cause}


@pytest.mark.parametrize("what", ["nothing", "a user", "a user's name", "a subscription", "a colleague"])
def test_what_is_recorded_about_users_subscriptions_and_the_team_is_data(what: str) -> None:
    account = factories.account("Alder", renews_on=moment().today + dt.timedelta(days=31))
    user = factories.relationship(account).user
    long_ago = moment().now - dt.timedelta(days=9)
    for model in (EndUser, Relationship):
        model.objects.update(updated_at=long_ago)
    segment = factories.segment("Renews soon", SOON)
    if what == "a user":
        factories.relationship(account)
    elif what == "a user's name":
        user.name = "Renamed"
        user.save()
    elif what == "a subscription":
        factories.subscription(account)
    elif what == "a colleague":
        member = factories.member(TeamMember.Access.CSM)
        Assignment.objects.create(account=account, member=member, role_id="csm")
    daily(days=1)
    assert causes(segment) == {"Alder in": "time" if what == "nothing" else "data"}


def test_older_movements_come_page_by_page_without_gaps() -> None:
    segment = factories.segment("Nobody", LARGE)
    for number in range(7):
        stay(
            segment,
            factories.account(f"A{number}"),
            f"2026-01-0{number + 1}T12:00:00+00:00",
            "2026-02-01T12:00:00+00:00" if number else None,
        )
    found: list[Any] = []
    before = None
    while page := movements(segment, Reader.now(), None, before=before, limit=6):
        found += page
        before = page[-1].at
    assert len(found) == 13
    assert [move.at for move in found] == sorted((move.at for move in found), reverse=True)


def test_a_changed_definition_is_marked_on_its_day() -> None:
    segment = factories.segment("Large", LARGE)
    now = moment()
    assert definitions(segment, now.today, now) == [], "to be made is not to be changed"
    save_segment(segment, name="Large", rule=rule(SOON))
    save_segment(segment, name="Large", rule=rule(LARGE))
    assert definitions(segment, now.today, now) == [(now.today, 2), (now.today, 3)]
    assert definitions(segment, now.today + dt.timedelta(days=1), now) == []
