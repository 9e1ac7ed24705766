"""`context.active: false`, as a server sends about a user who is not there: it counts, and nobody was seen."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from accounts.models import EndUser
from core.clock import moment
from integrations.tracking.merging import continue_merges
from tests.ingest.conftest import Send, batch, group, identify, track
from usage.metrics import refresh_metrics
from usage.models import AccountUsage, DailyUsage, Event, UserActivity
from usage.rollup import roll_up

pytestmark = pytest.mark.once

AWAY: dict[str, Any] = {"context": {"active": False}}


def ago(days: float) -> str:
    """An instant so many days before now."""
    return (moment().now - dt.timedelta(days=days)).isoformat()


def seen() -> tuple[int | None, int | None]:
    """How many days ago the account and its user were last seen, after the roll-up and the figures."""
    roll_up()
    refresh_metrics(moment())
    account, user = AccountUsage.objects.first(), UserActivity.objects.first()
    found = (account and account.last_seen_at, user and user.last_seen_at)
    return tuple(at and round((moment().now - at).total_seconds() / 86_400) for at in found)  # type: ignore[return-value]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3], ids=str)
def test_whoever_was_not_there_was_not_seen_in_whatever_order_it_comes(send: Send, order: tuple[int, ...]) -> None:
    """Twice each, with a roll-up after each: an older sign of life comes last, an absent one between two others."""
    calls = [
        track("Invoice Sent", timestamp=ago(1), **AWAY),
        track("Report Exported", timestamp=ago(9)),
        track("Report Exported", timestamp=ago(3), **AWAY),
        track("Report Exported", timestamp=ago(40)),
    ]
    send("/v1/batch", {"batch": [group(messageId="g", timestamp=ago(50))]})
    for place in order:
        for _ in range(2):
            send("/v1/batch", {"batch": [{"messageId": f"c{place}"} | calls[place]]})
        seen()
    assert seen() == (9, 9)
    usage = AccountUsage.objects.get()
    assert (usage.events_30d, usage.event_kinds_30d, usage.active_days_30d, usage.active_days_90d) == (3, 2, 1, 2)
    assert (usage.active_users_7d, usage.active_users_30d, usage.active_users_before_30d) == (0, 1, 1)
    assert sorted(DailyUsage.objects.values_list("count", "absent")) == [(1, 0), (1, 0), (1, 1), (1, 1)]


def test_a_user_of_whom_only_servers_tell_was_never_seen(send: Send) -> None:
    send("/v1/batch", batch(group(**AWAY), identify(traits={"title": "CFO"}, **AWAY), track(**AWAY)))
    assert seen() == (None, None) and not UserActivity.objects.exists()
    usage = AccountUsage.objects.get()
    assert (usage.events_30d, usage.active_users_90d, usage.active_days_90d) == (1, 0, 0)
    assert EndUser.objects.get().title == "CFO"
    send("/v1/batch", {"batch": [track(messageId="now")]})
    assert seen() == (0, 0)
    assert DailyUsage.objects.get().absent == 1  # one of two on this day


def test_a_batch_may_say_it_of_all_and_a_message_otherwise(send: Send) -> None:
    calls = [track(), track(context={"active": True}), track(context={"locale": "nb"}), track(context={"active": None})]
    send("/v1/batch", batch(group(), *calls, **AWAY))
    for path in ("track", "t", "page", "screen"):
        send(f"/v1/{path}", track(messageId=path, **AWAY))
    told = dict(Event.objects.values_list("message_id", "active"))
    absent = {"m1", "m3", "track", "t", "page", "screen"}
    assert {name for name, active in told.items() if not active} == absent and len(told) == 8


def test_a_visitor_who_was_not_there_is_not_seen_as_the_user_either(send: Send) -> None:
    """The event waits for its user and account, then for one of them, and is no sign of life when both are known."""
    visitor = track(user=None, anonymousId="v1", timestamp=ago(2), **AWAY)
    here = track("Seen", user=None, anonymousId="v1", timestamp=ago(5), context={"groupId": "a1"})
    send("/v1/batch", batch(visitor, here))
    assert seen() == (5, None)
    send("/v1/batch", {"batch": [identify(messageId="known", anonymousId="v1")]})
    assert seen() == (5, 5)
    send("/v1/batch", {"batch": [group(messageId="home")]})
    assert seen() == (5, 5)
    assert sorted(DailyUsage.objects.values_list("user__external_id", "absent")) == [("u1", 0), ("u1", 1)]


def test_a_merged_user_takes_along_what_was_counted_and_not_what_nobody_saw(send: Send) -> None:
    there = track(user="old", timestamp=ago(4), context={"groupId": "a1"})
    away = track(user="old", timestamp=ago(2), context={"groupId": "a1", "active": False})
    send("/v1/batch", batch(group("a1", "old"), there, away))
    assert seen() == (4, 4)
    send("/v1/batch", {"batch": [{"type": "alias", "messageId": "al", "previousId": "old", "userId": "new"}]})
    continue_merges()
    assert seen() == (4, 4)
    assert UserActivity.objects.get().user.external_id == "new"
    assert sorted(DailyUsage.objects.values_list("count", "absent")) == [(1, 0), (1, 1)]
