"""The addresses that SDKs send to. Plain views: no log-in, no CSRF, no redirect, whatever the headers say."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations.tracking import answers, keys, outages, spool
from integrations.tracking.bodies import BadRequest, parse, read_body
from integrations.tracking.limits import wait_for_turn
from integrations.tracking.requests import BAD_KEY, NO_KEY, Received, take, write_key

log = logging.getLogger(__name__)
# The path says what comes; short forms are Segment's browser SDK's. Metrics of SDKs about themselves are not kept.
KINDS = {
    "identify": "identify", "group": "group", "track": "track", "page": "page", "screen": "screen", "alias": "alias",
    "i": "identify", "g": "group", "t": "track", "p": "page", "s": "screen", "a": "alias",
    "batch": "batch", "b": "batch", "import": "batch", "m": "",
}  # fmt: skip
RETRY_AFTER = 5
NOT_FOUND = BadRequest(404, "not-found", "There is nothing at this address. Send to /v1/batch or /v1/track.")
WRONG_METHOD = BadRequest(405, "method-not-allowed", "Send messages with POST.")
AWAY = BadRequest(503, "unavailable", "The messages cannot be stored at the moment. Send them again.")
BROKEN = BadRequest(500, "internal-error", "The request failed. It was not stored; send it again.")
TOO_MANY = BadRequest(429, "too-many-requests", "This source sends more than it may. Wait, then send again.")
Answer = Callable[[HttpRequest, Received], HttpResponse]


@csrf_exempt
def track(request: HttpRequest, path: str) -> HttpResponse:
    """One message or a batch, in the words of Segment and RudderStack."""
    kind = KINDS.get(path)
    if kind is None:
        return nothing_here(request)
    if kind == "" and request.method == "POST":
        return answers.success(request)
    return serve(request, "segment", kind)


@csrf_exempt
def nothing_here(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    """Any other address of the tracking API."""
    return answers.preflight(request) if request.method == "OPTIONS" else answers.refusal(request, NOT_FOUND)


@csrf_exempt
def settings_of_project(request: HttpRequest, key: str) -> HttpResponse:
    """What Segment's browser SDK asks before it sends: where to."""
    host = f"{request.get_host()}/v1"
    body = {"integrations": {"Segment.io": {"apiKey": key, "apiHost": host, "protocol": request.scheme}}}
    return answers.with_cors(request, JsonResponse(body))


@csrf_exempt
def source_config(request: HttpRequest) -> HttpResponse:
    """What RudderStack's browser SDK asks before it sends: a source that is on, without destinations."""
    if request.method == "OPTIONS":
        return answers.preflight(request)
    now = timezone.now().isoformat()
    config: dict[str, Any] = {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}
    source = {
        "id": "csbox", "name": "csbox", "writeKey": write_key(request, None), "enabled": True, "config": config,
        "workspaceId": "csbox", "destinations": [], "connections": [], "updatedAt": now, "dataplanes": {},
    }  # fmt: skip
    return answers.with_cors(request, JsonResponse({"source": source, "updatedAt": now}))


def serve(
    request: HttpRequest,
    dialect: str,
    kind: str,
    *,
    scheme: str = "basic",
    member: str = "writeKey",
    good: Callable[..., HttpResponse] = answers.success,
    bad: Callable[..., HttpResponse] = answers.refusal,
) -> HttpResponse:
    """Read, check the key, record, answer. `good` and `bad` make the answers of a dialect."""
    if request.method == "OPTIONS":
        return answers.preflight(request)
    if request.method not in ("POST", "DELETE" if dialect == "userlist" else "POST"):
        return bad(request, WRONG_METHOD)
    try:
        data = parse(read_body(request))
        key = write_key(request, data, scheme=scheme, member=member)
        if not key:
            raise NO_KEY
        received = Received(dialect, kind, keys.digest_of(key), timezone.now(), uuid.uuid4().hex, data)
        if wait := wait_for_turn(received.digest):
            return bad(request, TOO_MANY, retry_after=wait)
        return good(request) if _take_or_keep(received) else bad(request, AWAY, retry_after=RETRY_AFTER)
    except BadRequest as error:
        return bad(request, error)
    except Exception:
        log.exception("a request of the tracking API failed")
        return bad(request, BROKEN)


def _take_or_keep(received: Received) -> bool:
    """Record a request, or keep it on the disk if the database is away or anything fails; False if that fails too.

    Nothing that a message says may cost its neighbours: what fails here is kept, and looked at one by one from there.
    """
    if not outages.may_ask():
        return spool.keep_if_known(received)
    try:
        with outages.patience(outages.PATIENCE):
            source = keys.find_source(received.digest)
            if source is None:
                raise BAD_KEY
            take(received, source)
    except BadRequest:
        outages.note_unknown()
        raise
    except Exception as error:
        if outages.is_away(error):
            log.warning("the database is away (%s)", str(error).strip().splitlines()[:1])
            outages.note_away()
        else:
            log.exception("recording a request failed; it is kept in the spool")
            outages.note_unknown()
        return spool.keep_if_known(received)
    outages.note_there()
    spool.remember(received.digest)
    spool.drain_if_waiting()
    return True
