"""A world with somebody in it whom everything knows, and a log of erasures of the test's own."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from functools import partial
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
from alerts.models import Alert, AlertEntry, AlertReplay, AlertRule, Delivery, Notice
from core.models import IdempotentAnswer
from health.backtest.models import BackTest
from health.models import AccountHealth, BandChange, HealthConfig, HealthDay, HealthOverride, Pulse
from integrations.imports.storing import store
from integrations.models import (
    Connection,
    ConnectionLink,
    ConnectionRun,
    Identity,
    Import,
    ImportedRow,
    ImportReject,
    PendingEvent,
)
from integrations.tracking import spool
from integrations.tracking.keys import create_source
from integrations.tracking.messages import Envelope, read_batch
from integrations.tracking.recording import record
from segments.models import Pin, Segment, UserMembership
from tests import factories
from tests.committing import at_once, committed
from usage.metrics import refresh_metrics
from usage.models import AccountTraits, UserTraits
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

__all__ = ["at_once", "committed"]
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
OTHER = 999_999  # the primary key of an account that is not erased
NEEDLES = ("bob-7731", "bob.quill@example.com", "Bob Quill")


@pytest.fixture(autouse=True)
def ledger(settings: Any, tmp_path: Path) -> Path:
    """The log goes to a folder of this test's own."""
    settings.DATA_DIR, settings.SPOOL_DIR = tmp_path, tmp_path / "spool"
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
    alone = [EventFact("alone", "Sync", NOW - dt.timedelta(days=9), "acme", None)]
    for n in (-39, 0.5):  # of nobody who was there, so that nothing of Acme is seen by them
        alone.append(EventFact(f"away{n}", "Sync", NOW + dt.timedelta(days=n), "acme", None, active=False))
    PostgresStore().append(alone, source="sdk")
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
    fill_health(acme)
    fill_alerts(acme, staff, about)
    fill_tracking(acme, bob)
    fill_connections(acme, bob)
    fill_imports(acme, bob)
    IdempotentAnswer.objects.create(user=staff.user, key="k1", digest="0" * 64, status=201, answer={"id": "bob-7731"})
    IdempotentAnswer.objects.create(user=staff.user, key="new bob-7731", digest="0" * 64, answer={"id": 3})
    return World(acme, brook, bob, ann, staff)


def fill_health(acme: Account) -> None:
    """Health as computed and as people gave it, with Bob in the texts."""
    config = HealthConfig.objects.filter(is_default=True).first() or HealthConfig.objects.create(
        name="Default", is_default=True
    )
    AccountHealth.objects.update_or_create(account=acme, defaults={"config": config, "score": 70, "band_since": NOW})
    HealthDay.objects.create(account=acme, day=NOW.date(), score=70)
    BandChange.objects.create(account=acme, at=NOW, before="good", after="poor", cause="data")
    HealthOverride.objects.create(account=acme, band="poor", reason="Bob Quill is leaving")
    Pulse.objects.create(account=acme, value=2, note="bob.quill@example.com is angry", at=NOW)
    Pulse.objects.create(account=acme, value=4, note="All well", at=NOW)


def fill_alerts(acme: Account, staff: TeamMember, about: Note) -> None:
    """An alert about Acme, what colleagues said of Bob there, what they were told, what was sent, and a back-test."""
    watch = Segment.objects.create(key="watch", name="Watch", internal=True)
    rule = AlertRule.objects.create(name="Silent", watch=watch)
    alert = Alert.objects.create(
        rule=rule, account=acme, version=1, severity="high", message="Acme lost its champion Bob Quill", began_at=NOW,
        opened_at=NOW, snooze_reason="bob-7731 is on leave",
    )  # fmt: skip
    AlertEntry.objects.create(alert=alert, kind="comment", at=NOW, by=staff.user, text="Called bob.quill@example.com")
    tell = partial(Notice.objects.create, member=staff, at=NOW, account=acme)
    told = [
        tell(key="n1", kind="alert", alert=alert, title="Silent: Acme", text="Acme lost its champion Bob Quill"),
        tell(key="n2", kind="note", note=about, title="Acme", text="Wants a discount, mail bob.quill@example.com"),
        tell(key="n3", kind="task", title="Call Bob Quill", text="before Friday"),
    ]
    for number, notice in enumerate(told):
        Delivery.objects.create(
            notice=notice, via="email", key=uuid.UUID(int=number), state="failed", due_at=NOW,
            error="550 no such user bob.quill@example.com" if number == 0 else "550 no such user",
        )  # fmt: skip
    days = {"first_day": NOW.date(), "last_day": NOW.date(), "steps": 1, "state": "done"}
    raised = {"format": 1, "raised": [[acme.pk, "2026-03-10", None], [OTHER, "2026-03-10", None]]}
    AlertReplay.objects.create(rule=rule, definition={}, report=raised, **days)
    AlertReplay.objects.create(rule=rule, definition={}, report={"format": 1, "raised": []}, **days)
    moved = {"moved": [[acme.pk, "g", "p"], [OTHER, "g", "a"]]}
    BackTest.objects.create(definition={}, report=raised | moved, **days)


def fill_tracking(acme: Account, bob: EndUser) -> None:
    """What a website sent of Bob before and after it knew him, and what another visitor said of him."""
    source = create_source("Web app", key="wk_of-a-test-of-privacy")[0]
    sent = [
        {"type": "track", "event": "Seen", "anonymousId": "anon-bob"},
        {"type": "identify", "userId": "bob-7731", "anonymousId": "anon-bob", "traits": {"email": NEEDLES[1]}},
        {"type": "identify", "anonymousId": "anon-2", "traits": {"name": "Z", "referrer": NEEDLES[1]}},
        {"type": "group", "anonymousId": "anon-2", "groupId": "acme"},
    ]
    sent = [{"messageId": f"web-{place}"} | message for place, message in enumerate(sent)]
    envelope = Envelope(NOW, "request-1")
    record(source, read_batch({"batch": sent}, envelope), envelope)
    identity = Identity.objects.get(name="anon-bob")
    assert identity.user == bob
    # One of more events than are completed at once.
    PostgresStore().append([EventFact("late", "Seen", NOW, None, None)], source=source.key)
    PendingEvent.objects.create(identity=identity, at=NOW, source=source.key, message_id="late")
    LogEntry.objects.create(
        user=TeamMember.objects.get().user, content_type=ContentType.objects.get_for_model(identity),
        object_id=str(identity.pk), object_repr="anon-bob of Bob Quill", action_flag=2,
    )  # fmt: skip
    aside = spool.folder() / "aside"
    aside.mkdir()
    for name, words in (("1.json", {"userId": "bob-7731"}), ("2.json", {"userId": "ann-1"})):
        (aside / name).write_text(json.dumps({"data": words}))
        (aside / f"{name}.reason").write_text("No such key")


def fill_connections(acme: Account, bob: EndUser) -> None:
    """A CRM that knows Acme, Bob, and others who mention them."""
    crm = Connection.objects.create(kind="hubspot", name="CRM")
    link = partial(ConnectionLink.objects.create, connection=crm)
    link(kind="company", remote_id="101", label="Acme", account=acme)
    link(kind="contact", remote_id="9", label="Bob Quill", user=bob, seen={"@accounts": ["acme"]})
    link(kind="contact", remote_id="10", label="Ann Lee", seen={"@accounts": ["acme", "brook"]})
    link(kind="contact", remote_id="11", label="bob.quill@example.com")
    link(kind="company", remote_id="102", label="Bob Quill Ltd", note="Merged into Bob Quill Ltd.")
    ConnectionRun.objects.create(
        connection=crm, state="done", problems=["bob-7731: email: no", "Brook: fine", "acme: mrr: no"], error="acme"
    )


def fill_imports(acme: Account, bob: EndUser) -> None:
    """Two files, one of which names Bob, with a row that was rejected and what was changed."""
    rows = b"user_id,name,email\nbob-7731,Bob Quill,bob.quill@example.com\n"
    job = store([rows], kind="users", name="Bob Quill.csv")
    store([b"user_id,name\nann-1,Ann Lee\n"], kind="users", name="others.csv")
    store([b"id,name\nacme,Acme\n"], kind="accounts", name="one.csv")
    Import.objects.filter(pk=job.pk).update(error="Line 2: bob-7731 is unknown", undo_report={"kept": ["Bob Quill"]})
    for cells, reason in ((["bob-7731", "x"], "No."), (["ann-1", "acme"], "There is no account “acme”."), (["z"], "?")):
        ImportReject.objects.create(job=job, line=2, cells=cells, reason=reason)
    done = partial(ImportedRow.objects.create, job=job, batch=1)
    done(subject="user", object_id=bob.pk, before={"name": ["Bob Quill", ["x"], ["y"]]})
    done(subject="account", object_id=acme.pk, created=True)
    done(subject="account", object_id=0, before={"parent": ["acme", [], []], "name": ["by Bob Quill", [], []]})


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
