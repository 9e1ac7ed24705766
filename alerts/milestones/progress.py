"""How far accounts have come, as pages and the API show it: by milestone, the board, who is stalled, how long it takes.

Everything is asked of some accounts (those that a person may see, of a segment, of a colleague's book). Days are local
days from the day from which expected days are counted; percentiles are interpolated as SQL's `percentile_cont` does,
over the accounts that have reached the milestone on a known day.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    F,
    FloatField,
    Max,
    Min,
    Q,
    QuerySet,
    Window,
)  # fmt: skip
from django.db.models.functions import RowNumber

from accounts.models import Account
from alerts.milestones.fields import days_taken, timed
from alerts.models import AccountMilestone, Milestone
from alerts.models.milestone import WAITING, State
from core.clock import Moment
from segments.models import AccountMembership, Segment

CARDS = 25
STALLED_DAYS = 14


class Percentile(Aggregate):
    """`percentile_cont(share) WITHIN GROUP (ORDER BY value)`."""

    function = "percentile_cont"
    template = "percentile_cont(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, value: str, share: float) -> None:
        super().__init__(F(value), share=share)


@dataclass(frozen=True)
class Times:
    """The days that accounts took: of how many the day is known, the median, and what 75 and 90 % did not exceed."""

    number: int = 0
    median: float | None = None
    p75: float | None = None
    p90: float | None = None


@dataclass(frozen=True)
class Progress:
    """One milestone for some accounts: how many it aims at (or have reached it), by state, and the days it took.
    `undated` had reached it when csbox first looked, so that their day is not known."""

    milestone: Milestone
    aimed: int
    reached: int
    overdue: int
    pending: int
    lost: int
    undated: int
    times: Times

    @property
    def share(self) -> int:
        """Reached, in percent of those it aims at; 0 of nobody."""
        return round(100 * self.reached / self.aimed) if self.aimed else 0


def active_milestones() -> list[Milestone]:
    """Those that are switched on, in their order."""
    return list(Milestone.objects.filter(active=True).order_by("position", "pk"))


def progress_of(milestones: Sequence[Milestone], accounts: QuerySet[Account]) -> list[Progress]:
    """The milestones in order, with how many of the accounts have come how far: the funnel."""
    rows = rows_of(milestones, accounts).exclude(state=State.OUT).order_by().values("milestone")
    states = {f"n_{state.value}": Count("pk", filter=Q(state=state)) for state in State}
    undated = Count("pk", filter=Q(dated=False, reached_at__isnull=False))
    counted = rows.annotate(n=Count("pk"), undated=undated, **states)
    found: dict[int, dict[str, Any]] = {row["milestone"]: {**row} for row in counted}
    times = times_of(milestones, accounts)
    return [
        Progress(
            one, row.get("n", 0), row.get("n_reached", 0), row.get("n_overdue", 0), row.get("n_pending", 0),
            row.get("n_lost", 0), row.get("undated", 0), times.get(one.pk, Times()),
        )
        for one in milestones
        for row in [found.get(one.pk, {})]
    ]  # fmt: skip


def rows_of(milestones: Iterable[Milestone], accounts: QuerySet[Account]) -> QuerySet[AccountMilestone]:
    """The progress of some accounts with some milestones."""
    chosen = [one.pk for one in milestones]
    return AccountMilestone.objects.filter(milestone__in=chosen, account__in=accounts.order_by().values("pk"))


def times_of(milestones: Iterable[Milestone], accounts: QuerySet[Account]) -> dict[int, Times]:
    """The days that accounts took, by milestone."""
    rows = timed(rows_of(milestones, accounts)).annotate(days=days_taken()).order_by()
    return _told(rows.values("milestone").annotate(**_percentiles()), "milestone")


def times_by_segment(milestone: Milestone, accounts: QuerySet[Account]) -> list[tuple[Segment, Times]]:
    """The days that the accounts of each segment took, for the segments that have tabs, in their order."""
    tabs = list(Segment.objects.tabs())
    inside = AccountMembership.objects.filter(left_at__isnull=True, segment__in=tabs)
    rows = timed(rows_of([milestone], accounts)).filter(account__memberships__in=inside).annotate(days=days_taken())
    by = rows.order_by().values("account__memberships__segment").annotate(**_percentiles())
    found = _told(by, "account__memberships__segment")
    return [(one, found.get(one.pk, Times())) for one in tabs]


def _told(rows: Iterable[Any], by: str) -> dict[int, Times]:
    return {row[by]: Times(row["number"], row["median"], row["p75"], row["p90"]) for row in rows}


def _percentiles() -> dict[str, Aggregate]:
    shares = {"median": 0.5, "p75": 0.75, "p90": 0.9}
    return {"number": Count("pk")} | {name: Percentile("days", share) for name, share in shares.items()}


@dataclass(frozen=True)
class Card:
    """An account that waits for a milestone: the local days since the start, those by which it is late (0: in time), or
    those that are left; None where no day is expected. `before` is the one before it that it reached (on a board)."""

    row: AccountMilestone
    day: int | None
    late: int
    left: int | None
    before: AccountMilestone | None = None


@dataclass(frozen=True)
class Column:
    """A milestone with the accounts for which it is the next one, the longest started first."""

    progress: Progress
    waiting: int
    cards: list[Card]


def board_of(progress: Sequence[Progress], accounts: QuerySet[Account], now: Moment) -> list[Column]:
    """A column for each milestone: the accounts that have not reached it, and have every one before it."""
    waiting = rows_of([one.milestone for one in progress], accounts).filter(state__in=WAITING)
    # Each account's first one by a sort of all: a look-up for each row took twenty times as long.
    first = waiting.order_by("account_id", "milestone__position", "milestone_id").distinct("account_id")
    rows = AccountMilestone.objects.filter(pk__in=first.values("pk")).order_by()
    counts = dict(rows.values_list("milestone").annotate(n=Count("pk")))
    place = Window(
        RowNumber(), partition_by=F("milestone"), order_by=[F("starts_on").asc(nulls_last=True), "since", "account_id"]
    )
    shown = list(rows.annotate(place=place).filter(place__lte=CARDS).select_related("account__health"))
    order = [one.milestone.pk for one in progress]
    won = AccountMilestone.objects.filter(milestone__in=order, account__in=[row.account_id for row in shown])
    place_of = {pk: place for place, pk in enumerate(order)}
    reached: dict[int, list[AccountMilestone]] = defaultdict(list)
    for row in won.filter(state=State.REACHED).select_related("milestone"):
        reached[row.account_id].append(row)
    cards: dict[int, list[Card]] = {}
    for row in sorted(shown, key=lambda one: one.place):
        earlier = [one for one in reached[row.account_id] if place_of[one.milestone_id] < place_of[row.milestone_id]]
        last = max(earlier, key=lambda one: place_of[one.milestone_id], default=None)
        cards.setdefault(row.milestone_id, []).append(replace(card_of(row, now.today), before=last))
    return [Column(one, counts.get(one.milestone.pk, 0), cards.get(one.milestone.pk, [])) for one in progress]


def card_of(row: AccountMilestone, today: dt.date) -> Card:
    """An account's row in words of days."""
    day = (today - row.starts_on).days if row.starts_on else None
    to_go = (row.due_on - today).days if row.due_on else None
    late = row.state == State.OVERDUE and to_go is not None
    return Card(row, day, -to_go if late and to_go is not None else 0, None if late or to_go is None else to_go)


@dataclass(frozen=True)
class Stalled:
    """An account that is late and gets no further: the milestones with which it is late, the longest first, and when it
    reached one last."""

    account: Account
    late: list[AccountMilestone]
    last_won: dt.datetime | None


def stalled_accounts(
    accounts: QuerySet[Account], now: Moment, days: int = STALLED_DAYS, *, first: int = 0, most: int = 50
) -> list[Stalled]:
    """The accounts that are overdue with a milestone and have reached none for so many local days, the one that is late
    longest first; so many of them, from a place on."""
    before = now.start_of(now.today - dt.timedelta(days=days - 1))
    rows = AccountMilestone.objects.of_active()
    lately = rows.filter(won_at__gte=before).order_by().values("account")
    late = rows.filter(state=State.OVERDUE, account__in=accounts.order_by().values("pk")).exclude(account__in=lately)
    listed = late.order_by().values("account").annotate(first=Min("due_on")).order_by("first", "account")
    ids = [row["account"] for row in listed[first : first + most]]
    found = Account.objects.select_related("health").in_bulk(ids)
    won = dict(rows.filter(account__in=ids).order_by().values_list("account").annotate(last=Max("won_at")))
    by_account: dict[int, list[AccountMilestone]] = {}
    for row in late.filter(account__in=ids).select_related("milestone").order_by("due_on", "pk"):
        by_account.setdefault(row.account_id, []).append(row)
    return [Stalled(found[pk], by_account[pk], won.get(pk)) for pk in ids if pk in found and pk in by_account]
