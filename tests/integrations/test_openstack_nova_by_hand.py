"""OpenStack Nova: fifteen years of users in many accounts; the answers come from the CSV files alone."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.db.models import Count, Q, Sum

from accounts.models import Account, EndUser, Relationship
from tests.integrations.explained import explanations_end_as_membership_does, take_every_segment
from tests.integrations.loaded import ask, condition, fingerprint, loaded, refigure
from tests.integrations.reading import data_set, run
from usage.models import AccountUsage, DailyUsage, Event, UserActivity

FOLDER = data_set("openstack-nova")
NOW = dt.datetime(2026, 8, 14, 18, tzinfo=dt.UTC)  # the evening of the last commit
TODAY = NOW.date()

pytestmark = pytest.mark.django_db  # by which pytest-django knows that a test database is needed


@pytest.fixture(scope="module", autouse=True)
def nova(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), loaded("openstack-nova", NOW):
        yield


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def events() -> list[tuple[str, str, str, dt.datetime]]:
    """Account, user, name and instant of every event."""
    with gzip.open(FOLDER / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [
            (
                row["group_id"],
                row["user_id"],
                row["event"],
                dt.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00")),
            )
            for row in csv.DictReader(file)
        ]


@cache
def last_seen() -> dict[tuple[str, str], dt.datetime]:
    found: dict[tuple[str, str], dt.datetime] = {}
    for account, user, _, at in events():
        found[account, user] = max(at, found.get((account, user), at))
    return found


def test_every_row_is_there() -> None:
    assert Account.objects.count() == len(rows("accounts")) == 388
    assert EndUser.objects.count() == len(rows("users")) == 1_679
    assert Relationship.objects.open().count() == len(rows("relationships")) == 1_892
    assert Event.objects.count() == len(events()) == 51_720
    assert len({name for *_, name, _ in events()}) == 29
    assert Counter(Event.objects.values_list("name__name", flat=True)) == Counter(name for *_, name, _ in events())
    assert not Event.objects.filter(Q(account=None) | Q(user=None)).exists()


def test_a_second_load_changes_nothing_at_all() -> None:
    before = fingerprint()
    said = run("load_dataset", "openstack-nova", FOLDER)
    assert " 0 stored, 51,720 known already" in said and " 0 created, 0 updated, 1,892 unchanged" in said
    refigure(NOW)
    assert fingerprint() == before


def test_users_in_several_accounts() -> None:
    several = [user for user, n in Counter(r["user_id"] for r in rows("relationships")).items() if n > 1]
    open_ones = Count("relationships", filter=Q(relationships__ended_at=None))
    found = EndUser.objects.annotate(n=open_ones).filter(n__gt=1).values_list("external_id", flat=True)
    assert set(found) == set(several)
    assert len(several) == 185


@pytest.mark.parametrize("amount", [1, 2, 5])
def test_accounts_with_at_least_n_core_users(amount: int) -> None:
    core = Counter(r["group_id"] for r in rows("relationships") if r["role"] == "core")
    expected = {account for account, n in core.items() if n >= amount}
    where = {"match": "all", "rules": [condition("relationship.role", "is", "core")]}
    assert ask(NOW, {"users": {"at_least": amount}, "where": where}) == expected != set()


def test_accounts_all_or_none_of_whose_users_are_occasional() -> None:
    roles = defaultdict(list)
    for row in rows("relationships"):
        roles[row["group_id"]].append(row["role"])
    everybody = {r["group_id"] for r in rows("accounts")}
    where = {"match": "all", "rules": [condition("relationship.role", "is", "occasional")]}
    assert ask(NOW, {"users": "all", "where": where}) == {a for a, r in roles.items() if set(r) == {"occasional"}}
    assert ask(NOW, {"users": "none", "where": where}) == {a for a in everybody if "occasional" not in roles[a]}


@pytest.mark.parametrize("days", [7, 30, 90])
def test_active_users(days: int) -> None:
    first = TODAY - dt.timedelta(days=days - 1)
    expected = Counter(account for (account, _), at in last_seen().items() if at.date() >= first)
    found = AccountUsage.objects.values_list("account__external_id", f"active_users_{days}d")
    assert {name: n for name, n in found if n} == expected
    assert expected
    assert ask(NOW, condition(f"account.active_users_{days}d", "at_least", 2)) == {
        a for a, n in expected.items() if n >= 2
    }


def test_when_each_user_was_last_seen_in_each_account() -> None:
    found = UserActivity.objects.values_list("account__external_id", "user__external_id", "last_seen_at")
    assert {row[:2]: row[2] for row in found} == last_seen()
    year = {account for (account, _), at in last_seen().items() if at.date() >= TODAY - dt.timedelta(days=365)}
    where = {"match": "all", "rules": [condition("user.last_seen_at", "within_last", {"n": 365, "unit": "day"})]}
    assert ask(NOW, {"users": "any", "where": where}) == year


def test_accounts_that_fell_silent() -> None:
    newest: dict[str, dt.datetime] = {}
    for (account, _), at in last_seen().items():
        newest[account] = max(at, newest.get(account, at))
    silent = {account for account, at in newest.items() if at.date() < TODAY - dt.timedelta(days=1_000)}
    large = {r["group_id"] for r in rows("accounts") if int(r["users"]) >= 20}
    where = {"match": "all", "rules": [condition("user.external_id", "is_set")]}
    found = ask(
        NOW,
        condition("account.last_seen_at", "more_than_ago", {"n": 1_000, "unit": "day"}),
        {"users": {"at_least": 20}, "where": where},
    )
    assert found == silent & large != set()


def test_daily_usage_adds_up() -> None:
    expected = Counter((account, user, name, at.date()) for account, user, name, at in events())
    found = DailyUsage.objects.values_list("account__external_id", "user__external_id", "name__name", "day", "count")
    assert {row[:4]: row[4] for row in found} == expected
    assert DailyUsage.objects.aggregate(n=Sum("count"))["n"] == 51_720


def test_first_seen_and_names() -> None:
    since = {r["group_id"]: dt.date.fromisoformat(r["first_seen"]) for r in rows("accounts")}
    assert dict(Account.objects.values_list("external_id", "customer_since")) == since
    before = {account for account, date in since.items() if date < dt.date(2013, 1, 1)}
    assert ask(NOW, condition("account.customer_since", "before", "2013-01-01")) == before
    company = {r["group_id"] for r in rows("accounts") if r["kind"] == "Individuals"}
    assert ask(NOW, condition("account.custom.kind", "is_not", "Company")) == company


YEAR = {"last": 1, "unit": "year"}


def busiest() -> str:
    """The event that happened most often in the last year."""
    first = TODAY.replace(year=TODAY.year - 1)
    return Counter(name for *_, name, at in events() if at.date() > first).most_common(1)[0][0]


@pytest.mark.parametrize("least", [1, 3, 20])
def test_how_often_by_how_many_on_how_many_days(least: int) -> None:
    wanted, first = busiest(), TODAY.replace(year=TODAY.year - 1)
    times: Counter[str] = Counter()
    people: defaultdict[str, set[str]] = defaultdict(set)
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for account, user, name, at in events():
        if name == wanted and at.date() > first:
            times[account] += 1
            people[account].add(user)
            days[account].add(at.date())
    node = {"event": wanted, "op": "at_least", "value": least, "window": YEAR}
    assert ask(NOW, node) == {a for a, n in times.items() if n >= least} != set()
    assert ask(NOW, node | {"measure": "users"}) == {a for a, found in people.items() if len(found) >= least}
    assert ask(NOW, node | {"measure": "days"}) == {a for a, found in days.items() if len(found) >= least}
    everybody = {r["group_id"] for r in rows("accounts")}
    assert ask(NOW, node | {"op": "less_than"}) == {a for a in everybody if times[a] < least}


WITHOUT_THE_CONTEXT = [
    "org_1943cf8014", "org_5714a76ec9", "org_6a1d0e4aba", "org_8e4661593a", "org_a909631d9b", "org_bb1c872572",
    "org_caf37184ae", "org_dafd6b25ea",
]  # fmt: skip


def test_ignoring_the_context_would_have_matched_the_wrong_accounts(record_property: Any) -> None:
    """The accounts are listed in the report (`--junit-xml`)."""
    wanted = busiest()
    right = {account for account, _, name, _ in events() if name == wanted}
    doers = {user for _, user, name, _ in events() if name == wanted}
    wrong = {r["group_id"] for r in rows("relationships") if r["user_id"] in doers} - right
    node = {"event": wanted, "op": "at_least", "value": 1, "window": "ever"}
    where = {"match": "all", "rules": [node]}
    assert ask(NOW, node) == right
    assert ask(NOW, {"users": "any", "where": where}) == right
    assert ask(NOW, node | {"anywhere": True}) == right | wrong
    named = sorted(Account.objects.filter(external_id__in=wrong).values_list("name", flat=True))
    assert named == WITHOUT_THE_CONTEXT
    record_property("accounts that would match wrongly", named)


def test_every_explanation_ends_as_membership_does() -> None:
    take_every_segment()
    explanations_end_as_membership_does(NOW)
