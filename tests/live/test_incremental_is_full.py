"""After any stream of messages, with evaluations at any point, all figures are those of a refresh from scratch."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.facts import (
    Fact,
    RelationshipFact,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.levels import SOURCE
from accounts.models import Account, EndUser, Note
from accounts.notes import remove_notes, write_note
from core.clock import Moment, moment
from csbox import pipeline
from csbox.pipeline import refresh_accounts, refresh_everything, refresh_touched
from health.editing import override_health, take_pulse
from integrations.tracking.merging import begin_merge
from tests.live.company import furnish, state
from usage.models import DailyUsage
from usage.store import EventFact, PostgresStore
from usage.store.postgres import mark_days

pytestmark = [pytest.mark.django_db, pytest.mark.once]
ACCOUNTS, USERS = ("a", "b", "c"), ("u", "v", "w")
NOW = timezone.now()


def ago(hours: float) -> dt.datetime:
    return NOW - dt.timedelta(hours=hours)


account, user, hours = st.sampled_from(ACCOUNTS), st.sampled_from(USERS), st.integers(0, 12 * 24)
# A small number of message ids, so that messages are repeated, also with another content.
event = st.tuples(
    st.just("event"), st.integers(0, 60), st.sampled_from(["Export", "Login"]), hours,
    st.one_of(st.none(), account), st.one_of(st.none(), user), st.integers(0, 9), st.booleans(),
)  # fmt: skip
step = st.one_of(
    event, event, event, event,
    st.tuples(st.just("belongs"), user, account, hours, st.sampled_from(["Champion", "User"])),
    st.tuples(st.just("leaves"), user, account, hours),
    st.tuples(st.just("title"), user, hours, st.sampled_from(["Admin", "Analyst"])),
    st.tuples(st.just("pays"), account, hours, st.integers(0, 200)),
    st.tuples(
        st.just("subscribes"), st.integers(0, 3), account, hours, st.sampled_from(["Pro", "Team"]), st.integers(0, 200)
    ),
    st.tuples(st.just("says"), account, st.sampled_from(["call", "note"])),
    st.tuples(st.just("forgets"), account),
    st.tuples(st.just("feels"), account, st.integers(1, 5)),
    st.tuples(st.just("overrides"), account, st.sampled_from(["good", "poor"])),
    st.tuples(st.just("archives"), account, hours, st.booleans()),
    st.tuples(st.just("merges"), user, user),
    st.tuples(st.just("erases"), st.integers(0, 60)),
    st.tuples(st.just("evaluates"), st.booleans()), st.tuples(st.just("evaluates"), st.booleans()),
)  # fmt: skip


def do(step: tuple[Any, ...]) -> None:
    """One message or edit, the way it comes in."""
    match step:
        case ("event", number, name, back, of, by, pages, active):
            fact = EventFact(f"m{number}", name, ago(back), of, by, {"pages": pages}, active)
            PostgresStore().append([fact], source="app", create_missing=True)
        case ("belongs", by, of, back, role):
            record_relationships(
                [RelationshipFact(by, of, ago(back), {"role": role})], source="app", create_missing=True
            )
        case ("leaves", by, of, back):
            ended = RelationshipFact(by, of, ago(back), ended_at=ago(back))
            record_relationships([ended], source="app", create_missing=True)
        case ("title", by, back, title):
            record_users([Fact(by, {"title": title}, ago(back))], source="app")
        case ("pays", of, back, mrr):
            record_accounts([Fact(of, {"stated_mrr": mrr}, ago(back))], source="app")
        case ("subscribes", number, of, back, plan, mrr):
            values = {"account": of, "plan": plan, "mrr": mrr}
            record_subscriptions([Fact(f"s{number}", values, ago(back))], source="app", create_missing=True)
        case ("says", of, kind):
            if found := Account.objects.filter(external_id=of).first():
                write_note(account=found, kind=kind, text="Hello", at=NOW)
        case ("forgets", of):
            remove_notes(Note.objects.filter(account__external_id=of))
        case ("feels", of, pulse):
            if found := Account.objects.filter(external_id=of).first():
                take_pulse(found, pulse)
        case ("overrides", of, band):
            if found := Account.objects.filter(external_id=of).first():
                override_health(found, band=band, reason="Told so")
        case ("archives", of, back, gone):
            record_accounts([Fact(of, {"archived_at": ago(back) if gone else None}, ago(back))], source="app")
        case ("merges", old, new):
            merge(old, new)
        case ("erases", number):
            erase(f"m{number}")
        case ("evaluates", by_sight):
            # A good many accounts: segments look at everybody, the other steps at those.
            shares = {"FEW": 0, "SEGMENTS_SHARE": 1_000, "SHARE": 0} if by_sight else {}
            with patch.multiple(pipeline, **shares) if shares else nullcontext():
                evaluate()


def merge(old: str, new: str) -> None:
    """As the tracking API makes two users one."""
    one, other = (EndUser.objects.filter(external_id=name).first() for name in (old, new))
    if one and other and one != other:
        begin_merge(one, other, source="app")


def erase(message: str) -> None:
    """An event is taken away, and its day marked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM usage_event WHERE message_id = %s RETURNING (at AT TIME ZONE 'UTC')::date", [message]
        )
        mark_days([day for (day,) in cursor.fetchall()])


def present() -> Moment:
    return moment(NOW)


def evaluate() -> None:
    """Until nothing waits: what depends on all accounts may mark others."""
    while refresh_touched(present()) is not None:
        pass


def from_scratch() -> None:
    """Forget all that is derived, and refresh everything."""
    with connection.cursor() as cursor:
        for table in (
            "segments_accountmembership", "segments_usermembership", "health_accounthealth",
            "usage_dailyusage", "usage_pendingusage", "usage_accounttraits", "usage_usertraits",
        ):  # fmt: skip
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("UPDATE accounts_account SET level = NULL WHERE stamps #>> '{level,1}' = %s", [SOURCE])
        cursor.execute("SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM usage_event")
        mark_days([day for (day,) in cursor.fetchall()])
    refresh_everything(now=present())


@settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=8, max_size=40))
def test_incremental_is_full(furnished: None, steps: list[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        for one in steps:
            do(one)
        evaluate()
        found = state()
        from_scratch()
        assert state() == found
        transaction.set_rollback(True)


@pytest.fixture
def furnished(db: None) -> None:
    furnish()
    for name in ACCOUNTS:
        Account.objects.create(external_id=name, name=name)
    refresh_everything(now=present())


def test_the_comparison_sees_an_account_that_was_not_marked(furnished: None) -> None:
    """A write whose account is not evaluated leaves another state than a refresh from scratch."""
    record_accounts([Fact("a", {"stated_mrr": 500}, NOW)], source="app")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_touchedaccount")
    evaluate()
    found = state()
    from_scratch()
    assert state() != found


def test_counts_stay_exact_when_events_are_dropped(furnished: None) -> None:
    """Late events of a dropped month add to its counts, repetitions do not, and a user who is merged keeps them."""
    old = dt.datetime(2025, 3, 15, 12, tzinfo=dt.UTC)
    store = PostgresStore()
    first = [EventFact(f"old{n}", "Login", old, "a", "u") for n in range(3)]
    store.append(first, source="app", create_missing=True)
    refresh_touched(present())
    store.drop_before(dt.date(2025, 4, 1))
    again = store.append([*first, EventFact("late", "Login", old, "a", "u")], source="app")
    assert (again.stored, again.repeated) == (1, 3)
    mark_days([old.date()])
    refresh_touched(present())
    assert list(DailyUsage.objects.values_list("user__external_id", "day", "count")) == [("u", old.date(), 4)]
    EndUser.objects.create(external_id="v")
    merge("u", "v")
    refresh_touched(present())
    assert list(DailyUsage.objects.values_list("user__external_id", "day", "count")) == [("v", old.date(), 4)]


def test_a_narrow_refresh_counts_nothing_of_other_accounts(furnished: None) -> None:
    """Only what was asked for changes."""
    PostgresStore().append([EventFact(f"n{n}", "Export", NOW, name) for n, name in enumerate("ab" * 5)], source="app")
    wanted = Account.objects.get(external_id="a")
    refresh_accounts([wanted.pk], present())
    assert {who for _, who in state()["members"] if _ == "busy"} == {"a"}
