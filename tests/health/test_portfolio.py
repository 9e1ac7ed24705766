"""The figures of a book agree with a calculation of their own, in plain Python over the values that accounts have."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account, Team, TeamMember
from core.clock import Moment, moment
from core.intake import BadValue
from health.crossing import poor_crossings
from health.editing import save_config
from health.models import AccountHealth, Band, BandChange
from health.portfolio import (
    Figures,
    Share,
    Whose,
    changes_since,
    figures_of,
    meant,
    movers_of,
    read_whose,
    silent_accounts,
    weak_renewals,
)
from health.refresh import refresh_health
from health.renewing import renewal_days, weeks_of
from segments.questions import Reader
from tests import factories
from tests.health.test_scores import SEEN, USED, only
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
BANDS = [None, "good", "average", "poor", "none"]
AHEAD = [None, -1, 0, 1, 89, 90, 91, 400]
SEEN_AGO = [None, 0, 29, 30.5, 31, 200]


class Row:
    """What the calculation knows of an account."""

    def __init__(self, account: Account, band: str, mrr: Decimal, ahead: int | None, seen: float | None, gone: bool):
        self.account, self.band, self.mrr, self.ahead, self.seen, self.gone = account, band, mrr, ahead, seen, gone
        self.came_from: str | None = None  # the band before the newest change, if that is no first score
        self.changed_ago = 0

    @property
    def lately(self) -> bool:
        return self.changed_ago <= 7

    @property
    def renewing(self) -> bool:
        return self.ahead is not None and 0 <= self.ahead <= 90

    @property
    def silent(self) -> bool:
        if self.gone:
            return False
        if self.seen is None:
            return True
        day = (moment().now - DAY * self.seen).date()
        return day < moment().today - DAY * 30


def change_band(row: Row, drawn: random.Random) -> None:
    """Its health, with the change that led to it: from any other band, or the first score, some days ago."""
    before, row.changed_ago = drawn.choice([one for one in BANDS if one and one != row.band]), drawn.choice([0, 7, 8])
    first, at = drawn.random() < 0.2, moment().now - DAY * row.changed_ago
    AccountHealth.objects.create(account=row.account, band=row.band, computed_band=row.band, band_since=at)
    BandChange.objects.create(
        account=row.account, at=at - DAY, before="good", after=before, cause=BandChange.Cause.DATA
    )
    cause = BandChange.Cause.FIRST if first else BandChange.Cause.DATA
    BandChange.objects.create(
        account=row.account, at=at, before="none" if first else before, after=row.band, cause=cause
    )
    row.came_from = None if first else before


@pytest.fixture
def rows() -> list[Row]:
    """Every combination of renewal and last use, with bands, values and stages drawn at random."""
    drawn, found = random.Random(8), []
    for number, (ahead, seen) in enumerate(itertools.product(AHEAD, SEEN_AGO)):
        band, mrr = (
            drawn.choice(BANDS),
            drawn.choice([None, Decimal(0), Decimal("99.50"), Decimal(drawn.randint(1, 9000))]),
        )
        stage = drawn.choice([None, "live", "cancelled"])
        renews = None if ahead is None else moment().today + DAY * ahead
        account = factories.account(f"Account {number:02}", mrr=mrr, renews_on=renews, stage_id=stage)
        if seen is not None or number % 2:
            last = None if seen is None else moment().now - DAY * seen
            AccountUsage.objects.create(account=account, last_seen_at=last)
        row = Row(account, band or "none", mrr or Decimal(0), ahead, seen, stage == "cancelled")
        if band:
            change_band(row, drawn)
        found.append(row)
    return found


def share(rows: list[Row], holds: Callable[[Row], bool] = lambda row: True) -> Share:
    mine = [row for row in rows if holds(row)]
    return Share(len(mine), sum((row.mrr for row in mine), Decimal(0)))


def calculated(rows: list[Row]) -> Figures:
    weak = ("poor", "average")
    return Figures(
        share(rows),
        {band.value: share(rows, lambda row, band=band: row.band == band.value) for band in Band},
        share(rows, lambda row: row.renewing),
        share(rows, lambda row: row.renewing and row.band in weak),
        share(rows, lambda row: row.renewing and row.band == "poor"),
        share(rows, lambda row: row.silent),
        share(rows, lambda row: row.came_from not in (None, "poor") and row.band == "poor" and row.lately),
        share(rows, lambda row: row.came_from == "poor" and row.band != "poor" and row.lately),
    )


def test_the_figures_are_what_the_calculation_says(rows: list[Row], django_assert_num_queries: Any) -> None:
    reader = Reader.now()
    with django_assert_num_queries(1):
        found = figures_of(Account.objects.live(), reader)
    expected = calculated(rows)
    assert found == expected
    assert found.at_risk.accounts and found.silent.accounts and found.renewing_weak.accounts > found.at_risk.accounts
    assert found.joined_poor.accounts and found.left_poor.accounts


def test_who_joined_and_left_poor_is_listed_with_the_change(
    rows: list[Row], django_assert_max_num_queries: Any
) -> None:
    expected, reader = calculated(rows), Reader.now()
    with django_assert_max_num_queries(6):
        found = poor_crossings(Account.objects.live(), reader, 100)
    assert (len(found.joined), len(found.left)) == (expected.joined_poor.accounts, expected.left_poor.accounts)
    assert {told.change.after for told in found.joined} == {told.change.before for told in found.left} == {"poor"}
    values = [told.change.account.mrr for told in found.joined if told.change.account.mrr is not None]
    assert (
        values == sorted(values, reverse=True)
        and len(poor_crossings(Account.objects.live(), Reader.now(), 1).left) == 1
    )


def test_the_weeks_of_renewals_are_those_of_plain_python(rows: list[Row], django_assert_num_queries: Any) -> None:
    reader = Reader.now()
    with django_assert_num_queries(1):
        days = renewal_days(Account.objects.live(), reader)
    today = moment().today
    weeks = weeks_of(days, today)
    assert weeks[0].first_day == today and weeks[-1].last_day == today + DAY * 90 and len(weeks) in (13, 14)
    for before, after in itertools.pairwise(weeks):
        assert after.first_day == before.last_day + DAY and after.first_day.weekday() == 0
    for week in weeks:
        held = [
            row for row in rows if row.ahead is not None and week.first_day <= today + DAY * row.ahead <= week.last_day
        ]
        assert week.whole == share(held)
        for band in Band:
            assert week.bands[band.value] == share(held, lambda row, band=band: row.band == band.value)
        listed = Account.objects.live().filter(meant(week.rules, reader))
        assert {account.pk for account in listed} == {row.account.pk for row in held}
    assert sum(week.whole.accounts for week in weeks) == calculated(rows).renewing.accounts > 0
    assert [one.first_day for one in days] == sorted({today + DAY * row.ahead for row in rows if row.renewing})
    for day in days:
        assert day.whole == share([row for row in rows if row.ahead == (day.first_day - today).days])


def test_the_lists_are_those_accounts(rows: list[Row]) -> None:
    reader, every = Reader.now(), Account.objects.live()
    weak = [row for row in rows if row.renewing and row.band in ("poor", "average")]
    found = [line.account.pk for line in weak_renewals(every, reader, 100)]
    by_value = {row.account.pk: (row.ahead, -(row.account.mrr if row.account.mrr is not None else -1)) for row in weak}
    assert sorted(found) == sorted(by_value) and [by_value[pk] for pk in found] == sorted(by_value.values())
    silent = {line.account.pk for line in silent_accounts(every, reader, 100)}
    assert silent == {row.account.pk for row in rows if row.silent}
    assert len(silent_accounts(every, reader, 3)) == 3


def test_a_book_is_what_its_colleague_plays_a_part_in_today(rows: list[Row]) -> None:
    team = Team.objects.create(name="North")
    ann, bob = factories.member(team=team), factories.member(team=team)
    other = factories.member()
    first, second, third, fourth = (row.account for row in rows[:4])
    factories.assign(first, ann)
    factories.assign(first, bob, "account-manager")
    factories.assign(second, bob)
    ended = factories.assign(third, ann)
    ended.ended_at = moment().now
    ended.save()
    factories.assign(fourth, other)
    every = Account.objects.live()
    of = lambda whose: set(whose.accounts(every).values_list("name", flat=True))  # noqa: E731
    assert of(Whose(ann)) == {first.name} and of(Whose(bob)) == {first.name, second.name}
    assert of(Whose(team=team)) == {first.name, second.name} and len(of(Whose())) == len(rows)
    assert figures_of(Whose(bob).accounts(every), Reader.now()) == calculated(rows[:2])


def test_whose_book_a_word_means() -> None:
    team = Team.objects.create(name="North")
    me, other = factories.member(), factories.member()
    read: Any = lambda text, may=True, of=me: read_whose(text, me=of, may_choose=may)  # noqa: E731
    assert read("") == read("me") == read(f"member:{me.key}", may=False) == Whose(me)
    assert read("everybody") == Whose() == read("", of=None)
    assert read(f"member:{other.key}") == Whose(other) and read(f"team:{team.pk}") == Whose(team=team)
    for wrong in ("member:nobody", "team:0", "team:x", "team:99999999999", "x", "everybody:"):
        with pytest.raises(BadValue, match="no colleague or team"):
            read(wrong)
    for others in ("everybody", f"member:{other.key}", f"team:{team.pk}", "member:nobody"):
        with pytest.raises(BadValue, match="Only managers"):
            read(others, may=False)
    assert TeamMember.objects.count() == 2


def at(days: float) -> Moment:
    return Moment(moment().now - DAY * days, moment().zone)


def test_movers_fall_and_rise_with_the_measure_that_moved_them(django_assert_max_num_queries: Any) -> None:
    accounts = [factories.account(f"A{n}", licences=100) for n in range(6)]
    for of in accounts:
        AccountUsage.objects.create(account=of, active_users_30d=40, last_seen_at=moment().now)
    save_config(None, name="", definition=only(USED, SEEN))
    refresh_health(now=at(40))
    now = [10, 34, 40, 46, 70, 40]
    for of, active in zip(accounts, now, strict=True):
        AccountUsage.objects.filter(account=of).update(active_users_30d=active)
    refresh_health(now=at(3))
    AccountUsage.objects.filter(account=accounts[5]).update(last_seen_at=moment().now - DAY * 20)
    refresh_health()
    reader = Reader.now()
    with django_assert_max_num_queries(5):
        found = movers_of(Account.objects.live(), 30, reader)
    assert [(line.account.name, line.why) for line in found.falls] == [
        ("A0", "Used 10, was 40"), ("A5", "Seen 20 days ago, was in 40 days"), ("A1", "Used 34, was 40"),
    ]  # fmt: skip
    assert [line.account.name for line in found.rises] == ["A4", "A3"] and found.rises[0].why == "Used 70, was 40"
    health = {row.account.name: row for row in AccountHealth.objects.select_related("account")}
    for line in [*found.falls, *found.rises]:
        row = health[line.account.name]
        assert line.moved == row.score - row.score_30d  # type: ignore[operator]
    week = movers_of(Account.objects.live(), 7, Reader.now())
    assert [line.account.name for line in week.falls] == ["A0", "A5", "A1"]
    assert len(movers_of(Account.objects.live(), 30, Reader.now(), 1).falls) == 1


def test_changes_since_an_instant_say_why_and_leave_first_scores_out() -> None:
    of, other = factories.account("Mine", licences=100), factories.account("Other", licences=100)
    for one in (of, other):
        AccountUsage.objects.create(account=one, active_users_30d=70)
    save_config(None, name="", definition=only(USED))
    refresh_health(now=at(20))
    AccountUsage.objects.update(active_users_30d=5)
    refresh_health(now=at(10))
    mine = Account.objects.filter(pk=of.pk)
    found = changes_since(mine, moment().now - DAY * 11, Reader.now())
    assert (found.total, len(found.shown)) == (1, 1)
    assert found.shown[0].title == "Health fell from Good 100 to Poor 0"
    assert found.shown[0].line == "Time: Used 5, was 70"
    assert changes_since(mine, moment().now - DAY * 9, Reader.now()).total == 0
    assert changes_since(mine, moment().now - DAY * 30, Reader.now()).total == 1
    assert changes_since(Account.objects.live(), moment().now - DAY * 11, Reader.now(), 1).total == 2
    assert BandChange.objects.count() == 4
