"""The event store: each message once for good, in the right month, for the right account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from accounts.models import Account, EndUser, Relationship
from core.models import Workspace
from tests import factories
from usage import partitions
from usage.models import DailyUsage, Event, EventName, MessageReceipt, PendingUsage
from usage.rollup import roll_up
from usage.store import Appended, EventFact, PostgresStore

AT = dt.datetime(2026, 3, 31, 23, 30, tzinfo=dt.UTC)


def send(*events: EventFact, source: str = "app", **options: Any) -> Appended:
    return PostgresStore().append(events, source=source, **options)


@pytest.mark.django_db
class TestOneSender:
    def test_a_repetition_is_left_out_whatever_time_it_claims(self) -> None:
        factories.account(external_id="a")
        first = send(EventFact("m1", "Login", AT, "a"), EventFact("m1", "Login", AT, "a"))
        later = send(EventFact("m1", "Login", AT - dt.timedelta(days=400), "a"))
        assert (first.stored, first.repeated, later.stored, later.repeated) == (1, 1, 0, 1)
        assert Event.objects.get().at == AT

    def test_the_same_id_from_another_source_is_another_message(self) -> None:
        send(EventFact("m1", "Login", AT))
        assert send(EventFact("m1", "Login", AT), source="crm").stored == 1
        assert MessageReceipt.objects.count() == 2

    def test_events_lie_in_the_partition_of_their_month(self) -> None:
        send(EventFact("m1", "Login", AT), EventFact("m2", "Login", AT + dt.timedelta(hours=1)))
        with connection.cursor() as cursor:
            cursor.execute("SELECT tableoid::regclass::text FROM usage_event ORDER BY at")
            assert [name for (name,) in cursor.fetchall()] == ["usage_event_y2026m03", "usage_event_y2026m04"]

    def test_the_only_account_of_that_time_fills_in_and_of_several_none_is_guessed(self) -> None:
        one, two = factories.account(), factories.account()
        single, several, former = (factories.end_user(external_id=name) for name in ("single", "several", "former"))
        factories.relationship(one, single)
        factories.relationship(one, several, started_at=AT)
        factories.relationship(two, several, started_at=AT)
        factories.relationship(one, former, started_at=AT - dt.timedelta(days=2), ended_at=AT)
        factories.relationship(two, former, started_at=AT)
        result = send(*[EventFact(name, "Login", AT, user=name) for name in ("single", "several", "former")])
        assert result.homeless == 1
        homes = dict(Event.objects.values_list("user__external_id", "account_id"))
        assert homes == {"single": one.pk, "several": None, "former": two.pk}

    def test_an_event_opens_no_relationship_by_itself(self) -> None:
        result = send(EventFact("m", "Login", AT, "new-account", "new-user"), create_missing=True)
        assert result.stored == 1
        assert Account.objects.count() == EndUser.objects.count() == 1
        assert not Relationship.objects.exists()

    @pytest.mark.parametrize(
        ("event", "key"),
        [
            (EventFact("m", "", AT), "event"),
            (EventFact("m", "a\x00b", AT), "event"),
            (EventFact("m", "x" * 256, AT), "event"),
            (EventFact("", "Login", AT), "message_id"),
            (EventFact("m" * 256, "Login", AT), "message_id"),
            (EventFact("m", "Login", AT, account="nobody"), "account"),
            (EventFact("m", "Login", AT, user="no\x00body"), "user"),
            (EventFact("m", "Login", dt.datetime(2199, 1, 1, tzinfo=dt.UTC)), "at"),
            (EventFact("m", "Login", AT, properties={"x": float("nan")}), "properties"),
            (EventFact("m", "Login", AT, properties={"x\x00": 1}), "properties"),
            (EventFact("m", "Login", AT, properties={"x": "\ud83d"}), "properties"),
            (EventFact("m", "Login", AT, properties={"x": "y" * 70_000}), "properties"),
        ],
    )
    def test_what_cannot_be_stored_is_told_and_the_rest_goes_in(self, event: EventFact, key: str) -> None:
        result = send(event, EventFact("good", "Login", AT))
        assert [(reject.index, reject.key) for reject in result.rejected] == [(0, key)]
        assert result.stored == Event.objects.count() == 1

    def test_properties_come_back_as_they_were(self) -> None:
        sent = {"text": 'a\t"b\\', "list": [1, 2.5, None, True], "deep": {"x": {"y": "ß\u2028"}}}
        send(EventFact("m", "Login", AT, properties=sent))
        assert Event.objects.get().properties == sent

    def test_days_are_marked_in_the_workspaces_zone(self) -> None:
        workspace = Workspace.get()
        workspace.time_zone = "Asia/Tokyo"
        workspace.save()
        factories.account(external_id="a")
        send(EventFact("m", "Login", AT, "a"))
        assert list(PendingUsage.objects.values_list("day", "count")) == [(dt.date(2026, 4, 1), 1)]
        roll_up()
        assert list(DailyUsage.objects.values_list("day", "count")) == [(dt.date(2026, 4, 1), 1)]

    def test_partitions_are_made_ahead_and_dropped_by_month(self) -> None:
        assert partitions.prepare_ahead(dt.date(2031, 11, 30)) == [
            "usage_event_y2031m11",
            "usage_event_y2031m12",
            "usage_event_y2032m01",
        ]
        assert partitions.prepare_ahead(dt.date(2031, 11, 30)) == []
        send(EventFact("m", "Login", AT), EventFact("n", "Login", AT + dt.timedelta(days=40)))
        dropped = PostgresStore().drop_before(dt.date(2026, 4, 15))
        assert "usage_event_y2026m03" in dropped and "usage_event_y2026m05" not in dropped
        assert Event.objects.get().message_id == "n"


@pytest.mark.usefixtures("committed")
class TestManySenders:
    def test_the_same_messages_sent_at_once_are_stored_once(self, at_once: Callable[..., list[Any]]) -> None:
        batch = [EventFact(f"m{n}", f"Event {n % 3}", AT + dt.timedelta(days=n)) for n in range(60)]
        results = at_once(
            *[partial(send, *part) for part in (batch, batch[::-1], batch[20:] + batch[:20], batch[::2] + batch[1::2])]
        )
        assert sum(result.stored for result in results) == 60
        assert Event.objects.count() == MessageReceipt.objects.count() == 60
        assert EventName.objects.count() == 3
