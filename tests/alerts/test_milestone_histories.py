"""Milestones over drawn histories, beside a plain account of what should happen that shares no code with csbox."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import Account
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.marking import mark_reached, reset
from alerts.milestones.progress import progress_of, times_by_segment
from alerts.milestones.reaching import reach_for
from alerts.models import AccountMilestone, Milestone, MilestoneChange
from core.clock import Moment
from core.models import Workspace
from segments.models import RefreshRun
from segments.refresh import refresh_due, refresh_segments
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DAYS, ACCOUNTS, EXPECTED = 26, 9, 6
START = dt.datetime(2026, 3, 1, 0, 10, tzinfo=dt.UTC)
MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}
BIG = {"field": "account.mrr", "op": "at_least", "value": 500}
KINDS: dict[str, dict[str, Any]] = {
    "for good": {},
    "can be lost": {"sticky": False},
    "for big ones": {"aimed": True, "sticky": False},
    "for big ones, for good": {"aimed": True},
}


@dataclass
class Told:
    """One account with one milestone, as the manual tells it. Days are counted from the first one of the history."""

    sticky: bool
    start: int
    state: str = ""
    reached: int | None = None
    won: int | None = None
    lost: int | None = None
    by_hand: bool = False
    after: int = -1  # only what begins later than this day counts
    began: int | None = None

    def day(self, today: int, holds: bool, aimed: bool) -> None:
        """One day."""
        self.began = (today if self.began is None else self.began) if holds else None
        counts = holds and self.began is not None and self.began > self.after
        if self.state == "reached" and (self.by_hand or self.sticky or not aimed):
            return
        if not aimed:
            if self.state in ("pending", "overdue", "lost"):
                self.state = "out"
            return
        if counts:
            if self.state != "reached":
                assert self.began is not None
                self.won = max(self.began, self.lost if self.lost is not None else self.began)
                self.reached = self.won if self.reached is None else self.reached
                self.state = "reached"
        elif self.state == "reached":
            self.lost, self.state = today, "lost"
        elif self.won is not None:
            self.state = "lost"
        else:
            self.state = "overdue" if today > self.start + EXPECTED else "pending"


def number(at: dt.datetime | dt.date | None) -> int | None:
    """The day of a moment, counted from the first."""
    if at is None:
        return None
    day = at.date() if isinstance(at, dt.datetime) else at
    return (day - START.date()).days


def stored() -> dict[tuple[str, int], tuple[Any, ...]]:
    """What is known of each milestone and account."""
    return {
        (row.milestone.name, row.account_id): (
            row.state, number(row.reached_at), number(row.won_at), number(row.lost_at), row.by_hand
        )
        for row in AccountMilestone.objects.select_related("milestone")
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(1))
def test_every_state_is_the_one_that_the_manual_tells(seed: int, time_machine: Any) -> None:
    dice, zone = random.Random(seed), Workspace.get().zone
    time_machine.move_to(START - dt.timedelta(days=1), tick=False)
    accounts = [
        factories.account(f"A {n}", licences=1, mrr=900, customer_since=START.date() - dt.timedelta(days=n % 4))
        for n in range(ACCOUNTS)
    ]
    big = factories.segment("Big", BIG)
    milestones = {
        name: save_milestone(
            None, name=name, condition=MANY, sticky=given.get("sticky", True), expected=Expected(EXPECTED),
            segments=[big] if given.get("aimed") else [],
        )
        for name, given in KINDS.items()
    }  # fmt: skip
    told = {
        (name, one.pk): Told(milestone.sticky, number(one.customer_since) or 0)
        for name, milestone in milestones.items()
        for one in accounts
    }
    refresh_due()
    holds, size = dict.fromkeys((one.pk for one in accounts), False), dict.fromkeys((one.pk for one in accounts), True)
    for day in range(DAYS):
        now = Moment(START + dt.timedelta(days=day), zone)
        time_machine.move_to(now.now, tick=False)
        for one in accounts:
            holds[one.pk] = not holds[one.pk] if dice.random() < 0.25 else holds[one.pk]
            size[one.pk] = not size[one.pk] if dice.random() < 0.12 else size[one.pk]
            Account.objects.filter(pk=one.pk).update(
                licences=12 if holds[one.pk] else 1, mrr=900 if size[one.pk] else 100
            )
        refresh_segments(RefreshRun.Trigger.DAILY, now)
        reach_for(now)
        before = (list(AccountMilestone.objects.order_by("pk").values()), MilestoneChange.objects.count())
        assert not reach_for(now).accounts  # a run that is repeated changes nothing
        assert before == (list(AccountMilestone.objects.order_by("pk").values()), MilestoneChange.objects.count())
        for (name, pk), plain in told.items():
            plain.day(day, holds[pk], size[pk] or not KINDS[name].get("aimed"))
        assert stored() == {
            key: (one.state, one.reached, one.won, one.lost, one.by_hand) for key, one in told.items() if one.state
        }, day
        by_hand(dice, told, milestones, accounts, day)
    check_laws()
    check_percentiles(list(milestones.values()), zone)


def by_hand(
    dice: random.Random, told: dict[tuple[str, int], Told], milestones: dict[str, Milestone], accounts: list[Account],
    day: int,
) -> None:  # fmt: skip
    """Now and then a person marks one, or resets it."""
    if dice.random() > 0.4:
        return
    name, one = dice.choice(list(milestones)), dice.choice(accounts)
    plain = told[(name, one.pk)]
    if plain.state in ("pending", "overdue", "lost", "out") and dice.random() < 0.5:
        mark_reached(milestones[name], [one], reason="They told us.")
        plain.won, plain.by_hand = day, True
        plain.reached = day if plain.reached is None else plain.reached
        plain.state = "reached"
    elif plain.reached is not None:
        reset(milestones[name], [one], reason="Begin anew.")
        plain.after = plain.after if plain.by_hand else day
        plain.reached = plain.won = plain.lost = None
        plain.by_hand = False
        plain.state = "overdue" if day > plain.start + EXPECTED else "pending"


def check_laws() -> None:
    """What holds of every history: nothing for good is lost, changes are in order, late means past the day."""
    kinds = set(MilestoneChange.objects.values_list("kind", flat=True))
    assert kinds >= {"reached", "lost", "rewon", "overdue", "reset", "out"}
    assert not MilestoneChange.objects.filter(
        milestone__sticky=True, kind__in=("lost", "rewon"), origin="rule"
    ).exists()
    chains: dict[tuple[int, int], list[MilestoneChange]] = {}
    for change in MilestoneChange.objects.order_by("pk"):
        chains.setdefault((change.milestone_id, change.account_id), []).append(change)
    for chain in chains.values():
        for one, other in zip(chain, chain[1:], strict=False):
            assert one.noted_at <= other.noted_at and one.after == other.before
        losses = [change.at for change in chain if change.kind in ("lost", "rewon")]
        assert losses == sorted(losses)
    today = START.date() + dt.timedelta(days=DAYS - 1)
    for row in AccountMilestone.objects.exclude(state="out"):
        late = row.due_on is not None and row.due_on < today and row.reached_at is None
        assert (row.state == "overdue") is late


def check_percentiles(milestones: list[Milestone], zone: Any) -> None:
    """The figures beside the textbook's: linear interpolation between the ranks."""
    for milestone in milestones:
        days = sorted(
            max(0, (row.reached_at.astimezone(zone).date() - row.starts_on).days)
            for row in AccountMilestone.objects.filter(milestone=milestone, reached_at__isnull=False, dated=True)
            if row.reached_at and row.starts_on
        )
        found = progress_of([milestone], Account.objects.live())[0].times
        assert found.number == len(days)
        if days:
            assert (found.median, found.p75, found.p90) == tuple(pytest.approx(at(days, q)) for q in (0.5, 0.75, 0.9))
        (_, inside), *_ = times_by_segment(milestone, Account.objects.live())
        members = Account.objects.filter(memberships__segment__name="Big", memberships__left_at__isnull=True)
        assert inside == progress_of([milestone], members)[0].times


def at(days: list[int], share: float) -> float:
    """The value at a share of a sorted list."""
    place = share * (len(days) - 1)
    low = int(place)
    high = min(low + 1, len(days) - 1)
    return days[low] + (days[high] - days[low]) * (place - low)
