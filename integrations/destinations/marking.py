"""Our own messages that come back: what marks them, and how they are kept from becoming facts about customers.

A tool that passes on what it is told may send our messages to us. Taken for news they would define attributes, count as
usage and, where a rule reads either, move the very members that they tell of. Every message carries its destination's
origin in its id and its context, which survive most tools; an event is also known by the key that it names, and a
value by its key, under which nothing of ours is ever stored (`editing` gives no key that an attribute has).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.models import Destination, SyncItem
from integrations.tracking.messages import Tracked

ECHO = "This is a message of csbox itself, sent to the destination “{name}” and passed back. It is not taken."


def drop_echoes(messages: Sequence[Tracked]) -> None:
    """Drop the messages of our own destinations; those of another installation are messages like others."""
    named = {message.echo: _key_of(message) for message in messages if message.echo}
    keys = {key for message in messages if (key := _key_of(message))}
    if not named and not keys:
        return
    known = dict(Destination.objects.filter(origin__in=list(named)).values_list("origin", "name")) if named else {}
    by_key = _events_of(keys) if keys else {}
    for message in messages:
        name = known.get(message.echo) or by_key.get((_key_of(message), message.name))
        if name and not message.outcome:
            message.drop(ECHO.format(name=name))


def _key_of(message: Tracked) -> str:
    """The key that an event of ours names."""
    if message.kind != "track":
        return ""
    given = message.properties.get("audience_key") or message.properties.get("trait_key")
    return given if isinstance(given, str) else ""


def _events_of(keys: Iterable[str]) -> dict[tuple[str, str], str]:
    """The destinations' names by the keys that they are sent and the names of their events."""
    found: dict[tuple[str, str], str] = {}
    for item in SyncItem.objects.filter(key__in=list(keys)).select_related("destination"):
        to = item.destination
        found |= {(item.key, name): to.name for name in (to.entered_name, to.exited_name, to.computed_name)}
    return found


def keys_of_ours(keys: Iterable[str]) -> set[str]:
    """Those of the keys under which something is, or was, sent: no attribute is made of what comes in under them."""
    return set(SyncItem.objects.filter(key__in=list(keys)).values_list("key", flat=True))
