"""Nothing of a visitor is lost: however many events there were, and however often a page repeated its calls."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.models import EndUser, Relationship
from csbox.pipeline import bring_in, is_to_bring_in
from integrations.models import Identity, PendingEvent
from integrations.tracking import settling
from integrations.tracking.visitors import MOST_TIMES, merged, spans, told
from tests.ingest.conftest import Send, batch, group, identify, track
from usage.models import DailyUsage, Event

pytestmark = pytest.mark.django_db
VISITOR = {"user": None, "anonymousId": "v1"}


def days() -> dict[tuple[str | None, str | None], int]:
    """How often, by account and user, once the background has done its part."""
    bring_in()
    assert not is_to_bring_in()
    rows = DailyUsage.objects.values_list("account__external_id", "user__external_id", "count")
    return {(account, user): count for account, user, count in rows}


def test_more_events_than_one_slice_get_their_user(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SLICE", 3)
    at = {"timestamp": "2026-06-01T10:00:00Z"}
    send("/v1/batch", batch(*[track(**VISITOR, context={"groupId": "a1"}, **at) for _ in range(10)]))
    send("/v1/batch", {"batch": [identify(anonymousId="v1", messageId="i") | at]})
    assert Event.objects.exclude(user=None).count() == 3 and is_to_bring_in()
    send("/v1/batch", {"batch": [identify(anonymousId="v1", messageId="again") | at]})  # changes nothing
    assert days() == {("a1", "u1"): 10}
    assert not PendingEvent.objects.filter(user_id=None).exists()


def test_events_of_a_visitor_follow_what_the_visitor_says(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SLICE", 3)
    send("/v1/batch", batch(*[track(**VISITOR, timestamp="2026-06-02T10:00:00Z") for _ in range(8)]))
    assert days() == {}
    send("/v1/batch", {"batch": [group(**VISITOR, messageId="g1", timestamp="2026-06-01T10:00:00Z")]})
    assert days() == {("a1", None): 8}
    send("/v1/batch", {"batch": [group("a2", **VISITOR, messageId="g2", timestamp="2026-06-02T09:00:00Z")]})
    assert days() == {}
    left = track("Account Removed User", **VISITOR, context={"groupId": "a2"}, timestamp="2026-06-02T09:30:00Z")
    send("/v1/batch", {"batch": [left | {"messageId": "g3"}]})
    assert days()["a1", None] == 8


def test_what_is_said_after_a_slice_was_taken_is_heeded(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SLICE", 3)
    send("/v1/batch", batch(*[track(**VISITOR, timestamp="2026-06-02T10:00:00Z") for _ in range(8)]))
    send("/v1/batch", {"batch": [group(**VISITOR, messageId="g1", timestamp="2026-06-01T10:00:00Z")]})
    number = Identity.objects.get().pk
    step = settling._catch_up(number, 0, None)
    assert step is not None
    step = settling._catch_up(number, *step)
    assert step is not None
    send("/v1/batch", {"batch": [group("a2", **VISITOR, messageId="g2", timestamp="2026-06-02T09:00:00Z")]})
    while step is not None:
        step = settling._catch_up(number, *step)
    assert days() == {}


def test_a_page_that_repeats_its_calls_pushes_nothing_out(send: Send) -> None:
    first = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    calls: list[dict[str, Any]] = [identify(**VISITOR, traits={"title": "CFO"}, timestamp=first.isoformat())]
    for hour in range(1, 120):
        at = (first + dt.timedelta(hours=hour)).isoformat()
        calls.append(group(**VISITOR, timestamp=at))
        calls.append(identify(**VISITOR, traits={"email": f"{hour}@example.com"}, timestamp=at))
    send("/v1/batch", batch(*calls))
    assert len(Identity.objects.get().facts) == 1 + MOST_TIMES + (1 + MOST_TIMES)
    send("/v1/batch", {"batch": [identify(anonymousId="v1", messageId="known")]})
    user, belonging = EndUser.objects.get(), Relationship.objects.get()
    assert (user.title, user.email) == ("CFO", "119@example.com")
    assert belonging.started_at == first + dt.timedelta(hours=1)


def test_what_is_kept_does_not_depend_on_the_order() -> None:
    def at(day: int) -> str:
        return dt.datetime(2026, 6, day, tzinfo=dt.UTC).isoformat()

    entries = [
        {"values": {"title": "CFO"}, "at": at(1)},
        {"values": {"title": "CEO", "email": "x@example.com"}, "at": at(3)},
        {"values": {"title": "CTO"}, "at": at(3)},
        *[{"account": "a", "values": {"role": f"r{day}"} if day < 4 else {}, "at": at(day)} for day in (2, 3, 4, 5)],
        {"account": "a", "values": {}, "at": at(6), "ended": True},
    ]
    kept = merged(entries)
    assert merged(entries[::-1]) == merged([*kept, *entries]) == merged(kept) == kept
    assert [(span.account, span.starts.day, span.ends and span.ends.day) for span in spans(kept)] == [("a", 2, 6)]
    values = {key: value for fact in told("u", kept) for key, value in fact.values.items()}
    assert values == {"title": "CTO", "email": "x@example.com", "role": "r3"}
