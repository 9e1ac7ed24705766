"""How messages are delivered: signed, in order, again with the same id, and what each answer of a receiver does."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from alerts.models import Notice
from core.intake import BadValue
from core.signing import signature
from integrations.destinations import sending
from integrations.destinations.editing import (
    add_item,
    change_destination,
    go_on,
    make_destination,
    retry,
    rotate_secret,
)
from integrations.destinations.filling import look
from integrations.destinations.testing import send_test
from integrations.models import Destination, Outgoing
from segments.models import Segment
from tests import factories
from tests.destinations.conftest import Make, run
from tests.destinations.endpoint import Endpoint, Request
from tests.hiring import hiring

VECTOR = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')


@pytest.fixture
def segment(db: None) -> Segment:
    """Everybody: three accounts without users."""
    for name in ("a1", "a2", "a3"):
        factories.account(external_id=name)
    return factories.segment("All", {"field": "account.name", "op": "is_set"})


def states() -> list[str]:
    """What became of the messages, in order."""
    return list(Outgoing.objects.order_by("pk").values_list("state", flat=True))


def verified_by_libraries(request: Request, secret: str) -> None:
    """Both libraries of receivers take it, and neither takes it with a byte changed."""
    standard, svix = pytest.importorskip("standardwebhooks"), pytest.importorskip("svix.webhooks")
    for library in (standard, svix):
        library.Webhook(secret).verify(request.body, request.headers)
        with pytest.raises(library.WebhookVerificationError):
            library.Webhook(secret).verify(request.body + b" ", request.headers)


def test_the_signature_is_that_of_the_specification() -> None:
    assert signature(*VECTOR) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_is_signed_and_verified(segment: Segment, make: Make, endpoint: Endpoint) -> None:
    to: Any = make("webhook", path="/hook", events_of_first=True)
    add_item(to, segment=segment.key)
    run()
    assert [event["type"] for event in endpoint.events] == ["account.updated", "audience.entered"] * 3
    for request in endpoint.got:
        verified_by_libraries(request, to.key)
        assert request.said.keys() == {"type", "timestamp", "data"} and len(request.body) < 20_000
        assert request.headers["webhook-id"] == request.said["data"]["id"]
    assert endpoint.events[0]["data"]["account"] == {"id": "a1"} and endpoint.events[0]["data"]["value"] is True
    assert len({request.headers["webhook-id"] for request in endpoint.got}) == 6
    assert to.key not in Destination.objects.get().secret


def test_a_retry_keeps_its_id_and_has_a_new_timestamp(
    segment: Segment, make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SHORT_WAIT", 0.0)
    to: Any = make("webhook", events=False)
    add_item(to, segment=segment.key)
    with time_machine.travel("2026-03-01 12:00:00Z", tick=False) as clock:
        endpoint.answer(503)
        run()
        run()
        assert len(endpoint.got) == 1, "it rests, and what is behind does not overtake it"
        to.refresh_from_db()
        assert dt.timedelta(seconds=5) <= to.rests_until - timezone.now() <= dt.timedelta(seconds=6)
        clock.shift(10)
        run()
        first, second = endpoint.got[:2]
        assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
        assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 10
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
        verified_by_libraries(second, to.key)
    assert [event["data"]["account"]["id"] for event in endpoint.events] == ["a1", "a1", "a2", "a3"]
    to.refresh_from_db()
    assert states() == ["sent"] * 3 and not to.failures and not to.error


def test_while_a_key_is_changed_both_sign(segment: Segment, make: Make, endpoint: Endpoint) -> None:
    to: Any = make("webhook", events=False)
    add_item(to, segment=segment.key)
    new = rotate_secret(to)
    run()
    for secret in (to.key, new):
        verified_by_libraries(endpoint.got[0], secret)
    with time_machine.travel(timezone.now() + dt.timedelta(days=2)):
        send_test(Destination.objects.get())
        verified_by_libraries(endpoint.got[-1], new)
    assert len(endpoint.got[-1].headers["webhook-signature"].split()) == 1
    with pytest.raises(BadValue):
        rotate_secret(make("track", name="Other"))


def test_the_schedule_ends_with_the_destination_switched_off_and_its_owner_told(
    segment: Segment, make: Make, endpoint: Endpoint
) -> None:
    owner = factories.member("admin")
    to = make("webhook", author=owner.user)
    add_item(to, segment=segment.key)
    rests = []
    with time_machine.travel("2026-03-01 12:00:00Z", tick=False) as clock:
        while to.active and len(rests) < 20:
            endpoint.answer(500)
            clock.shift(dt.timedelta(seconds=1))
            sending.send_due(5) if rests else run()
            to.refresh_from_db()
            if to.active:
                rests.append((to.rests_until - timezone.now()).total_seconds())
                clock.move_to(to.rests_until)
    expected = [wait.total_seconds() for wait in sending.WAITS]
    assert expected == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert all(least <= rest <= least * 1.1 for least, rest in zip(expected, rests, strict=True))
    assert not to.active and to.error == "Answered 500." and set(states()) == {"waiting"}
    notice = Notice.objects.get(member=owner)
    assert notice.title == "Nothing is sent to Tool any more" and notice.text == "Answered 500."
    go_on(to)
    run()
    assert set(states()) == {"sent"}, "what waited is sent when it goes on"


def test_administrators_are_told_if_the_owner_has_left(segment: Segment, make: Make, endpoint: Endpoint) -> None:
    gone, admin = factories.member("admin"), factories.member("admin")
    gone.user.is_active = False
    gone.user.save()
    add_item(make("webhook", author=gone.user), segment=segment.key)
    endpoint.answer(410)
    run()
    assert list(Notice.objects.values_list("member", flat=True)) == [admin.pk]


def test_answers_do_what_they_mean(segment: Segment, make: Make, endpoint: Endpoint) -> None:
    to = make("webhook", events=False)
    add_item(to, segment=segment.key)
    endpoint.answer(429, Retry_After="120")
    run()
    to.refresh_from_db()
    assert 115 < (to.rests_until - timezone.now()).total_seconds() <= 120 and to.active
    assert Outgoing.objects.order_by("pk").first().error == "Answered 429: too many messages for now."
    go_on(to)
    endpoint.answer(302, Location="http://127.0.0.1:1/elsewhere")
    count = len(endpoint.got)
    run()
    to.refresh_from_db()
    assert len(endpoint.got) == count + 1 and to.failures == 1 and "not followed" in to.error
    go_on(to)
    endpoint.answer(422)
    run()
    assert states() == ["failed", "sent", "sent"], "one that is refused is in nobody's way"
    assert retry(Outgoing.objects.filter(state="failed")) == (1, 0)
    endpoint.answer(410)
    run()
    to.refresh_from_db()
    assert not to.active and "gone for good" in to.error and states()[0] == "waiting"


def test_a_server_that_does_not_answer_in_time_is_asked_again(
    segment: Segment, make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.destinations import posting

    monkeypatch.setattr(posting, "TIMEOUT", 0.1)
    monkeypatch.setattr(sending, "SHORT_WAIT", 0.0)
    to = make("webhook", events=False)
    add_item(to, segment=segment.key)
    endpoint.delay = 0.3
    run()
    to.refresh_from_db()
    assert to.failures == 1 and "does not answer" in to.error and states() == ["waiting"] * 3


def test_of_a_batch_only_what_is_at_fault_fails(segment: Segment, make: Make, endpoint: Endpoint) -> None:
    add_item(make(events=False), segment=segment.key)
    endpoint.answer(400, 200, 400, 200)
    run()
    assert [len(request.said["batch"]) for request in endpoint.got] == [3, 1, 1, 1]
    assert states() == ["sent", "failed", "sent"]


def test_an_endpoint_that_refuses_everything_is_switched_off(
    segment: Segment, make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_REFUSALS", 2)
    to = make("webhook", events=False)
    add_item(to, segment=segment.key)
    endpoint.answer(400, 400, 400)
    run()
    to.refresh_from_db()
    assert not to.active and "2 messages in a row were refused" in to.error
    assert states() == ["failed", "failed", "waiting"]


def test_a_test_message_tells_what_was_answered(make: Make, endpoint: Endpoint) -> None:
    hook: Any = make("webhook", name="Hook")
    endpoint.answer(401)
    taken, said = send_test(hook)
    assert not taken and said.startswith("Answered 401: the key is not accepted.")
    assert send_test(hook)[0]
    verified_by_libraries(endpoint.got[-1], hook.key)
    assert send_test(make())[0] and endpoint.messages[0]["event"] == "csbox Test"
    assert not Outgoing.objects.exists()


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://localhost/x"]
)
def test_private_addresses_are_not_asked(address: str, segment: Segment, db: None) -> None:
    to, _ = make_destination(kind="webhook", name="Inside", address=address)
    taken, said = send_test(to)
    assert not taken and "private network" in said
    for wrong in ("http://example.com/x", "ftp://example.com", "https://user:pw@example.com/"):
        with pytest.raises(BadValue):
            change_destination(to, {"address": wrong})


@pytest.mark.machine
def test_a_worker_killed_between_the_post_and_its_mark_sends_the_same_again(
    committed: None, endpoint: Endpoint, settings: Any
) -> None:
    for name in ("a1", "a2", "a3"):
        factories.account(external_id=name)
    everybody = factories.segment("All", {"field": "account.name", "op": "is_set"})
    to, _ = make_destination(kind="webhook", name="Hook", address=endpoint.url)
    add_item(to, segment=everybody.key)
    workers: list[int] = []

    def kill(request: Request) -> None:
        if len(endpoint.got) <= 2:  # the first two that arrive kill whoever sent them
            os.kill(workers[-1], signal.SIGKILL)

    endpoint.before = kill
    imports = "from integrations.destinations import outgoing"
    with hiring(imports, "outgoing.run(20)", CSBOX_FETCH_ALLOWED="127.0.0.1") as hire:
        for _ in range(3):
            workers.append(hire())
            while os.path.exists(f"/proc/{workers[-1]}"):
                time.sleep(0.005)
    ids = [request.headers["webhook-id"] for request in endpoint.got]
    assert ids[0] == ids[1] == ids[2] and len(ids) == 5 and len(set(ids)) == 3
    assert states() == ["sent"] * 3 and look(20) == 0
