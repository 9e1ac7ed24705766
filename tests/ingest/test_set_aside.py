"""Messages that could not be recorded: kept whole, tried again once, discarded and taken back; and repeated ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, EndUser, Relationship
from accounts.privacy.erasing import continue_erasures, request_erasure
from integrations.models import Message, Outcome
from integrations.tracking import keys, setting_aside
from integrations.tracking.setting_aside import discard, reasons, retry, set_aside, take_back
from integrations.tracking.tallies import forget_messages
from tests.ingest.conftest import KEY, Send, batch, group, identify, outcomes, plant_poison, track
from usage.models import Event

ROLE = {"Userlist": {"extensions": {"relationship": {"properties": {"role": "owner"}}}}}
WHEN = "2026-05-01T10:00:00+00:00"


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A step with a defect, after the traits were read; called, it is mended."""
    return plant_poison(monkeypatch, "p", lambda message: ValueError(f"poison {message.kind}"))


def send_poison(send: Send) -> None:
    """Three messages that fail among others, with what the batch says of all of them."""
    calls = [
        group(messageId="p1", integrations={}, traits={"plan": "pro", "name": "Acme", "old": None}, timestamp=WHEN),
        track(messageId="p2", timestamp=WHEN, properties={"pages": 3}),
        track(messageId="p3", event="Other", timestamp=WHEN),
        track(messageId="good", user="u2"),
    ]
    assert send("/v1/batch", {"batch": calls, "integrations": ROLE, "context": {"groupId": "a1"}}).status_code == 200


def test_it_waits_and_is_recorded_as_it_would_have_been(send: Send, poison: Callable[[], None]) -> None:
    send_poison(send)
    assert dict(outcomes()) == {"p1": "failed", "p2": "failed", "p3": "failed", "good": "stored"}
    assert [(item.text, item.number) for item in reasons()] == [
        ("ValueError: poison track", 2),
        ("ValueError: poison group", 1),
    ]
    assert retry(set_aside()) == setting_aside.Tried(0, 3, 0)  # nothing was mended
    poison()
    assert retry(set_aside(reason="ValueError: poison group")).recorded == 1
    account, home = Account.objects.get(), Relationship.objects.get()
    assert (account.name, account.attributes, home.role) == ("Acme", {"plan": "pro"}, "owner")
    assert retry(set_aside()) == setting_aside.Tried(2, 0, 0)
    found = Event.objects.get(message_id="p2")
    assert found.at == dt.datetime.fromisoformat(WHEN) and found.properties == {"pages": 3}
    assert found.account == account and found.user and found.user.external_id == "u1"
    assert set(dict(outcomes()).values()) == {Outcome.STORED} and not Message.objects.exclude(said="").exists()
    assert retry(set_aside()) == setting_aside.Tried(0, 0, 0)
    send_poison(send)
    assert Event.objects.count() == 3  # its id was claimed when it came


@pytest.mark.usefixtures("committed")
def test_two_people_who_retry_at_once_record_it_once(at_once: Callable[..., list[Any]], poison: Any) -> None:
    from tests.ingest.test_at_once import post

    keys.create_source("Web app", key=KEY)
    calls = [track(messageId=f"p{n}", context={"groupId": "a1"}) for n in range(6)]
    assert post({"batch": calls}) == 200
    poison()
    tried = at_once(*[lambda: retry(set_aside())] * 4)
    assert sum(item.recorded for item in tried) == 6 and sum(item.failed for item in tried) == 0
    assert Event.objects.count() == 6


def test_many_are_tried_in_parts(send: Send, poison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    send_poison(send)
    poison()
    monkeypatch.setattr(setting_aside, "AT_ONCE", 2)
    assert [retry(set_aside()) for _ in range(2)] == [setting_aside.Tried(2, 0, 1), setting_aside.Tried(1, 0, 0)]


def test_discarded_messages_can_be_taken_back_for_a_while(send: Send, poison: Any) -> None:
    send_poison(send)
    chosen = discard(set_aside(reason="ValueError: poison track"), by="ann")
    assert len(chosen) == 2 and set_aside().count() == 1
    one = Message.objects.get(message_id="p2")
    assert one.outcome == Outcome.DROPPED and one.reason.startswith("Discarded by ann")
    assert take_back(chosen) == 2 and take_back(chosen) == 0
    poison()
    assert retry(set_aside()).recorded == 3


def test_it_is_kept_longer_than_others_but_not_for_good(send: Send, poison: Any) -> None:
    send_poison(send)
    forget_messages(timezone.now() + dt.timedelta(days=30))
    assert {message_id for message_id, _ in outcomes()} == {"p1", "p2", "p3"}
    forget_messages(timezone.now() + dt.timedelta(days=91))
    assert not Message.objects.exists()


def test_one_of_an_older_version_and_of_somebody_erased(send: Send, poison: Any) -> None:
    send_poison(send)
    Message.objects.filter(message_id="p3").update(said="")
    send("/v1/batch", {"batch": [identify("u9", messageId="p9", traits={"company": {"id": "a9"}})]})
    EndUser.objects.create(external_id="u9")
    poison()
    request_erasure("user", "u9", by="ann")
    continue_erasures()
    assert not Message.objects.filter(message_id="p9").exists()
    assert retry(set_aside()) == setting_aside.Tried(2, 1, 0)
    assert Message.objects.get(message_id="p3").reason == setting_aside.NOT_KEPT
    assert not EndUser.objects.filter(external_id="u9").exists()


def test_an_erasure_after_it_was_set_aside_is_respected(send: Send, poison: Any) -> None:
    call = identify("u9", messageId="p9", traits={"company": {"id": "a9", "name": "Nine"}})
    send("/v1/batch", {"batch": [call]})
    Account.objects.create(external_id="a9", name="Nine")
    row = Message.objects.get()
    kept = row.said
    request_erasure("account", "a9", by="ann")
    continue_erasures()
    assert not Message.objects.filter(pk=row.pk).exists()  # it named the account
    row.save(force_insert=True)  # as if it had come back
    poison()
    assert kept and retry(set_aside()) == setting_aside.Tried(0, 1, 0)
    row.refresh_from_db()
    assert (row.outcome, row.payload, row.said, row.account_ref) == (Outcome.DROPPED, "", "", "")
    assert not Account.objects.exists() and not EndUser.objects.exists()


def test_another_message_under_the_same_id_is_told_from_a_repetition(send: Send) -> None:
    one = track(messageId="m", properties={"pages": 1}, context={"groupId": "a1"}, sentAt="2026-05-01T10:00:00Z")
    again = one | {"sentAt": "2026-05-01T10:00:05Z", "_metadata": {"retry": 1}}
    other = one | {"properties": {"pages": 2}}
    send("/v1/batch", {"batch": [one, again, other]})
    send("/v1/batch", {"batch": [again]})
    send("/v1/batch", {"batch": [other]})
    rows = list(Message.objects.order_by("id"))
    assert [row.outcome for row in rows] == [Outcome.STORED] + [Outcome.DUPLICATE] * 4
    assert [row.is_other_content for row in rows] == [False, False, True, False, True]
    assert Event.objects.get().properties == {"pages": 1}
    Message.objects.filter(outcome=Outcome.STORED).delete()  # forgotten: then it cannot be told
    send("/v1/batch", {"batch": [other]})
    assert not Message.objects.order_by("-id")[0].is_other_content


def test_a_batch_without_an_id_is_never_a_repetition(send: Send) -> None:
    send("/v1/batch", {"batch": [track(), track()]})
    send("/v1/batch", batch(track()))
    assert Event.objects.count() == 3
