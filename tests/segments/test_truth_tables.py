"""Truth tables written out by hand: how many users or subscriptions meet a group, and where days begin and end."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import pytest

from accounts.models import Account, AttributeDefinition
from core.clock import Moment
from segments.questions import Reader
from tests import factories

pytestmark = pytest.mark.django_db
EVERYBODY = {"0/0", "0/1", "1/1", "0/3", "1/3", "2/3", "3/3"}  # how many of how many meet the condition
SOME, EACH, NOBODY = {"1/1", "1/3", "2/3", "3/3"}, {"1/1", "3/3"}, {"0/0", "0/1", "0/3"}
TICK, NOON = dt.timedelta(microseconds=1), dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def who(node: dict[str, Any], at: Moment | None = None, match: str = "all") -> set[str]:
    """The ids of the accounts that match."""
    question = Reader.now(at).read({"match": match, "rules": [node]})
    return set(question.accounts().values_list("external_id", flat=True))


def counts() -> list[tuple[str, int, int]]:
    """Each account's id, how many of its rows meet the condition, and how many there are."""
    return [(key, *map(int, key.split("/"))) for key in sorted(EVERYBODY)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("any", SOME),
        ("all", EACH),
        ("none", NOBODY),
        ({"at_least": 1}, SOME),
        ({"at_least": 2}, {"2/3", "3/3"}),
        ({"at_least": 3}, {"3/3"}),
        ({"at_least": 4}, set()),
        ({"at_least_percent": 0.1}, SOME),
        ({"at_least_percent": 33}, SOME),
        ({"at_least_percent": 34}, {"1/1", "2/3", "3/3"}),
        ({"at_least_percent": 66.7}, EACH),
        ({"at_least_percent": 100}, EACH),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_how_many_users_meet_a_group(how: Any, expected: set[str]) -> None:
    for key, meeting, of in counts():
        account = factories.account(external_id=key)
        for number in range(of):
            factories.relationship(account, role="admin" if number < meeting else "reader")
        for role in ("admin", "reader"):  # who has left counts on neither side
            factories.relationship(account, role=role, started_at=NOON, ended_at=NOON)
    admins = {"match": "all", "rules": [{"field": "relationship.role", "op": "is", "value": "admin"}]}
    assert who({"users": how, "where": admins}) == expected
    assert who({"users": how, "where": admins}, match="none") == EVERYBODY - expected


@pytest.mark.parametrize(("how", "expected"), [("any", SOME), ("all", EACH), ("none", NOBODY)])
def test_how_many_subscriptions_meet_a_group(how: str, expected: set[str]) -> None:
    for key, meeting, of in counts():
        account = factories.account(external_id=key)
        for number in range(of):
            factories.subscription(account, plan="gold" if number < meeting else "tin")
    gold = {"match": "all", "rules": [{"field": "subscription.plan", "op": "is", "value": "gold"}]}
    assert who({"subscriptions": how, "where": gold}) == expected
    assert who({"subscriptions": how, "where": gold}, match="none") == EVERYBODY - expected


# The zone, the local time that it is, what is asked, and the first and last local day that match (None: no end).
DAYS = [
    # UTC+13 and UTC-11, just after and just before midnight: the same two instants are other days there.
    ("Pacific/Tongatapu", "2026-11-02T00:00:00", "within_last", (1, "day"), "2026-11-01", "2026-11-02"),
    ("Pacific/Tongatapu", "2026-11-01T23:59:59.999999", "within_last", (1, "day"), "2026-10-31", "2026-11-01"),
    ("Pacific/Tongatapu", "2026-11-02T00:00:00", "more_than_ago", (1, "day"), None, "2026-10-31"),
    ("Pacific/Pago_Pago", "2026-11-02T00:00:00", "within_next", (1, "day"), "2026-11-02", "2026-11-03"),
    ("Pacific/Pago_Pago", "2026-11-01T23:59:59.999999", "within_next", (1, "day"), "2026-11-01", "2026-11-02"),
    ("Pacific/Pago_Pago", "2026-11-02T00:00:00", "more_than_ahead", (1, "day"), "2026-11-04", None),
    ("Pacific/Pago_Pago", "2026-11-02T00:00:00", "this_month", None, "2026-11-01", "2026-11-30"),
    ("Pacific/Tongatapu", "2026-12-31T23:00:00", "next_year", None, "2027-01-01", "2027-12-31"),
    # The clocks go forward (a day of 23 hours), back (25), and a midnight that does not exist.
    ("America/New_York", "2026-03-09T01:00:00", "within_last", (1, "day"), "2026-03-08", "2026-03-09"),
    ("America/New_York", "2026-11-02T01:00:00", "within_last", (1, "day"), "2026-11-01", "2026-11-02"),
    ("America/New_York", "2026-10-31T12:00:00", "within_next", (1, "day"), "2026-10-31", "2026-11-01"),
    ("America/Sao_Paulo", "2018-11-05T12:00:00", "within_last", (1, "day"), "2018-11-04", "2018-11-05"),
    # 29 February, and months that are too short.
    ("Europe/Oslo", "2028-02-29T12:00:00", "within_last", (1, "year"), "2027-02-28", "2028-02-29"),
    ("Europe/Oslo", "2028-02-29T12:00:00", "within_next", (1, "year"), "2028-02-29", "2029-02-28"),
    ("Europe/Oslo", "2028-02-29T12:00:00", "within_last", (4, "year"), "2024-02-29", "2028-02-29"),
    ("Europe/Oslo", "2028-02-29T12:00:00", "more_than_ago", (1, "month"), None, "2028-01-28"),
    ("Europe/Oslo", "2028-03-31T12:00:00", "within_last", (1, "month"), "2028-02-29", "2028-03-31"),
    ("Europe/Oslo", "2027-03-31T12:00:00", "within_last", (1, "month"), "2027-02-28", "2027-03-31"),
    ("Europe/Oslo", "2028-01-31T12:00:00", "within_next", (1, "month"), "2028-01-31", "2028-02-29"),
    ("Europe/Oslo", "2028-02-29T12:00:00", "this_quarter", None, "2028-01-01", "2028-03-31"),
    ("Europe/Oslo", "2028-03-01T12:00:00", "last_month", None, "2028-02-01", "2028-02-29"),
]


@pytest.mark.parametrize(("zone", "local", "op", "span", "first", "last"), DAYS)
def test_where_days_begin_and_end(
    zone: str, local: str, op: str, span: tuple[int, str] | None, first: str | None, last: str | None
) -> None:
    here = zoneinfo.ZoneInfo(zone)
    AttributeDefinition.objects.create(subject="account", key="met_at", name="Met", kind="datetime")
    AttributeDefinition.objects.create(subject="account", key="met_on", name="Met on", kind="date")

    def start(day: dt.date) -> dt.datetime:
        """The first instant of a local day, found by looking."""
        instant = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC) - dt.timedelta(hours=15)
        while instant.astimezone(here).date() < day:
            instant += dt.timedelta(minutes=15)
        return instant

    expected = set()
    for name, text, day_after in (("first", first, False), ("last", last, True)):
        if text is None:
            continue
        day = dt.date.fromisoformat(text)
        edge = start(day + dt.timedelta(days=1)) if day_after else start(day)
        outer = day + dt.timedelta(days=1 if day_after else -1)
        for key, instant, on in (
            (f"{name} in", edge - TICK if day_after else edge, day),
            (f"{name} out", edge if day_after else edge - TICK, outer),
        ):
            Account.objects.create(
                external_id=key, name=key, attributes={"met_at": instant.isoformat(), "met_on": on.isoformat()}
            )
        expected.add(f"{name} in")
    at = Moment(dt.datetime.fromisoformat(local).replace(tzinfo=here).astimezone(dt.UTC), here)
    value = {} if span is None else {"value": dict(zip(("n", "unit"), span, strict=True))}
    for field in ("account.custom.met_at", "account.custom.met_on"):
        assert who({"field": field, "op": op, **value}, at) == expected, field
