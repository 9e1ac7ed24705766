"""What marks a message as one of ours: the origin of its destination, in its id and in its context."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OUR_ID = re.compile(r"csbox-([0-9a-f]{32})-")


def message_id(origin: str, told: str) -> str:
    """The id of a message: whose it is, and a digest of what it tells."""
    return f"csbox-{origin}-{told}"


def origin_of(data: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """The origin that a message claims by its id or its context, "" if it claims none."""
    given = data.get("messageId")
    found = _OUR_ID.match(given) if isinstance(given, str) else None
    if found:
        return found[1]
    mark = context.get("csbox")
    origin = mark.get("origin") if isinstance(mark, Mapping) else None
    return origin if isinstance(origin, str) and len(origin) == 32 else ""
