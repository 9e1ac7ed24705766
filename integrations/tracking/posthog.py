"""PostHog's capture API: batches and single events, persons, groups of the type that is the account, aliases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from integrations.models import Source
from integrations.tracking.bodies import BadRequest
from integrations.tracking.messages import MAX_MESSAGES, Envelope, Tracked, read_message
from integrations.tracking.times import beforehand

if TYPE_CHECKING:
    from integrations.tracking.requests import Received


def read_posthog(received: Received, source: Source) -> tuple[list[Tracked], Envelope]:
    """The messages of a request, translated into Segment's words and read as these are. Raises BadRequest."""
    data = received.data
    if isinstance(data, list):
        data = {"batch": data}
    if not isinstance(data, Mapping):
        raise BadRequest(400, "not-an-object", "The body is not a JSON object.")
    events = data.get("batch", [data])
    if not isinstance(events, list):
        raise BadRequest(400, "no-batch", "“batch” is not a list of events.")
    envelope = Envelope(received.received_at, received.request_id, data.get("sent_at"))
    made: list[Tracked] = []
    for event in events:
        for said in _translated(event, source.group_type) if isinstance(event, Mapping) else [event]:
            made.append(read_message(said, envelope, len(made)))
        once = _set_once(event) if isinstance(event, Mapping) else {}
        if once:
            made.append(read_message(once, envelope, len(made)))
            made[-1].at = beforehand(made[-1].at)
    for message in made[MAX_MESSAGES:]:
        message.drop(f"A request may hold {MAX_MESSAGES:,} messages; this was one too many.")
    return made, envelope


def _translated(event: Mapping[str, Any], group_type: str) -> Iterator[dict[str, Any]]:
    """One event in Segment's words; what it sets of the person besides comes as a message of its own."""
    properties = _object(event.get("properties"))
    name, uuid = event.get("event"), event.get("uuid")
    who = event.get("distinct_id") or properties.get("distinct_id")
    known = _is_known(properties)
    base = {
        "messageId": uuid,
        "timestamp": event.get("timestamp"),
        ("userId" if known else "anonymousId"): who,
        "context": {"groupId": _object(properties.get("$groups")).get(group_type)},
    }
    unset = [*_list(properties.get("$unset")), *_list(event.get("$unset"))]
    traits = {**dict.fromkeys(unset), **_object(properties.get("$set")), **_object(event.get("$set"))}
    plain = {key: value for key, value in properties.items() if not key.startswith("$")}
    for kept in ("$current_url", "$pathname"):
        if kept in properties:
            plain[kept.removeprefix("$")] = properties[kept]
    match name:
        case "$groupidentify":  # its distinct_id is made up and is nobody's
            same = properties.get("$group_type") == group_type
            key = properties.get("$group_key") if same else None
            about = {"messageId": uuid, "timestamp": event.get("timestamp")}
            yield about | {"type": "group", "groupId": key, "traits": _object(properties.get("$group_set"))}
        case "$identify" | "$set":
            visitor = properties.get("$anon_distinct_id")
            yield base | {"type": "identify", "userId": who, "anonymousId": visitor, "traits": traits}
        case "$create_alias":
            yield base | {
                "type": "alias",
                "previousId": properties.get("distinct_id"),
                "userId": properties.get("alias"),
            }
        case _:
            if name == "$pageview":
                yield base | {"type": "page", "properties": plain, "name": properties.get("title")}
            elif name == "$screen":
                yield base | {"type": "screen", "properties": plain, "name": properties.get("$screen_name")}
            else:
                yield base | {"type": "track", "event": name, "properties": plain}
            if traits:
                own = {"messageId": f"{uuid}:set"} if uuid else {"messageId": None}
                yield base | own | {"type": "identify", "traits": traits}


def _set_once(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event sets of the person where nothing is known yet; empty if nothing."""
    properties = _object(event.get("properties"))
    traits = {**_object(properties.get("$set_once")), **_object(event.get("$set_once"))}
    if not traits:
        return {}
    uuid, known = event.get("uuid"), _is_known(properties) or event.get("event") == "$identify"
    return {
        "type": "identify", "messageId": f"{uuid}:once" if uuid else None, "timestamp": event.get("timestamp"),
        "userId" if known else "anonymousId": event.get("distinct_id") or properties.get("distinct_id"),
        "traits": traits,
    }  # fmt: skip


def _is_known(properties: Mapping[str, Any]) -> bool:
    """Whether the distinct id is a user's."""
    return properties.get("$is_identified") is not False and properties.get("$process_person_profile") is not False


def _list(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
