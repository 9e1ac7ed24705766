"""Users who become one: in any chain of former ids, in slices, and exact wherever the work is cut off."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from accounts.models import EndUser, Erasure, Relationship
from accounts.privacy.erasing import continue_erasures, request_erasure
from csbox.pipeline import bring_in, is_to_bring_in
from integrations.models import Identity, UserMerge
from integrations.tracking import merging
from tests.ingest.conftest import Send, batch, group, identify, track
from usage.models import DailyUsage, Event
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
AT = {"timestamp": "2026-06-02T10:00:00Z"}
EVENTS = 10


def alias(previous: str, user: str, **more: Any) -> dict[str, Any]:
    """An alias call."""
    return {"type": "alias", "previousId": previous, "userId": user, "messageId": f"{previous}-{user}"} | AT | more


@pytest.fixture
def busy(send: Send, monkeypatch: pytest.MonkeyPatch) -> Send:
    """The user `old` with more events than a slice moves, all counted, who has just become `new`."""
    monkeypatch.setattr(merging, "SLICE", 4)
    calls = [track(user="old", context={"groupId": "a1"}, **AT) for _ in range(EVENTS - 1)]
    send("/v1/batch", batch(group(user="old", **AT), identify("new", **AT), *calls, track(user="old", **AT)))
    bring_in()
    assert send("/v1/batch", {"batch": [alias("old", "new")]}).status_code == 200
    return send


def counted() -> dict[str, int]:
    """How many events are counted, by user; together they are always all of them."""
    roll_up()
    found: dict[str, int] = {}
    for name, count in DailyUsage.objects.values_list("user__external_id", "count"):
        found[name] = found.get(name, 0) + count
    assert sum(found.values()) == Event.objects.exclude(account=None).count()
    return found


def test_a_request_moves_no_event_and_what_comes_later_is_the_present_user(busy: Send) -> None:
    assert Event.objects.filter(user__external_id="old").count() == EVENTS and is_to_bring_in()
    busy("/v1/batch", {"batch": [track(user="old", messageId="later", **AT)]})
    assert Event.objects.get(message_id="later").user.external_id == "new"
    bring_in()
    assert not is_to_bring_in() and counted() == {"new": EVENTS + 1}
    assert EndUser.objects.get().external_id == "new" and Relationship.objects.get().user.external_id == "new"


def test_numbers_are_exact_after_every_slice_and_wherever_it_is_cut_off(
    busy: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = UserMerge.objects.get().pk
    assert merging.merge_slice(number) and counted() == {"old": 6, "new": 4}
    with monkeypatch.context() as patch:
        patch.setattr(merging, "touch", lambda accounts: 1 / 0)
        assert merging.merge_slice(number)
        with pytest.raises(ZeroDivisionError):
            merging.merge_slice(number)
    assert counted() == {"old": 2, "new": 8}  # the slice that did not come to its end is wholly undone
    # Somebody who did not know of the merge stores something about the former user.
    PostgresStore().append([_event("stray")], source="import")
    assert not merging.merge_slice(number)
    assert counted() == {"new": EVENTS + 1} and not is_to_bring_in()
    assert EndUser.objects.count() == 1 and not merging.merge_slice(number)


def _event(message_id: str) -> Any:
    found = Event.objects.order_by("id")[0]
    return EventFact(message_id, found.name.name, found.at, "a1", "old")


def test_whoever_is_erased_meanwhile_leaves_nothing_behind(busy: Send) -> None:
    assert merging.merge_slice(UserMerge.objects.get().pk)
    request_erasure("user", "new", by="somebody")
    continue_erasures()
    assert not Erasure.objects.exclude(state=Erasure.State.DONE).exists()
    assert not EndUser.objects.exists() and not Event.objects.exists() and not UserMerge.objects.exists()
    assert not DailyUsage.objects.exists()


CHAIN = [
    alias("c", "b"),
    alias("b", "a"),
    track(user="c", messageId="e", **AT),
    identify("c", traits={"title": "CFO"}, **AT),
]


# Every order, in one batch or in several.
@pytest.mark.parametrize(("place", "order"), list(enumerate(itertools.permutations(range(4)))), ids=str)
def test_a_chain_of_former_ids_ends_at_the_last(send: Send, place: int, order: tuple[int, ...]) -> None:
    size = (4, 1, 2)[place % 3]
    calls = [{"messageId": f"m{number}"} | CHAIN[number] for number in order]
    for start in range(0, 4, size):
        send("/v1/batch", {"batch": calls[start : start + size]})
    bring_in()
    user = EndUser.objects.get()
    assert (user.external_id, user.title) == ("a", "CFO")
    assert Event.objects.get().user_id == user.pk
    assert set(Identity.objects.values_list("name", "user__external_id", "former")) == {
        ("b", "a", True), ("c", "a", True),
    }  # fmt: skip


def test_a_circle_of_former_ids_leaves_one_user(send: Send) -> None:
    send("/v1/batch", {"batch": [alias("a", "b"), alias("b", "a"), track(user="a", messageId="e", **AT)]})
    bring_in()
    assert Event.objects.get().user == EndUser.objects.get()


def test_a_visitor_who_is_seen_again_in_the_batch_of_the_merge_is_the_present_user(send: Send) -> None:
    earlier, later = ({"timestamp": f"2026-06-0{day}T10:00:00Z"} for day in (4, 5))
    send("/v1/batch", batch(identify("new", **AT), identify("old", anonymousId="x", messageId="one", **later)))
    again = identify("old", anonymousId="x", messageId="two", **earlier)
    assert send("/v1/batch", {"batch": [alias("old", "new"), again]}).status_code == 200
    bring_in()
    assert EndUser.objects.get().external_id == "new"
    visitor = Identity.objects.get(name="x")
    assert visitor.user is not None and visitor.user.external_id == "new"
    send("/v1/batch", batch(track(user=None, anonymousId="x", messageId="three", **later)))
    assert Event.objects.get(message_id="three").user.external_id == "new"
