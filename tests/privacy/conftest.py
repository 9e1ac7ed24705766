"""A world with somebody in it whom everything knows, and a log of erasures of the test's own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from accounts.facts import (
    Fact,
    RelationshipFact,
    define_attribute,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.models import Account, EndUser, Note, Subject, TeamMember
from segments.models import Pin, Segment, UserMembership
from tests import factories
from tests.committing import at_once, committed
from usage.metrics import refresh_metrics
from usage.models import AccountTraits, UserTraits
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

__all__ = ["at_once", "committed"]
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
NEEDLES = ("bob-7731", "bob.quill@example.com", "Bob Quill")


@pytest.fixture(autouse=True)
def ledger(settings: Any, tmp_path: Path) -> Path:
    """The log goes to a folder of this test's own."""
    settings.DATA_DIR = tmp_path
    return tmp_path / "erasures.log"


@dataclass
class World:
    """Bob in two accounts with Ann, an account below one of them, and everything that is kept."""

    acme: Account
    brook: Account
    bob: EndUser
    ann: EndUser
    staff: TeamMember


def events(who: str, account: str, days: int = 5) -> list[EventFact]:
    """Two events a day."""
    return [
        EventFact(f"{who}-{account}-{n}", "Login", NOW - dt.timedelta(days=n // 2, hours=n % 2), account, who)
        for n in range(days * 2)
    ]


def build(with_bob: bool = True) -> World | None:
    """The world; without Bob it is the one that must be left after his erasure."""
    define_attribute(Subject.USER, "city", kind="text")
    record_accounts([Fact("acme", {"name": "Acme"}, NOW), Fact("brook", {"name": "Brook"}, NOW)], source="crm")
    record_accounts([Fact("acme-north", {"name": "Acme North", "parent": "acme"}, NOW)], source="crm")
    people = [("ann-1", "Ann Lee", "ann@example.com")] + ([("bob-7731", NEEDLES[2], NEEDLES[1])] if with_bob else [])
    for key, name, email in people:
        for city in ("Oslo", "Bergen"):
            values = {"name": name, "email": email, "custom.city": city}
            record_users([Fact(key, values, NOW + dt.timedelta(seconds=city == "Oslo"))], source="crm")
        for account in ("acme", "brook"):
            record_relationships([RelationshipFact(key, account, NOW - dt.timedelta(days=30))], source="crm")
            PostgresStore().append(events(key, account), source="sdk")
    record_subscriptions([Fact("s-1", {"account": "acme", "plan": "Pro", "mrr": "10"}, NOW)], source="crm")
    PostgresStore().append([EventFact("alone", "Sync", NOW - dt.timedelta(days=9), "acme", None)], source="sdk")
    if with_bob:  # the first and the last that was seen of Acme
        edge = [EventFact(f"bob-7731-{n}", "Login", NOW + dt.timedelta(days=n), "acme", "bob-7731") for n in (-40, 1)]
        edge.append(EventFact("bob-7731-x", "Login", NOW, None, "bob-7731", {"by": NEEDLES[1]}))
        PostgresStore().append(edge, source="sdk")
    roll_up()
    return fill() if with_bob else None


def fill() -> World:
    """What people and computations added."""
    acme, brook = Account.objects.get(external_id="acme"), Account.objects.get(external_id="brook")
    bob, ann = EndUser.objects.get(external_id="bob-7731"), EndUser.objects.get(external_id="ann-1")
    staff = factories.member("admin")
    about = Note.objects.create(
        account=acme, user=bob, kind="call", text="Wants a discount, mail bob.quill@example.com"
    )
    Note.objects.create(account=acme, user=ann, text="Ann says BOB QUILL left, ask bob-7731 first")
    Note.objects.create(account=acme, text="Nothing about anybody")
    for row in (bob, about):
        LogEntry.objects.create(
            user=staff.user, content_type=ContentType.objects.get_for_model(row), object_id=str(row.pk),
            object_repr=str(row)[:200], change_message=f"Changed {bob.name}", action_flag=2,
        )  # fmt: skip
    users = Segment.objects.create(key="people", name="People", subject="user")
    UserMembership.objects.create(segment=users, user=bob, entered_at=NOW)
    UserTraits.objects.create(account=acme, user=bob, shown={"mail": bob.email})
    AccountTraits.objects.create(account=acme, shown={"top": "Login"})
    segment = factories.segment("All", {"field": "account.name", "op": "is_not", "value": "x"})
    Pin.objects.create(segment=segment, account=acme, reason="Board")
    factories.assign(acme, staff)
    return World(acme, brook, bob, ann, staff)


@pytest.fixture
def world(db: None) -> World:
    """The world with Bob."""
    made = build()
    assert made
    return made


def found_in(*needles: str) -> dict[str, int]:
    """The tables of the database in which a text stands anywhere in a row, upper or lower case."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND NOT c.relispartition"
        )
        for (table,) in cursor.fetchall():
            for needle in needles:
                cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s", [f"%{needle}%"])
                if number := cursor.fetchone()[0]:
                    found[f"{table}: {needle}"] = number
    return found


def numbers() -> list[Any]:
    """What is counted of every account, after an evaluation."""
    from core.clock import moment
    from usage.models import AccountUsage, DailyUsage, UserActivity

    roll_up()
    refresh_metrics(moment(NOW + dt.timedelta(days=1)))
    usage = AccountUsage.objects.order_by("account__external_id")
    daily = DailyUsage.objects.order_by("account__external_id", "user__external_id", "day")
    return [
        list(usage.values_list("account__external_id", "active_users_7d", "active_users_90d", "events_30d",
                               "active_days_30d", "first_seen_at", "last_seen_at")),
        list(daily.values_list("account__external_id", "user__external_id", "name__name", "day", "count")),
        list(UserActivity.objects.order_by("account__external_id").values_list("account__external_id", "user__name",
                                                                               "first_seen_at", "last_seen_at")),
    ]  # fmt: skip
