"""What pages show of milestones: a preview that is what saving finds, the board, who is stalled."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Account
from alerts.milestones.editing import Expected
from alerts.milestones.previewing import preview_milestone
from alerts.milestones.progress import Times, board_of, progress_of, stalled_accounts, times_by_segment
from alerts.models import AccountMilestone, Milestone
from core.clock import moment
from core.models import Workspace
from csbox.pipeline import refresh_everything
from segments.models import AccountMembership, Segment
from segments.questions import read_rule
from tests import factories
from tests.alerts.making import MANY, has, made_milestone

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 5, 20)
NOW = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _a_day(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))


def test_the_preview_is_what_saving_then_finds() -> None:
    target = factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 100})
    for n in range(12):
        since = TODAY - dt.timedelta(days=n) if n % 4 else None
        factories.account(stated_licences=n, stated_mrr=n * 30, customer_since=since)
    refresh_everything()
    draft = Milestone(expected_days=5, sticky=True)
    question = read_rule(MANY)
    seen = preview_milestone(draft, [target], question, Account.objects.live(), moment())
    found = progress_of([made_milestone(segments=[target], expected=Expected(5))], Account.objects.live())[0]
    assert (seen.aimed, seen.reached, seen.pending, seen.overdue) == (
        found.aimed, found.reached, found.pending, found.overdue
    )  # fmt: skip
    assert seen.overdue and seen.reached and seen.aimed == 8


def test_the_board_shows_each_account_at_its_next_milestone_and_the_stalled_are_listed(time_machine: Any) -> None:
    def since(days: int) -> dt.date:
        return TODAY - dt.timedelta(days=days)

    old, young, done = (factories.account(n, stated_licences=1, customer_since=since(d)) for n, d in
                        (("Old", 40), ("Young", 3), ("Done", 50)))  # fmt: skip
    refresh_everything()
    some = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 5}]}
    first, second = made_milestone("Some", condition=some, expected=Expected(10)), made_milestone(expected=Expected(20))
    has(done, 30)
    has(old, 7)
    accounts = Account.objects.live()
    columns = board_of(progress_of([first, second], accounts), accounts, moment())
    assert [[card.row.account for card in column.cards] for column in columns] == [[young], [old]]
    assert [(card.day, card.late, card.left) for column in columns for card in column.cards] == [
        (3, 0, 7), (40, 20, None),
    ]  # fmt: skip
    assert not stalled_accounts(accounts, moment(), 14)
    time_machine.shift(dt.timedelta(days=13))
    assert not stalled_accounts(accounts, moment(), 14)
    time_machine.shift(dt.timedelta(days=1))
    (stalled,) = stalled_accounts(accounts, moment(), 14)
    assert (stalled.account, [row.milestone for row in stalled.late]) == (old, [second])
    assert (
        stalled.last_won and stalled.last_won.date() == TODAY and not stalled_accounts(accounts, moment(), 14, first=1)
    )


def interpolated(days: list[int], share: float) -> float | None:
    """A percentile of sorted numbers, on the straight line between the two that it lies between."""
    if not days:
        return None
    place = share * (len(days) - 1)
    low = int(place)
    high = min(low + 1, len(days) - 1)
    return days[low] + (days[high] - days[low]) * (place - low)


def drawn_world(dice: random.Random) -> tuple[list[Milestone], list[Segment]]:
    """Two milestones, three segments with a tab, thirty accounts with states and stays of every kind."""
    workspace = Workspace.get()
    workspace.time_zone = "Pacific/Auckland"
    workspace.save()
    milestones = [made_milestone("One", expected=Expected(9)), made_milestone("Two", expected=Expected(20))]
    AccountMilestone.objects.all().delete()
    nobody = {"field": "account.name", "op": "is", "value": "nobody"}
    segments = [factories.segment(name, nobody) for name in ("North", "South", "Empty")]
    for _ in range(30):
        account = factories.account()
        for one in segments[:2]:
            for _ in range(dice.randint(0, 2)):
                left = NOW - dt.timedelta(days=dice.randint(1, 9))
                AccountMembership.objects.create(segment=one, account=account, entered_at=left, left_at=left)
            if dice.random() < 0.6:
                AccountMembership.objects.create(segment=one, account=account, entered_at=NOW)
        for milestone in milestones:
            AccountMilestone.objects.create(account=account, milestone=milestone, **drawn_state(dice))
    return milestones, segments


def drawn_state(dice: random.Random) -> dict[str, Any]:
    """A state with dates that fit it."""
    starts = TODAY - dt.timedelta(days=dice.randint(0, 60)) if dice.random() < 0.9 else None
    state = dice.choice(["pending", "overdue", "reached", "reached", "lost", "out"])
    found: dict[str, Any] = {"state": state, "since": NOW, "seen_from": NOW, "starts_on": starts}
    if state in ("pending", "overdue"):
        late = dice.randint(-10, 10)
        return found | {"due_on": TODAY + dt.timedelta(days=-abs(late) if state == "overdue" else abs(late))}
    if state == "out" and dice.random() < 0.5:
        return found
    # At any hour: which day it was there is another question than which day it was in UTC.
    first = NOW - dt.timedelta(hours=dice.randint(0, 900))
    won = first + (NOW - first) * dice.random() if state == "reached" else first
    found |= {"reached_at": first, "won_at": won, "dated": dice.random() < 0.8}
    return found | ({"lost_at": won} if state == "lost" or won > first else {})


@pytest.mark.parametrize("seed", range(2))
def test_percentiles_funnel_and_stalled_are_those_of_another_calculation(seed: int) -> None:
    milestones, segments = drawn_world(random.Random(seed))
    zone, rows = ZoneInfo("Pacific/Auckland"), list(AccountMilestone.objects.all())
    accounts, inside = Account.objects.live(), {one.pk: set[int]() for one in segments}
    for stay in AccountMembership.objects.filter(left_at=None, segment__in=segments):
        inside[stay.segment_id].add(stay.account_id)

    def days_of(milestone: Milestone, among: set[int] | None) -> list[int]:
        return sorted(
            max(0, (row.reached_at.astimezone(zone).date() - row.starts_on).days)
            for row in rows
            if row.milestone_id == milestone.pk and row.reached_at and row.starts_on and row.dated
            and (among is None or row.account_id in among)
        )  # fmt: skip

    def same(times: Times, days: list[int]) -> None:
        assert times.number == len(days)
        for share, given in ((0.5, times.median), (0.75, times.p75), (0.9, times.p90)):
            assert given == (pytest.approx(interpolated(days, share)) if days else None)

    for place, one in enumerate(progress_of(milestones, accounts)):
        states = Counter(row.state for row in rows if row.milestone_id == milestones[place].pk)
        told = {"reached": one.reached, "overdue": one.overdue, "pending": one.pending, "lost": one.lost}
        assert told == {name: states[name] for name in told} and one.aimed == sum(told.values())
        assert one.share == round(100 * states["reached"] / one.aimed)
        same(one.times, days_of(milestones[place], None))
        by_segment = times_by_segment(milestones[place], accounts)
        assert [segment for segment, _ in by_segment] == segments
        for segment, times in by_segment:
            same(times, days_of(milestones[place], inside[segment.pk]))
        narrowed = progress_of(milestones, accounts.filter(pk__in=inside[segments[0].pk]))[place]
        assert narrowed.times == by_segment[0][1]
    today = moment().today
    late = {row.account_id: row for row in sorted(rows, key=lambda row: row.due_on or TODAY, reverse=True)
            if row.state == "overdue"}  # fmt: skip
    lately = {
        row.account_id for row in rows
        if row.won_at and (today - row.won_at.astimezone(zone).date()).days < 14
    }  # fmt: skip
    expected = sorted((late[pk].due_on, pk) for pk in late if pk not in lately)
    stalled = stalled_accounts(accounts, moment(), 14)
    assert [(one.late[0].due_on, one.account.pk) for one in stalled] == expected != []
