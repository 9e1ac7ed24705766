"""Bodies that are nested deep: every part of the request that can be read is kept, wherever the key stands."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from typing import Any

import pytest

from integrations.models import Message, Outcome
from integrations.tracking import outages, spool
from integrations.tracking.bodies import DEEPEST, BadRequest, parse
from tests.ingest.conftest import KEY, Send, outcomes
from usage.models import Event

pytestmark = pytest.mark.once

DEPTHS = (40, 70, 330, 520, 960, 990, 1_200, 20_000)
ESCAPES = ("", r"\ud83d\ude00", r"\u0000", r"\ud800")
LISTS, OBJECTS, BOTH = ("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")


def nested(depth: int, pair: tuple[str, str], inside: str) -> str:
    """So many levels around a text, as JSON."""
    times = depth // 2 if pair == BOTH else depth
    return pair[0] * times + f'"{inside}"' + pair[1] * times


def deep_batch(deep: str, escape: str, *, first: str = "", last: str = "") -> str:
    """A batch whose second message is deep, between two that are not, with members before and behind it."""
    good = '{"type":"track","messageId":"m%s","userId":"u1","event":"E%s","timestamp":"2026-05-01T10:00:00Z"}'
    bad = '{"type":"track","messageId":"m2","userId":"u1","event":"Deep","properties":{"deep":' + deep + "}}"
    members = [first, f'"batch": [{good % (1, escape)}, {bad} ,{good % (3, escape)}]', last]
    return "{" + ",".join(member for member in members if member) + "}"


@pytest.mark.parametrize("place", ["header", "before", "behind"])
@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deep_message_stands_in_nobodys_way(send: Send, depth: int, escape: str, place: str) -> None:
    key = f'"writeKey": "{KEY}"'
    first, last = (key if place == "before" else ""), (key if place == "behind" else "")
    said = '"sentAt":"2026-05-01T10:00:00Z","context":{"groupId":"a1"}'
    deep = nested(depth, {"header": LISTS, "before": OBJECTS, "behind": BOTH}[place], escape)
    body = deep_batch(deep, escape, first=first, last=f"{last},{said}" if last else said)
    answer = send("/v1/batch", body.encode(), key=KEY if place == "header" else None)
    assert answer.status_code == 200 and answer.json() == {"success": True}
    seen = list(Message.objects.order_by("id"))
    assert [row.outcome for row in seen] == [Outcome.STORED, Outcome.DROPPED, Outcome.STORED]
    assert "nested" in seen[1].reason
    # What the batch says of all its messages was read too: the account, and the clock that is off by months.
    events = list(Event.objects.order_by("id"))
    assert [event.account and event.account.external_id for event in events] == ["a1", "a1"]
    assert all(abs(event.at - event.received_at) < dt.timedelta(minutes=1) for event in events)
    assert events[0].name.name.startswith("E")


def test_what_else_a_batch_holds_may_be_deep_without_harm(send: Send) -> None:
    deep = nested(500, LISTS, "")
    good = '{"type":"track","messageId":"m1","userId":"u1","event":"E"}'
    body = f'{{"context":{deep},"integrations":{deep},"batch":[{good}, null, 7],"other":{deep},"writeKey":"{KEY}"}}'
    assert send("/v1/batch", body.encode(), key=None).status_code == 200
    assert [outcome for _, outcome in outcomes()] == [Outcome.NO_ACCOUNT, Outcome.DROPPED, Outcome.DROPPED]


@pytest.mark.parametrize("depth", [70, 500, 20_000])
@pytest.mark.parametrize(("path", "about"), [("/v1/track", "success"), ("/userlist/events", "errors")])
def test_a_message_alone_that_is_too_deep_is_refused(send: Send, depth: int, path: str, about: str) -> None:
    body = f'{{"userId": "u1", "event": "E", "properties": {nested(depth, OBJECTS, "")}}}'
    answer = send(path, body.encode())
    assert answer.status_code == 400 and answer.json()["code"] == "json-too-deep" and about in answer.json()
    assert not Message.objects.exists()


def test_posthog_events_in_a_list_are_read_one_by_one(send: Send) -> None:
    good = f'{{"api_key":"{KEY}","event":"E","distinct_id":"u1","uuid":"one"}}'
    deep = f'{{"api_key":"{KEY}","event":"E","properties":{nested(900, LISTS, "")}}}'
    assert send("/e/", f"[{good},{deep}]".encode(), key=None).status_code == 200
    assert [outcome for _, outcome in outcomes()] == [Outcome.NO_ACCOUNT, Outcome.DROPPED]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000, '{"batch":' + "[" * 5_000, '{"a":' * 5_000, '{"batch":[' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"batch":[' + "[" * 5_000 + "]" * 5_000 + "]} more", '{"batch":[' + "[" * 5_000 + "]" * 5_000 + ",nonsense]}",
        "{batch:[" + "[" * 5_000 + "]" * 5_000 + "]}", '{"batch": 1, "a":' + "[" * 5_000 + "]" * 5_000 + "}",
    ],
)  # fmt: skip
def test_deep_nonsense_is_no_json(text: str) -> None:
    with pytest.raises(BadRequest) as error:
        parse(text)
    assert error.value.status == 400 and error.value.code in ("invalid-json", "json-too-deep")


def test_the_limit_is_exact_and_marks_in_texts_count_for_nothing() -> None:
    inside: Any = parse('{"batch": [' + nested(DEEPEST - 2, LISTS, "") + "]}")
    assert isinstance(inside["batch"][0], list)
    beyond: Any = parse('{"batch": [' + nested(DEEPEST - 1, LISTS, "") + ', {"a": "]}[[{,\\"]"}, []]}')
    assert isinstance(beyond["batch"][0], str) and beyond["batch"][1:] == [{"a": ']}[[{,"]'}, []]


def test_a_deep_batch_is_kept_while_the_database_is_away(send: Send, settings: Any, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    body = deep_batch(nested(960, OBJECTS, r"\ud83d"), "")
    outages.note_away()
    try:
        assert send("/v1/batch", body.encode()).status_code == 200
    finally:
        outages.note_there()
    assert spool.drain() == 1 and Event.objects.count() == 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_json(send: Send, packed: bool) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"batch": [{"type": "track", "userId": "u1", "event": "\ufeffE"}]}).encode()
    assert send("/v1/batch", gzip.compress(body) if packed else body).status_code == 200
    assert Event.objects.count() == 1
    assert send("/v1/batch", b"\xef\xbb\xbf" + body).status_code == 400  # one is stripped, not any number
