"""A visitor who is several users in turn: what is said under it is each one's by its time. A former id of several: what
is said under it is the last one's. In whatever order it comes, in however many batches and however often."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from django.db import transaction

from accounts.models import EndUser, Relationship
from accounts.privacy.erasing import continue_erasures, request_erasure
from csbox.pipeline import bring_in
from integrations.models import Identity, Outcome, Source, UserMerge
from integrations.tracking import merging
from integrations.tracking.messages import Envelope, read_batch
from integrations.tracking.recording import record
from tests.ingest.conftest import Send, group, identify, track
from usage.models import DailyUsage, Event
from usage.rollup import roll_up

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
X = {"user": None, "anonymousId": "x"}


def on(day: int) -> str:
    """An instant of a month."""
    return (START + dt.timedelta(days=day)).isoformat()


def titles() -> dict[str, str]:
    return dict(EndUser.objects.values_list("external_id", "title"))


def test_what_a_shared_computer_says_goes_to_whose_it_was_then(send: Send) -> None:
    """The later log-in is heard of first, and all that was said before it is taken for that user's at first."""
    calls = [
        identify("u2", traits={"title": "Own"}, timestamp=on(1)),
        identify(**X, traits={"title": "Boss", "plan": "pro"}, timestamp=on(3)),
        group("a1", **X, timestamp=on(3)),
        identify("u2", anonymousId="x", timestamp=on(5)),
        identify(**X, traits={"title": "Clerk"}, timestamp=on(6)),
        identify("u2", traits={"title": "Older"}, timestamp=on(2)),
    ]
    for place, call in enumerate(calls):
        send("/v1/batch", {"batch": [{"messageId": f"m{place}"} | call]})
    assert titles() == {"u2": "Clerk"}
    assert Relationship.objects.get().user.external_id == "u2"
    send("/v1/batch", {"batch": [identify("u1", anonymousId="x", timestamp=on(2), messageId="late")]})
    assert titles() == {"u1": "Boss", "u2": "Clerk"}
    found = {user.external_id: user.attributes for user in EndUser.objects.all()}
    assert found == {"u1": {"plan": "pro"}, "u2": {}}
    assert Relationship.objects.get().user.external_id == "u1"


def test_what_is_taken_back_leaves_what_the_user_said(send: Send) -> None:
    """Also what came while something else lay over it."""
    calls = [
        identify(**X, traits={"title": "Boss"}, timestamp=on(4)),
        identify("u2", anonymousId="x", timestamp=on(5)),
        identify("u2", traits={"title": "Own"}, timestamp=on(2)),
        group("a1", "u2", timestamp=on(1)),
        group("a1", **X, timestamp=on(3)),
        track("Account Removed User", **X, context={"groupId": "a1"}, timestamp=on(4)),
    ]
    for place, call in enumerate(calls):
        send("/v1/batch", {"batch": [{"messageId": f"m{place}"} | call]})
    assert titles() == {"u2": "Boss"} and not Relationship.objects.open().exists()
    send("/v1/batch", {"batch": [identify("u1", anonymousId="x", timestamp=on(2), messageId="late")]})
    assert titles() == {"u1": "Boss", "u2": "Own"}
    rows = Relationship.objects.order_by("user__external_id").values_list("user__external_id", "started_at", "ended_at")
    day = {number: START + dt.timedelta(days=number) for number in range(9)}
    assert list(rows) == [("u1", day[3], day[4]), ("u2", day[1], None)]


def test_what_somebody_said_who_is_erased_is_not_the_next_ones(send: Send) -> None:
    calls = [
        identify(**X, traits={"title": "Secret"}, timestamp=on(3)),
        identify("u1", anonymousId="x", timestamp=on(2)),
        identify("u2", anonymousId="x", timestamp=on(5)),
        identify(**X, traits={"title": "Clerk"}, timestamp=on(6)),
    ]
    for place, call in enumerate(calls):
        send("/v1/batch", {"batch": [{"messageId": f"m{place}"} | call]})
    assert titles() == {"u1": "Secret", "u2": "Clerk"}
    request_erasure("user", "u1", by="somebody")
    continue_erasures()
    send("/v1/batch", {"batch": [identify("u0", anonymousId="x", timestamp=on(1), messageId="late")]})
    assert titles() == {"u0": "", "u2": "Clerk"}
    assert [fact["values"] for fact in Identity.objects.get().facts] == [{"title": "Clerk"}]


@pytest.mark.parametrize("seed", range(10))
def test_a_former_id_of_two_users_is_the_later_ones(send: Send, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With all that was and is said by it, whichever alias comes first, and however far the first merge has got."""
    monkeypatch.setattr(merging, "SLICE", 2)
    now = dt.datetime.now(dt.UTC)
    old: dict[str, Any] = {"user": "old"}
    calls = [
        (9, identify(**old, traits={"title": "Chief", "seat": 1})), (9, group("a1", **old)),
        *[(8, track(f"E{number}", **old)) for number in range(5)], (2, identify(**old, traits={"title": "Later"})),
        (2, track("E9", **old)), (5, {"type": "alias", "previousId": "old", "userId": "A"}),
        (4, {"type": "alias", "previousId": "old", "userId": "B"}), (9, identify("A", traits={"title": "Own"})),
        (9, group("a2", "A")), (9, group("a3", "B")), (8, identify("B", traits={"seat": 7})),
    ]  # fmt: skip
    dice = random.Random(seed)
    order = [{"messageId": f"m{place}", "timestamp": (now - dt.timedelta(days=days)).isoformat()} | call
             for place, (days, call) in enumerate(calls)]  # fmt: skip
    dice.shuffle(order)
    while order:
        size = dice.randint(1, 4)
        send("/v1/batch", {"batch": order[:size]})
        order = order[size:]
        if dice.random() < 0.4:
            bring_in()
        elif merge := UserMerge.objects.first():
            merging.merge_slice(merge.pk)
    bring_in()
    people = {user.external_id: (user.title, user.attributes) for user in EndUser.objects.all()}
    assert people == {"A": ("Own", {}), "B": ("Later", {"seat": 7})}
    pairs = set(Relationship.objects.open().values_list("user__external_id", "account__external_id"))
    assert pairs == {("A", "a2"), ("B", "a1"), ("B", "a3")}
    assert set(Event.objects.values_list("user__external_id", flat=True)) == {"B"}
    roll_up()
    assert set(DailyUsage.objects.values_list("user__external_id", flat=True)) <= {"B"}


def drawn(dice: random.Random, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Messages of two users who share what `names` holds."""
    found: list[dict[str, Any]] = []
    for number in range(dice.randint(4, 11)):
        who = dice.choice([{"userId": "u1"}, {"userId": "u2"}, *({"anonymousId": name} for name in names)])
        call: dict[str, Any] = {"messageId": f"m{number}", "timestamp": on(dice.randint(1, 9))} | who
        match dice.randrange(6):
            case 0 | 1:
                both = {"userId": dice.choice(["u1", "u2"]), "anonymousId": dice.choice(names)}
                call |= both | {"type": "identify"}
            case 2 | 3:
                call |= {"type": "identify", "traits": {dice.choice(["title", "plan"]): dice.choice("ABC")}}
            case 4:
                call |= {"type": "group", "groupId": "a1"}
            case _:
                gone = {"event": "Account Removed User", "context": {"groupId": "a1"}}
                call |= {"type": "track"} | ({"event": "Seen"} if dice.random() < 0.6 else gone)
        found.append(call)
    return found


def outcome(source: Source, batches: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """What stands after the batches, and takes them back."""
    with transaction.atomic():
        for number, batch in enumerate(batches):
            envelope = Envelope(START + dt.timedelta(days=20), f"r{number}")
            messages = read_batch({"batch": batch}, envelope)
            record(source, messages, envelope)
            assert not [one.reason for one in messages if one.outcome in (Outcome.DROPPED, Outcome.FAILED)]
        bring_in()
        belonging = ("user__external_id", "account__external_id", "started_at", "ended_at", "role")
        found = {
            "people": sorted(EndUser.objects.values_list("external_id", "title", "attributes"), key=str),
            "belonging": sorted(Relationship.objects.values_list(*belonging), key=str),
            "events": sorted(
                Event.objects.values_list("message_id", "user__external_id", "account__external_id"), key=str
            ),
            "visitors": sorted(Identity.objects.values_list("name", "user__external_id", "facts"), key=str),
        }
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_order_comes_to_the_same(source: Source, seed: int) -> None:
    dice = random.Random(seed)
    sent = drawn(dice, ("x", "y"))
    in_order = outcome(source, [[one] for one in sorted(sent, key=lambda one: (one["timestamp"], one["messageId"]))])
    for _ in range(2):
        order = sent + dice.sample(sent, 2)
        dice.shuffle(order)
        size = dice.randint(1, 3)
        assert outcome(source, [order[start : start + size] for start in range(0, len(order), size)]) == in_order
