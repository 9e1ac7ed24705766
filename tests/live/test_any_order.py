"""Whatever the order, the batches and the repetitions of messages, and whenever they are evaluated: the same state,
which is that of a refresh from scratch."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, EndUser, Relationship
from core.clock import Moment, moment
from csbox.pipeline import bring_in, refresh_everything, refresh_touched
from integrations.models import Identity, Outcome, Source
from integrations.tracking import keys
from integrations.tracking.messages import Envelope, Tracked, read_batch
from integrations.tracking.recording import record
from segments.editing import save_segment
from tests.live.company import RULES, state
from usage.models import Event, EventName
from usage.placing.marks import mark_users
from usage.store.postgres import mark_days
from usage.traits.editing import save_trait

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
# u was called old before and older before that; v is somebody else. The visitor x is one of them, or both in turn.
PERSON = {name: {"userId": name} for name in ("u", "old", "older", "v")} | {"x": {"anonymousId": "x"}}
FAMILY = {"u": "u", "old": "u", "older": "u", "x": "u", "v": "v"}
person, account, days = st.sampled_from(sorted(PERSON)), st.sampled_from("ab"), st.integers(1, 9)
step = st.one_of(
    st.tuples(st.just("joins"), person, account, days, st.sampled_from([None, "Champion", "User"])),
    st.tuples(st.just("leaves"), person, account, days, st.none()),
    st.tuples(st.just("does"), person, st.none(), days, st.sampled_from(["Export", "Login"])),
    st.tuples(st.just("does"), person, st.none(), days, st.sampled_from(["Export", "Login"])),
    st.tuples(st.just("does"), person, account, days, st.just("Export")),
    st.tuples(st.just("is"), person, st.none(), days, st.sampled_from(["Admin", "Analyst"])),
    st.tuples(st.just("works for"), person, account, days, st.none()),
    st.tuples(st.just("logs in"), st.sampled_from(["u", "old", "v"]), st.none(), days, st.none()),
    st.tuples(st.just("was called"), st.just("u"), st.none(), days, st.just("old")),
    st.tuples(st.just("was called"), st.just("old"), st.none(), days, st.just("older")),
    st.tuples(st.just("quits"), st.sampled_from(["u", "old", "v"]), st.none(), days, st.none()),
)


def message(number: int, kind: str, who: str, of: str | None, back: int, what: str | None) -> dict[str, Any]:
    """A drawn step in the words of the tracking API."""
    at = NOW - dt.timedelta(days=back)
    base = {"messageId": f"m{number}", "timestamp": at.isoformat(), **PERSON[who]}
    context = {"context": {"groupId": of}} if of else {}
    match kind:
        case "joins":
            role = {"Userlist": {"extensions": {"relationship": {"properties": {"role": what}}}}}
            return base | {"type": "group", "groupId": of, "integrations": role if what else {}}
        case "leaves":
            return base | {"type": "track", "event": "Account Removed User"} | context
        case "does":
            return base | {"type": "track", "event": what, "properties": {"pages": back}} | context
        case "is":
            return base | {"type": "identify", "traits": {"title": what}}
        case "works for":
            return base | {"type": "identify", "traits": {"company": {"id": of}}}
        case "logs in":
            return base | {"type": "identify", "anonymousId": "x"}
        case "quits":
            return base | {"type": "identify", "deletes": True}
    return base | {"type": "alias", "previousId": what}


def sayable(steps: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The steps as messages, without those beyond the second sighting or end of a person in an account.

    Of more, a relationship keeps the first and the last one of a period, so an end that comes late and lies between
    them tells where one period ends but not exactly where the next one begins. A visitor who is two people counts for
    both.
    """
    seen: Counter[tuple[Any, ...]] = Counter()
    found = []
    shared = {FAMILY[who] for kind, who, *_ in steps if kind == "logs in"} == {"u", "v"}
    for number, (kind, who, of, back, what) in enumerate(steps):
        if kind in ("joins", "works for", "leaves", "quits"):
            ends = kind in ("leaves", "quits")
            families = "uv" if shared and who == "x" else FAMILY[who]
            places = [(family, place, ends) for family in families for place in (of or "ab")]
            seen.update(places)
            if any(seen[place] > 2 for place in places):
                continue
        found.append(message(number, kind, who, of, back, what))
    return found


def present() -> Moment:
    return moment(NOW)


def deliver(source: Source, batches: list[list[dict[str, Any]]], pauses: set[int]) -> None:
    """Record the batches, with the background at work after some of them, and evaluate what they brought."""
    for number, batch in enumerate(batches):
        envelope = Envelope(NOW, f"r{number}")
        messages: list[Tracked] = read_batch({"batch": batch}, envelope)
        for message, told in zip(messages, batch, strict=True):
            message.deletes = bool(told.get("deletes"))  # as Userlist's dialect reads one of a user
        record(source, messages, envelope)
        assert not [one.reason for one in messages if one.outcome in (Outcome.DROPPED, Outcome.FAILED)]
        if number in pauses:
            bring_in(present())
    while refresh_touched(present()) is not None:
        pass


def from_scratch() -> None:
    """Forget where events without a context were placed and all that was derived, and refresh everything."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_event SET account_id = NULL, inferred = FALSE WHERE inferred")
        cursor.execute("UPDATE integrations_pendingevent SET account_id = NULL WHERE inferred")
        cursor.execute("UPDATE integrations_identity SET behind = TRUE")
        for table in (
            "segments_accountmembership", "segments_usermembership", "health_accounthealth", "usage_dailyusage",
            "usage_pendingusage", "usage_useractivity", "usage_accountusage", "usage_accounttraits", "usage_usertraits",
        ):  # fmt: skip
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM usage_event")
        mark_days([day for (day,) in cursor.fetchall()])
    mark_users(EndUser.objects.values_list("pk", flat=True))
    refresh_everything(now=present())


def found() -> dict[str, Any]:
    """What stands, by names and not by row numbers; of accounts without any sign of life no numbers need be kept."""
    rows = state()
    rows["usage"] = [row for row in rows["usage"] if any(row[1:])]
    who = ("user__external_id", "account__external_id")
    rows["events"] = sorted(Event.objects.values_list("message_id", *who, "inferred"), key=str)
    rows["belonging"] = sorted(Relationship.objects.values_list(*who, "started_at", "ended_at"), key=str)
    rows["roles"] = sorted(Relationship.objects.open().values_list(*who, "role"))
    rows["people"] = sorted(EndUser.objects.values_list("external_id", "title"))
    rows["visitors"] = sorted(Identity.objects.filter(name="x").values_list("name", "facts"))
    return rows


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=4, max_size=14), data=st.data())
def test_any_order_is_full(source: Source, steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    sent = sayable(steps)
    states = []
    for turn in range(2):
        order = data.draw(st.permutations(sent)) if turn else sorted(sent, key=lambda one: one["timestamp"])
        if turn:
            order += data.draw(st.lists(st.sampled_from(sent), max_size=4)) if sent else []
        size = data.draw(st.integers(1, 4)) if turn else 100
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        with transaction.atomic():
            deliver(source, batches, data.draw(st.sets(st.integers(0, 9), max_size=2)) if turn else set())
            states.append(found())
            if turn:
                from_scratch()
                states.append(found())
            transaction.set_rollback(True)
    in_order, in_any_order, anew = states
    for key in in_order:
        assert in_any_order[key] == in_order[key], key
        assert anew[key] == in_any_order[key], key


@pytest.fixture
def source(db: None) -> Source:
    for name in ("Export", "Login"):
        EventName.objects.create(name=name)
    save_trait(None, name="Exports", method="count", definition={"event": "Export"})
    for key in ("busy", "anywhere", "admins", "seen"):
        save_segment(None, key=key, name=key.title(), rule=RULES[key])
    for name in "ab":
        Account.objects.create(external_id=name, name=name)
    refresh_everything(now=present())
    return keys.create_source("Web app")[0]
