"""Conditions on events: whose they are, when they count, and what a comparison says about nothing at all."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from typing import Any

import pytest

from accounts.models import Account
from core.clock import Moment
from core.models import Workspace
from segments.questions import Reader
from tests import factories
from usage.models import DirtyDay
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
UTC = zoneinfo.ZoneInfo("UTC")
_number = itertools.count()


def did(account: str | None, name: str, at: dt.datetime, user: str | None = None, **properties: Any) -> None:
    """Store an event as its sender would."""
    fact = EventFact(f"m{next(_number)}", name, at, account, user, properties)
    result = PostgresStore().append([fact], source="test", create_missing=True)
    assert result.stored == 1, result


def settle_in(zone: str) -> zoneinfo.ZoneInfo:
    """The workspace's own zone."""
    workspace = Workspace.get()
    workspace.time_zone = zone
    workspace.save()
    return workspace.zone


def ago(days: float, hours: float = 0) -> dt.datetime:
    """So long before the present of these tests."""
    return NOON - dt.timedelta(days=days, hours=hours)


def who(*rules: dict[str, Any], now: dt.datetime = NOON, zone: zoneinfo.ZoneInfo = UTC, match: str = "all") -> set[str]:
    """The ids of the accounts that match, after the roll-up in that zone."""
    at = Moment(now, zone)
    roll_up(at)
    question = Reader.now(at).read({"match": match, "rules": list(rules)})
    return set(question.accounts().values_list("external_id", flat=True))


def event(
    name: str = "Export", op: str = "at_least", value: Any = None, window: Any = None, **more: Any
) -> dict[str, Any]:
    """An event node; the last 30 days unless told otherwise."""
    node = {"event": name, "op": op, "window": window or {"last": 30, "unit": "day"}, **more}
    return node if value is None else node | {"value": value}


def users(how: Any, *rules: dict[str, Any]) -> dict[str, Any]:
    """A users node."""
    return {"users": how, "where": {"match": "all", "rules": list(rules)}}


def where(*rules: dict[str, Any]) -> dict[str, Any]:
    """A filter by properties."""
    return {"where": {"match": "all", "rules": list(rules)}}


def prop(name: str, op: str, value: Any = None) -> dict[str, Any]:
    """A condition on a property."""
    return {"field": f"event.properties.{name}", "op": op} | ({} if value is None else {"value": value})


@pytest.fixture(autouse=True)
def _three(db: None) -> None:
    for key in ("busy", "some", "none"):
        factories.account(external_id=key)
    for days in (0, 1, 2):
        did("busy", "Export", ago(days), "ann")
    did("busy", "Export", ago(0, 1), "bo")
    did("some", "Export", ago(3), "cy")


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("at_least", 0, {"busy", "some", "none"}),
        ("at_least", 1, {"busy", "some"}),
        ("at_least", 4, {"busy"}),
        ("at_least", 5, set()),
        ("more_than", 0, {"busy", "some"}),
        ("more_than", 1, {"busy"}),
        ("at_most", 0, {"none"}),
        ("at_most", 1, {"some", "none"}),
        ("less_than", 1, {"none"}),
        ("less_than", 0, set()),
        ("exactly", 0, {"none"}),
        ("exactly", 1, {"some"}),
        ("between", [0, 1], {"some", "none"}),
        ("between", [1, 4], {"busy", "some"}),
        ("never", None, {"none"}),
    ],
)
def test_counts_with_nothing_counted_as_zero(op: str, value: Any, expected: set[str]) -> None:
    assert who(event(op=op, value=value)) == expected


@pytest.mark.parametrize(
    ("op", "value"), [("at_least", 1), ("at_most", 1), ("exactly", 0), ("never", None), ("between", [0, 3])]
)
def test_none_of_a_condition_is_its_exact_complement(op: str, value: Any) -> None:
    everybody = set(Account.objects.values_list("external_id", flat=True))
    assert who(event(op=op, value=value), match="none") == everybody - who(event(op=op, value=value))


def test_distinct_users_and_active_days_are_not_times() -> None:
    assert who(event(value=2, measure="users")) == {"busy"}
    assert who(event(value=3, measure="users")) == set()
    assert who(event(value=3, measure="days")) == {"busy"}
    assert who(event(value=4, measure="days")) == set()
    assert who(event(op="exactly", value=0, measure="users")) == {"none"}


def test_an_event_without_a_user_counts_but_is_no_user() -> None:
    did("none", "Export", NOON)
    assert who(event(value=1)) == {"busy", "some", "none"}
    assert who(event(value=1, measure="users")) == {"busy", "some"}
    assert who(event(op="at_most", value=0, measure="users")) == {"none"}


@pytest.mark.parametrize("window", [{"last": 1, "unit": "day"}, {"last": 3, "unit": "day"}, {"last": 4, "unit": "day"}])
def test_the_last_n_days_are_today_and_those_before(window: dict[str, Any]) -> None:
    expected = {"busy", "some"} if window["last"] == 4 else {"busy"}
    assert who(event(value=1, window=window)) == expected


@pytest.mark.parametrize(
    ("ends", "unit", "expected"),
    [
        ([3, 3], "day", {"some"}),
        ([3, 2], "day", {"busy", "some"}),
        ([60, 4], "day", set()),
        ([2, 0], "day", {"busy"}),
        ([1, 0], "hour", {"busy"}),
        ([72, 72], "hour", {"some"}),
        ([71, 49], "hour", set()),
        ([1, 0], "week", {"busy", "some"}),
    ],
)
def test_a_window_between_two_ages_holds_both_ends(ends: list[int], unit: str, expected: set[str]) -> None:
    assert who(event(value=1, window={"between": ends, "unit": unit})) == expected


def test_hours_are_exact() -> None:
    assert who(event(value=2, window={"last": 1, "unit": "hour"})) == {"busy"}
    assert who(event(value=2, window={"last": 1, "unit": "hour"}), now=NOON + dt.timedelta(microseconds=1)) == set()


@pytest.mark.parametrize("zone", ["Pacific/Tongatapu", "Pacific/Pago_Pago", "America/New_York", "Europe/Oslo"])
def test_midnight_is_the_workspaces_own(zone: str) -> None:
    here = settle_in(zone)
    midnight = dt.datetime(2026, 11, 2, tzinfo=here)
    did("none", "Export", midnight - dt.timedelta(microseconds=1))
    yesterday, today = {"last": 1, "unit": "day"}, midnight + dt.timedelta(hours=1)
    DirtyDay.objects.get_or_create(day=dt.date(2026, 11, 1))
    assert "none" not in who(event(value=1, window=yesterday), now=today, zone=here)
    assert "none" in who(event(value=1, window={"last": 2, "unit": "day"}), now=today, zone=here)
    assert "none" in who(event(value=1, window=yesterday), now=midnight - dt.timedelta(microseconds=1), zone=here)


@pytest.mark.parametrize(("hours_before", "inside"), [(24.5, True), (25.5, False)])
def test_a_day_of_25_hours_is_one_day(hours_before: float, inside: bool) -> None:
    here = settle_in("America/New_York")  # the clocks went back on 1 November 2026
    late = dt.datetime(2026, 11, 2, 4, 45, tzinfo=dt.UTC)  # 23:45 of the long day
    did("none", "Export", late - dt.timedelta(hours=hours_before))
    for day in (dt.date(2026, 10, 31), dt.date(2026, 11, 1)):
        DirtyDay.objects.get_or_create(day=day)
    assert ("none" in who(event(value=1, window={"last": 1, "unit": "day"}), now=late, zone=here)) is inside


def test_a_month_before_the_29th_of_february_begins_on_the_30th_of_january() -> None:
    leap = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    did("none", "Import", dt.datetime(2024, 1, 29, 23, 59, tzinfo=dt.UTC))
    did("some", "Import", dt.datetime(2024, 1, 30, tzinfo=dt.UTC))
    assert who(event("Import", value=1, window={"last": 1, "unit": "month"}), now=leap) == {"some"}
    did("busy", "Import", dt.datetime(2023, 3, 1, tzinfo=dt.UTC))
    year = {"last": 1, "unit": "year"}
    assert who(event("Import", value=1, window=year), now=leap) == {"busy", "some", "none"}
    assert who(event("Import", value=1, window=year), now=leap + dt.timedelta(days=1)) == {"some", "none"}


def test_since_a_date_of_the_account() -> None:
    Account.objects.filter(external_id="busy").update(customer_since=NOON.date() - dt.timedelta(days=1))
    Account.objects.filter(external_id="some").update(customer_since=NOON.date() - dt.timedelta(days=2))
    since = {"since": "account.customer_since"}
    assert who(event(value=1, window=since)) == {"busy"}
    assert who(event(value=3, window=since)) == {"busy"}
    assert who(event(value=4, window=since)) == set()
    assert who(event(op="never", window=since)) == {"some", "none"}
    assert who(event(op="first_time_in", window={"since": "account.first_seen_at"})) == {"busy", "some"}


def test_ever_has_no_end() -> None:
    did("none", "Export", dt.datetime(2001, 1, 1, tzinfo=dt.UTC))
    assert who(event(op="never", window="ever")) == set()
    assert who(event(value=1, window="ever")) == {"busy", "some", "none"}


def test_against_the_window_before() -> None:
    for days in (8, 9):
        did("some", "Export", ago(days))
    window = {"last": 7, "unit": "day"}
    for key, count in (("busy", 2), ("none", 0)):
        for _ in range(count):
            did(key, "Export", ago(10))
    # busy 2 -> 4, some 2 -> 1, none 0 -> 0
    assert who(event(op="increased_by", value={"percent": 100}, window=window)) == {"busy"}
    assert who(event(op="increased_by", value={"percent": 101}, window=window)) == set()
    assert who(event(op="decreased_by", value={"percent": 50}, window=window)) == {"some"}
    assert who(event(op="decreased_by", value={"percent": 51}, window=window)) == set()


def test_from_nothing_to_something_is_no_increase_by_percent() -> None:
    assert who(event(op="increased_by", value={"percent": 1}, window={"last": 7, "unit": "day"})) == set()
    did("none", "Export", ago(10))
    assert who(event(op="decreased_by", value={"percent": 100}, window={"last": 7, "unit": "day"})) == {"none"}


def test_first_time_stopped_and_restarted() -> None:
    week = {"last": 7, "unit": "day"}
    did("none", "Export", ago(7))  # the day before the window
    did("some", "Export", ago(20))  # and again in it, after a silent week
    assert who(event(op="first_time_in", window=week)) == {"busy"}
    assert who(event(op="stopped", window=week)) == {"none"}
    assert who(event(op="restarted", window=week)) == {"some"}


def test_properties_narrow_and_are_added_up() -> None:
    did("none", "Print", ago(1), pages=3, tray=" A ", colour=True)
    did("none", "Print", ago(1), pages=5, tray="b", colour=False)
    did("some", "Print", ago(1), pages="7", tray="a")
    assert who(event("Print", value=8, measure={"sum": "properties.pages"})) == {"none"}
    assert who(event("Print", op="at_most", value=0, measure={"sum": "properties.pages"})) == {"busy", "some"}
    assert who(event("Print", op="exactly", value=4, measure={"avg": "properties.pages"})) == {"none"}
    assert who(event("Print", op="exactly", value=3, measure={"min": "properties.pages"})) == {"none"}
    assert who(event("Print", op="at_most", value=5, measure={"max": "properties.pages"})) == {"none"}
    assert who(event("Print", value=2, measure={"distinct": "properties.tray"})) == {"none"}
    assert who(event("Print", value=1, **where(prop("tray", "is", "A")))) == {"none", "some"}
    assert who(event("Print", value=1, **where(prop("tray", "is", "a"), prop("pages", "at_least", 5)))) == set()
    assert who(event("Print", value=1, **where(prop("pages", "any_of", [5, 6])))) == {"none"}
    assert who(event("Print", value=1, **where(prop("pages", "any_of", ["7"])))) == {"some"}
    assert who(event("Print", value=1, **where(prop("colour", "is_true")))) == {"none"}
    assert who(event("Print", value=1, **where(prop("colour", "is_not_set")))) == {"some"}
    assert who(event("Print", value=1, **where(prop("tray", "is_not", "a")))) == {"none"}


def test_numbers_written_differently_are_one_value() -> None:
    did("none", "Print", ago(1), pages=1)
    did("none", "Print", ago(1), pages=1.0)
    did("none", "Print", ago(1), pages="1")
    assert who(event("Print", op="exactly", value=2, measure={"distinct": "properties.pages"})) == {"none"}


@pytest.mark.parametrize("how", ["any", "all", "none", {"at_least": 1}, {"at_least": 2}])
@pytest.mark.parametrize("doing", range(4))
def test_how_many_users_did_it(how: Any, doing: int) -> None:
    account = factories.account(external_id="team")
    for number in range(3):
        factories.relationship(account, factories.end_user(external_id=f"p{number}"))
    for number in range(min(doing, 3)):
        did("team", "Sign", ago(1), f"p{number}")
    did("busy", "Sign", ago(1))
    met = {"any": doing >= 1, "all": doing == 3, "none": doing == 0}
    expected = met[how] if isinstance(how, str) else doing >= how["at_least"]
    assert ("team" in who(users(how, event("Sign", value=1)))) is expected
    assert ("none" in who(users(how, event("Sign", value=1)))) is (how == "none")  # it has no users


def test_the_same_user_meets_all_conditions_of_a_group() -> None:
    account = factories.account(external_id="team")
    for number in range(2):
        factories.relationship(account, factories.end_user(external_id=f"p{number}"))
    did("team", "Sign", ago(1), "p0")
    did("team", "Merge", ago(1), "p1")
    assert "team" not in who(users("any", event("Sign", value=1), event("Merge", value=1)))
    assert "team" in who(users("any", event("Sign", value=1)), users("any", event("Merge", value=1)))
