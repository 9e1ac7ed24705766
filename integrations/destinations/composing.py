"""From a written change to the message that is sent: as Segment's tracking API takes it, or as a webhook's event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from integrations.destinations.origin import message_id
from integrations.models import Destination, Outgoing
from segments.models import Segment

Call = Outgoing.Call
_TOLD = uuid.UUID("5f8d3c52-3df1-4b0a-9a5c-0a5a2f6c7e11")
LONGEST_EVENT = 20_000  # bytes; the specification of webhooks advises less than 20 kB
LONGEST_MESSAGE = 32_000  # bytes of one message; Segment takes 32 kB
TYPES = {Call.GROUP: "account.updated", Call.IDENTIFY: "user.updated"}


class TooLong(ValueError):
    """The message is longer than a receiver takes."""


def id_of(row: Outgoing) -> str:
    """The message's id, made of destination, key, whom it is about, the number of the change and the call."""
    about = f"user:{row.user_id}" if row.user_id else f"account:{row.account_id}"
    told = "|".join([row.item.key, about, str(row.seq), row.call])
    return message_id(row.destination.origin, uuid.uuid5(_TOLD, f"{row.destination.origin}|{told}").hex)


def _class_of(row: Outgoing) -> str:
    return "trait" if row.item.field else "audience"


def event_name(row: Outgoing) -> str:
    """What the destination calls the event."""
    to = row.destination
    if _class_of(row) == "trait":
        return to.computed_name
    return to.entered_name if row.value is True else to.exited_name


def _properties(row: Outgoing) -> dict[str, Any]:
    return {f"{_class_of(row)}_key": row.item.key, row.item.key: row.value}


def computation(row: Outgoing) -> dict[str, Any]:
    """What worked the value out, in the words of Segment's computations."""
    users = row.item.segment.subject == Segment.Subject.USER if row.item.segment else row.user_id is not None
    return {
        "computation_class": _class_of(row), "computation_id": row.item.field or f"segment:{row.item.key}",
        "computation_key": row.item.key, "namespace": "users" if users else "accounts",
        "space_id": row.destination.origin,
    }  # fmt: skip


def tracking_message(row: Outgoing) -> dict[str, Any]:
    """A message of Segment's tracking API. One about an account alone is nobody's: `anonymousId` says so, because the
    API asks for somebody. Raises TooLong."""
    context: dict[str, Any] = {
        "library": {"name": "csbox"}, "personas": computation(row),
        "csbox": {"origin": row.destination.origin, "cause": row.cause},
    }  # fmt: skip
    found: dict[str, Any] = {
        "type": row.call, "messageId": id_of(row), "timestamp": row.at.isoformat(), "context": context,
    }  # fmt: skip
    if row.user is not None:
        found["userId"] = row.user.external_id
    elif row.account is not None:
        found["anonymousId"] = str(uuid.uuid5(_TOLD, row.account.external_id))
    if row.call == Call.GROUP and row.account is not None:
        found["groupId"] = row.account.external_id
    if row.call == Call.TRACK:
        found |= {"event": event_name(row), "properties": _properties(row)}
        if row.account is not None:
            context["groupId"] = row.account.external_id
    else:
        found["traits"] = {row.item.key: row.value}
    if row.destination.tools:
        found["integrations"] = {"All": False} | dict.fromkeys(row.destination.tools, True)
    _check(found, LONGEST_MESSAGE)
    return found


def webhook_event(row: Outgoing) -> dict[str, Any]:
    """The event of a webhook: its type, when it happened, and what about whom. Raises TooLong."""
    if row.call == Call.TRACK:
        trait = _class_of(row) == "trait"
        kind = "trait.computed" if trait else "audience.entered" if row.value is True else "audience.exited"
    else:
        kind = TYPES[Call(row.call)]
    data: dict[str, Any] = {"id": id_of(row), "key": row.item.key, "value": row.value, "cause": row.cause}
    if row.call == Call.TRACK:
        data["event"] = event_name(row)
    for name, about in (("account", row.account), ("user", row.user)):
        if about is not None:
            data[name] = {"id": about.external_id}
    data["computation"] = computation(row)
    found = {"type": kind, "timestamp": row.at.isoformat(), "data": data}
    _check(found, LONGEST_EVENT)
    return found


def test_message(destination: Destination, key: str, at: str) -> dict[str, Any]:
    """A message that tells nothing, in the words of the destination."""
    if destination.kind == Destination.Kind.WEBHOOK:
        return {"type": "csbox.test", "timestamp": at, "data": {"id": key, "test": True}}
    return {
        "type": "track", "messageId": key, "timestamp": at, "event": "csbox Test", "properties": {"test": True},
        "anonymousId": str(uuid.uuid5(_TOLD, destination.origin)),
        "context": {"library": {"name": "csbox"}, "csbox": {"origin": destination.origin}},
    }  # fmt: skip


def encoded(message: Mapping[str, Any]) -> bytes:
    """Compact UTF-8."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _check(message: Mapping[str, Any], most: int) -> None:
    if (size := len(encoded(message))) > most:
        raise TooLong(f"The message is {size:,} bytes long; a receiver takes {most:,}. The value is too long to send.")
