"""What browsers need: a preflight that allows what it is asked for, headers on every answer, keys in the body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, override_settings

from integrations.models import Source
from tests.ingest.conftest import KEY, basic, batch, group, track
from tests.ingest.test_fifteen_things import PATHS
from usage.models import Event

pytestmark = pytest.mark.once

ORIGIN = "https://app.example.com"
# What the browser SDKs of Segment (on a retry) and RudderStack ask for.
ASKED = ["authorization,content-type,x-retry-count", "AnonymousId, SentAt, Authorization"]


def call(method: str, path: str, body: Any = b"", *, kind: str = "text/plain", **headers: str) -> Any:
    """A request as a page of another origin sends it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(enforce_csrf_checks=True, headers={"origin": ORIGIN} | headers)
    return client.generic(method, path, raw, kind)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("path", [*PATHS, "/userlist/users", "/batch/", "/flags", "/sourceConfig", "/v1/nothing"])
def test_a_preflight_allows_what_it_is_asked_for(path: str, asked: str, db: None) -> None:
    headers = {"access-control-request-method": "POST", "access-control-request-headers": asked}
    with override_settings(SECURE_SSL_REDIRECT=True):
        answer = call("OPTIONS", path, **headers)
    assert answer.status_code == 200 and answer["Access-Control-Allow-Headers"] == asked
    assert {"POST", "GET", "OPTIONS"} == set(answer["Access-Control-Allow-Methods"].split(", "))
    assert answer["Access-Control-Allow-Origin"] == ORIGIN and "Origin" in answer["Vary"]
    assert answer["Access-Control-Allow-Credentials"] == "true" and answer["Access-Control-Max-Age"] == "900"


@pytest.mark.parametrize(
    ("path", "body", "key", "status"),
    [
        ("/v1/batch", batch(track()), KEY, 200), ("/v1/batch", b"{", KEY, 400), ("/v1/batch", b"{}", "wrong", 401),
        ("/v1/nothing", b"{}", KEY, 404), ("/v1/track", {"properties": {"x": "y" * 40_000}}, KEY, 413),
    ],
)  # fmt: skip
def test_every_answer_can_be_read_by_the_page(source: Source, path: str, body: Any, key: str, status: int) -> None:
    answer = call("POST", path, body, authorization=basic(key))
    assert answer.status_code == status
    assert answer["Access-Control-Allow-Origin"] == ORIGIN and "Origin" in answer["Vary"]
    assert answer["Access-Control-Expose-Headers"] == "Retry-After"
    assert call("GET", path)["Access-Control-Allow-Origin"] == ORIGIN


def test_a_refusal_for_a_while_can_be_read_too(source: Source) -> None:
    with override_settings(INGEST_RATE=1):
        answers = [call("POST", "/v1/b", b"{}", authorization=basic("wk_much-too-often")) for _ in range(11)]
    assert answers[-1].status_code == 429 and answers[-1]["Access-Control-Allow-Origin"] == ORIGIN
    assert answers[-1]["Retry-After"].isdigit()


def test_browser_sdks_send_without_a_header_and_ask_where_to(source: Source) -> None:
    sent = [
        call("POST", "/v1/t", track(writeKey=KEY, messageId="t", context={"groupId": "a1"})),
        call("POST", "/v1/b", batch(group(), track(messageId="b"), writeKey=KEY)),
        call("POST", f"/beacon/v1/batch?writeKey={KEY}", batch(track(messageId="beacon"))),
        call("POST", "/v1/track", track(writeKey=KEY, messageId="oauth"), authorization="Bearer of-something-else"),
        call("POST", "/v1/m", {"series": [{"type": "Counter"}]}),
    ]
    assert [answer.status_code for answer in sent] == [200] * 5
    assert set(Event.objects.values_list("message_id", flat=True)) == {"t", "b", "beacon", "oauth"}
    told = call("GET", f"/v1/projects/{KEY}/settings").json()
    assert told["integrations"]["Segment.io"]["apiKey"] == KEY
    assert told["integrations"]["Segment.io"]["apiHost"].endswith("/v1")
    config = call("GET", f"/sourceConfig/?p=npm&writeKey={KEY}").json()["source"]
    assert config["writeKey"] == KEY and config["enabled"] is True and config["destinations"] == []


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
@pytest.mark.parametrize("path", [*PATHS, "/userlist/users", "/batch/", "/posthog/e/", "/flags", "/v1/nothing"])
@pytest.mark.parametrize(
    ("query", "host", "said"),
    [("", "elsewhere.example.com", "CSBOX_ALLOWED_HOSTS"), ("?writeKey=%ff", "testserver", "UTF-8"),
     ("?writeKey=%00", "testserver", "NUL")],
)  # fmt: skip
def test_what_is_refused_before_a_view_can_be_read_by_the_page_too(
    source: Source, method: str, path: str, query: str, host: str, said: str
) -> None:
    answer = call(method, path + query, batch(track()), authorization=basic(), host=host)
    assert answer.status_code == 400 and answer["Content-Type"] == "application/json"
    told = answer.json()
    assert said in told["message"] and told["code"] == "bad-request"
    assert told["errors"] == [told["message"]] if path.startswith("/userlist") else told["success"] is False
    assert answer["Access-Control-Allow-Origin"] == ORIGIN and "Origin" in answer["Vary"]


def test_other_addresses_keep_their_errors(db: None) -> None:
    for query, host in (("", "elsewhere.example.com"), ("?q=%ff", "testserver")):
        assert call("GET", f"/login/{query}", host=host)["Content-Type"].startswith("text/html")
        assert call("GET", f"/api/v1/accounts/{query}", host=host)["Content-Type"] == "application/problem+json"
