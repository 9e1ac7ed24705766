"""Messages that repeat an id: the same message again is what SDKs do; another message under the same id is lost.

Nobody notices the second kind, because a repetition changes nothing. So what came is compared with what was taken, as
long as that is in the event debugger, and the debugger shows the difference as a warning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from integrations.models import Message, Outcome, Source
from integrations.models.message import OTHER_CONTENT, SAME_AGAIN
from integrations.tracking.messages import Tracked

# What an SDK writes anew when it sends a message again.
_OF_THE_SENDING = ("sentAt", "sent_at", "receivedAt", "request_ip", "writeKey", "_metadata")


def drop_repeated(source: Source, repeated: Sequence[Tracked], taken: Sequence[Tracked]) -> None:
    """Drop messages whose id was taken before: by an earlier request, or by one of `taken` in the same one."""
    before = {message.message_id: message.payload for message in taken}
    wanted = {message.message_id for message in repeated} - before.keys()
    if wanted:
        kept = Message.objects.filter(source=source, message_id__in=wanted, outcome__in=Outcome.taken())
        for message_id, payload in kept.order_by("-id").values_list("message_id", "payload"):
            before[message_id] = payload  # the first of them comes last
    for message in repeated:
        first = before.get(message.message_id)
        same = first is None or is_same(first, message.payload)
        message.drop(SAME_AGAIN if same else OTHER_CONTENT, Outcome.DUPLICATE)


def is_same(one: str, other: str) -> bool:
    """Whether two messages in JSON say the same, whenever they were sent."""
    return one == other or _content(one) == _content(other)


def _content(payload: str) -> Any:
    try:
        found = json.loads(payload)
    except ValueError:
        return payload
    if isinstance(found, dict):
        return {key: value for key, value in found.items() if key not in _OF_THE_SENDING}
    return found
