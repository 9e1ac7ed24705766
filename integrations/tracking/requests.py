"""A request as a whole: who sends it, in which words, and what is done with it. Also what the spool keeps of one."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from integrations.models import Source
from integrations.tracking.bodies import BadRequest
from integrations.tracking.messages import Envelope, Tracked, read_batch, read_message
from integrations.tracking.posthog import read_posthog
from integrations.tracking.recording import record
from integrations.tracking.userlist import read_userlist

NO_KEY = BadRequest(401, "no-write-key", "No write key. Send it as the user name of HTTP Basic authentication.")
BAD_KEY = BadRequest(401, "invalid-write-key", "This write key opens no source. It was mistyped, replaced or disabled.")


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was read: its dialect and what it asks for, the digest of its key, and its body as JSON."""

    dialect: str
    kind: str
    digest: str
    received_at: dt.datetime
    request_id: str
    data: Any


def write_key(request: HttpRequest, data: Any, *, scheme: str = "basic", member: str = "writeKey") -> str:
    """The write key: in the Authorization header, else in the body, else in the address. "" for none."""
    found, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if found.lower() == "basic" and value:
        try:
            key = base64.b64decode(value + "=" * (-len(value) % 4)).decode("utf-8").partition(":")[0]
        except (binascii.Error, ValueError):
            key = ""
        if key:
            return key
    elif found.lower() == scheme and value:
        return value
    # PostHog's single events are a list in old SDKs, and its key may stand among an event's properties as `token`.
    holders = [data, data[0] if isinstance(data, list) and data else None]
    holders.append(data.get("properties") if isinstance(data, Mapping) else None)
    for holder in holders:
        given = (holder.get(member) or holder.get("token")) if isinstance(holder, Mapping) else None
        if isinstance(given, str) and given and (holder is not holders[2] or member == "api_key"):
            return given
    return str(request.GET.get(member, ""))


def read_segment(received: Received, source: Source) -> tuple[list[Tracked], Envelope]:
    """The messages of a request in the words of Segment and RudderStack. Raises BadRequest."""
    data = received.data
    if not isinstance(data, Mapping):
        raise BadRequest(400, "not-an-object", "The body is not a JSON object.")
    context, integrations = data.get("context"), data.get("integrations")
    envelope = Envelope(
        received.received_at,
        received.request_id,
        data.get("sentAt"),
        context if isinstance(context, Mapping) else {},
        integrations if isinstance(integrations, Mapping) else {},
    )
    if received.kind != "batch":
        return [_alone(read_message(data, envelope, kind=received.kind))], envelope
    if not isinstance(data.get("batch"), list):
        raise BadRequest(400, "no-batch", "The body has no “batch”, or it is not a list of messages.")
    return read_batch(data, envelope), envelope


def _alone(message: Tracked) -> Tracked:
    """A message that came alone and is too large is refused, which is safe: there is nothing else to lose."""
    if message.reason.startswith("The message is ") and message.outcome:
        raise BadRequest(413, "message-too-large", message.reason)
    return message


Reader = Callable[[Received, Source], tuple[list[Tracked], Envelope]]
DIALECTS: dict[str, Reader] = {"segment": read_segment, "userlist": read_userlist, "posthog": read_posthog}


def take(received: Received, source: Source) -> list[Tracked]:
    """Read and record a request; its messages with what became of each.

    Raises BadRequest, or what the database raises when it is away.
    """
    messages, envelope = DIALECTS[received.dialect](received, source)
    record(source, messages, envelope)
    return messages
