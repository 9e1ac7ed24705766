"""The fifteen things that break a naive server, in the order of the contract; a test each.

The eighth, bodies in chunks, needs a real server (`test_server`). The locks of the eleventh are in `test_at_once`, the
503 of the fifteenth is in `test_spool`.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import time

import pytest
from django.test import Client, override_settings

from accounts.models import Account, EndUser
from core.clock import moment
from integrations.models import Message, Outcome
from integrations.tracking.userlist import KINDS as USERLIST
from integrations.tracking.views import KINDS
from tests.ingest.conftest import KEY, Send, basic, batch, group, identify, outcomes, track
from usage.models import Event

pytestmark = pytest.mark.once

PATHS = [f"/v1/{path}" for path in KINDS] + ["/beacon/v1/batch"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_1_there_is_no_redirect_with_or_without_a_slash(send: Send, path: str, slash: str) -> None:
    body = batch(track()) if path.rsplit("/", 1)[1] in ("batch", "b", "import") else track()
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert send(path + slash, body).status_code == 200
        got = Client(headers={"authorization": basic()}).get(path + slash)
    assert got.status_code == 405 and got.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("path", "body"),
    [(f"/userlist/{kind}", {"identifier": "x", "name": "E", "user": "u1", "company": "a1"}) for kind in USERLIST]
    + [(f"{prefix}/{path}", {"event": "E", "distinct_id": "u1"})
       for prefix in ("", "/posthog") for path in ("batch", "capture", "track", "e", "i/v0/e", "flags", "decide")],
)  # fmt: skip
def test_1_other_dialects_are_not_redirected_either(send: Send, path: str, body: object, slash: str) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert send(path + slash, body).status_code == 200
    assert Message.objects.exists() or path.rsplit("/", 1)[1] in ("flags", "decide")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/v1", "/v1/batch/more"])
def test_1_an_unknown_address_is_no_redirect_either(send: Send, path: str) -> None:
    answer = send(path, batch(track()))
    assert answer.status_code == 404 and set(answer.json()) == {"success", "code", "message", "error"}


def test_2_success_is_exactly_200(send: Send) -> None:
    for body in (batch(track()), batch(), batch({"type": "nonsense"}), batch(track(user=None))):
        assert send("/v1/batch", body).status_code == 200


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [
        (b"{", KEY, 400),
        (b"[]", KEY, 400),
        (b'{"batch": 1}', KEY, 400),
        (b"{}", None, 401),
        (b'{"batch": []}', "wrong", 401),
        (b"\x1f\x8bnonsense", KEY, 400),
        (b'{"batch": ["' + b"x" * 4_200_000 + b'"]}', KEY, 413),
    ],
)
def test_3_every_error_has_code_and_message(send: Send, body: bytes, key: str | None, status: int) -> None:
    answer = send("/v1/batch", body, key=key)
    assert answer.status_code == status
    said = answer.json()
    assert said["success"] is False and said["code"] and said["message"] and said["error"]


def test_4_the_answer_is_an_object_that_says_success(send: Send) -> None:
    said = json.loads(send("/v1/batch", batch(track())).content)
    assert said == {"success": True}


def test_5_what_a_message_says_never_refuses_the_request(send: Send) -> None:
    bad = [
        track(event=""), track(event=None), track(user=None), {"type": "track"}, {"type": "who"}, {}, 7, None, [], "x",
        group(account=None), {"type": "alias", "userId": "u1"}, track(user="x" * 300), track(userId={"a": 1}),
        track(properties={"deep": json.loads("[" * 60 + "]" * 60)}), track(user="a\u200bb"), track(event="e" * 300),
    ]  # fmt: skip
    messages = [item if not isinstance(item, dict) else {"messageId": f"b{n}"} | item for n, item in enumerate(bad)]
    answer = send("/v1/batch", {"batch": [*messages, {"messageId": "good"} | group()]})
    assert answer.status_code == 200
    found = dict(outcomes())
    assert found.pop("good") == Outcome.STORED
    assert len(found) == len(bad) and set(found.values()) == {Outcome.DROPPED}
    assert all(Message.objects.filter(outcome=Outcome.DROPPED).values_list("reason", flat=True))


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json", "nonsense"])
@pytest.mark.parametrize("packed", [True, False])
def test_6_the_content_type_says_nothing(send: Send, kind: str, packed: bool) -> None:
    raw = json.dumps(batch(group(), track())).encode()
    assert send("/v1/batch", gzip.compress(raw) if packed else raw, kind=kind).status_code == 200
    assert Event.objects.get().account.external_id == "a1"  # type: ignore[union-attr]


def test_7_gzip_is_unpacked_up_to_a_limit(send: Send) -> None:
    bomb = gzip.compress(b'{"batch": ["' + b" " * 50_000_000 + b'"]}')
    assert len(bomb) < 100_000
    assert send("/v1/batch", bomb, **{"content-encoding": "gzip"}).status_code == 413
    assert send("/v1/batch", gzip.compress(b'{"batch": []}')[:-4]).status_code == 400


def test_7_nearly_four_megabytes_are_taken_packed_or_not(send: Send) -> None:
    """Django's own limit is 2.5."""
    for place, pack in enumerate((bytes, gzip.compress)):
        raw = json.dumps({"batch": [track(messageId=f"l{place}")], "other": "x" * 4_100_000}).encode()
        assert send("/v1/batch", pack(raw)).status_code == 200
    assert Event.objects.count() == 2


def test_9_what_postgresql_cannot_keep_is_put_right(send: Send) -> None:
    raw = (
        b'{"batch": [{"type": "track", "messageId": "p1", "userId": "u1", "event": "E\\u0000vent", "properties": '
        b'{"a\\u0000b": "x\\u0000y", "half": "\\ud83d!", "nan": NaN, "inf": -Infinity, "big": 1e999, '
        b'"face": "\\ud83d\\ude00"}},'
        b'{"type": "identify", "messageId": "p2", "userId": "u1", "traits": {"name": "N\\u0000ul \\ude00", "n": NaN}},'
        b'{"type": "track", "messageId": "p3\xff", "userId": "u\xc3\xa9", "event": "Raw \xff bytes \x00"}]}'
    )
    assert send("/v1/batch", raw).status_code == 200
    event = Event.objects.select_related("name").get(message_id="p1")
    assert event.name.name == "Event"
    assert event.properties == {"ab": "xy", "half": "\ufffd!", "nan": None, "inf": None, "big": None, "face": "😀"}
    assert EndUser.objects.get(external_id="u1").name == "Nul \ufffd"
    assert len(outcomes()) == 3 and not Message.objects.filter(outcome__in=["dropped", "failed"]).exists()


def test_10_a_repetition_is_stored_once_in_whatever_batch_it_comes(send: Send) -> None:
    one, two, three = ({"messageId": f"r{n}"} | track() for n in range(3))
    for sent in ([one, two], [one, two], [three, two, two], [one]):
        assert send("/v1/batch", {"batch": sent}).status_code == 200
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["r0", "r1", "r2"]
    assert [outcome for _, outcome in outcomes()].count(Outcome.DUPLICATE) == 5


def test_10_a_whole_batch_is_answered_before_the_quickest_sdk_gives_up(send: Send) -> None:
    """analytics-ruby waits for 8 seconds; the largest batch that a Python SDK makes has 508,000 bytes."""
    calls = [track(user=f"u{n}", messageId=f"w{n}", properties={"text": "x" * 4_850}) for n in range(100)]
    raw = json.dumps({"batch": [group(messageId="wg"), *calls]}).encode()
    assert 495_000 < len(raw) < 520_000
    began = time.monotonic()
    assert send("/v1/batch", raw).status_code == 200
    assert time.monotonic() - began < 8 and Event.objects.count() == 100


@pytest.mark.parametrize("turn", [1, -1])
def test_11_the_latest_value_wins_by_its_time(send: Send, turn: int) -> None:
    def at(hour: int) -> str:
        return f"2026-05-01T{hour:02}:00:00Z"

    calls = [
        group(traits={"plan_tier": "old", "seats": 3, "note": "x"}, timestamp=at(1)),
        group(traits={"plan_tier": "new", "note": None}, timestamp=at(2)),
        identify(traits={"title": "Boss"}, timestamp=at(2)),
        identify(traits={"title": "Clerk", "email": "u@example.com"}, timestamp=at(1)),
    ]
    for place, call in list(enumerate(calls))[::turn]:
        send("/v1/batch", {"batch": [{"messageId": f"o{place}"} | call]})
    account, user = Account.objects.get(), EndUser.objects.get()
    assert account.attributes == {"plan_tier": "new"} and account.stated_licences == 3
    assert (user.title, user.email) == ("Boss", "u@example.com")


def test_12_sizes_are_checked_here(send: Send) -> None:
    large = track(properties={"text": "x" * 60_000})
    sent = batch(large, track(), *(track(n=n) for n in range(2_600)))
    assert send("/v1/batch", sent).status_code == 200
    found = [outcome for _, outcome in outcomes()]
    assert found[0] == Outcome.DROPPED and Event.objects.count() == 2_499
    assert found.count(Outcome.DROPPED) == 1 + 102
    alone = send("/v1/track", large)
    assert alone.status_code == 413 and alone.json()["code"] == "message-too-large"


def test_13_traits_of_the_user_may_stand_in_the_context_alone(send: Send) -> None:
    send("/v1/batch", batch(identify(context={"traits": {"email": "c@example.com", "title": "CFO"}})))
    send("/v1/batch", {"batch": [identify(messageId="n", traits={"title": "CEO"}, context={"traits": {"title": "x"}})]})
    user = EndUser.objects.get()
    assert (user.email, user.title) == ("c@example.com", "CEO")


def test_14_ids_come_as_null_as_nothing_and_as_numbers(send: Send) -> None:
    sent = batch(
        group(account=7, user=None, anonymousId=""),
        group(account=7.0, user=""),
        group(account=7, user=12),
        track(user=None, anonymousId=99, context={"groupId": 7}),
        track(user="", anonymousId=None),
    )
    assert send("/v1/batch", sent).status_code == 200
    assert Account.objects.get().external_id == "7"
    assert EndUser.objects.get().external_id == "12"
    assert Event.objects.get().account.external_id == "7"  # type: ignore[union-attr]
    assert outcomes()[-1][1] == Outcome.DROPPED


@pytest.mark.parametrize("nobody", ["undefined", "null", "[object Object]", "NaN", "None", " undefined "])
def test_14_what_programs_make_of_no_id_is_nobody(send: Send, nobody: str) -> None:
    calls = [
        track(user=nobody), track(user=None, anonymousId=nobody), group(account=nobody), identify(nobody),
        track(context={"groupId": nobody}), {"type": "alias", "userId": "u1", "previousId": nobody},
        identify(traits={"company": {"id": nobody}}),
    ]  # fmt: skip
    assert send("/v1/batch", batch(*calls)).status_code == 200
    assert {outcome for _, outcome in outcomes()} == {Outcome.DROPPED}
    assert all(f"“{nobody.strip()}”" in reason for reason in Message.objects.values_list("reason", flat=True))
    assert not Account.objects.exists() and not EndUser.objects.exists()
    assert send("/userlist/users", {"identifier": nobody}).status_code == 422
    send("/v1/batch", {"batch": [track(messageId=nobody), track(messageId=nobody), track(user="Null")]})
    assert Event.objects.count() == 3  # a messageId of that kind is none, and not the same message


def test_15_who_sends_too_much_is_told_when_to_come_back(send: Send) -> None:
    with override_settings(INGEST_RATE=1):
        key_of_nobody = "wk_that-opens-nothing-at-all"
        answers = [send("/v1/batch", batch(), key=key_of_nobody) for _ in range(12)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[-1].status_code == 429
    assert answers[-1]["Retry-After"].isdigit() and int(answers[-1]["Retry-After"]) >= 1
    assert answers[-1].json()["code"] == "too-many-requests"


def test_the_clock_of_the_sender_is_corrected(send: Send) -> None:
    now = moment().now.replace(microsecond=0)

    def text(hours: float) -> str:
        return (now + dt.timedelta(hours=hours)).isoformat()

    ahead = [
        track(timestamp=text(3 - 1)),  # an hour ago, by a clock that is three hours ahead
        track(originalTimestamp=text(3 - 2)),
        track(timestamp=text(-5), originalTimestamp=text(3)),  # as it is
        track(timestamp="yesterday"),
        track(timestamp="2038-01-19T03:14:07Z"),
        track(timestamp=text(0.5), sentAt=text(1)),  # the message's own sentAt decides
        track(),
    ]
    send("/v1/batch", batch(*ahead, sentAt=text(3)))
    found = dict(Event.objects.values_list("message_id", "at"))
    for place, hours in enumerate((-1, -2, -5, 0, 0, -0.5, 0)):
        assert abs((found[f"m{place}"] - now).total_seconds() - hours * 3600) <= 3, place


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"timestamp": "yesterday"}, "“timestamp” is no time: yesterday. The time of receipt is taken."),
        ({"timestamp": {"at": 1}}, "“timestamp” is no time"),
        ({"timestamp": True}, "“timestamp” is no time: True"),
        ({"originalTimestamp": "2026-13-01T00:00:00Z"}, "“originalTimestamp” is no time: 2026-13-01T00:00:00Z."),
        ({"timestamp": "2038-01-19T03:14:07Z"}, "more than a day ahead (2038-01-19T03:14:07+00:00). The time of rec"),
        ({"timestamp": "1999-12-31T23:59:59Z"}, "before 2000"),
        ({"timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T00:00:00Z"}, "before 2000"),
        ({"timestamp": "nonsense", "originalTimestamp": "2014-03-01T00:00:00Z"}, "originalTimestamp is taken."),
        ({"timestamp": "2014-03-01T00:00:00Z"}, ""),
        ({"timestamp": None, "originalTimestamp": ""}, ""),
        ({}, ""),
    ],
)
def test_a_time_that_is_replaced_is_told_in_the_debugger(
    send: Send, path: str, times: dict[str, object], said: str
) -> None:
    call = track(context={"groupId": "a1"}, **times)
    send(path, batch(call) if path.endswith("batch") else call)
    row = Message.objects.get()
    assert row.outcome == Outcome.STORED
    assert said in row.reason and bool(said) == bool(row.reason)
    if said and "originalTimestamp is taken" not in said:
        assert row.at == row.received_at == Event.objects.get().at
