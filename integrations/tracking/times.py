"""When a message happened: the sender's time, corrected by what the sender's clock was off by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations.tracking.messages import Envelope

# A gap that the way through the network explains is no fault of a clock. Correcting it would move imported midnights.
TOLERANCE = dt.timedelta(seconds=2)
FUTURE = dt.timedelta(days=1)
OLDEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def happened_at(data: Mapping[str, Any], envelope: Envelope) -> dt.datetime:
    """The time of a message (contract, section 4).

    With both timestamp and originalTimestamp the first is taken as it is. With one of them it is
    receivedAt − (sentAt − that one), where sentAt is the message's, else the request's. Without any, with one that
    cannot be read, or one before 2000 or more than a day ahead, it is the time of receipt.
    """
    received = envelope.received_at
    explicit, original = read_time(data.get("timestamp")), read_time(data.get("originalTimestamp"))
    found = explicit or original
    if found is None:
        return received
    if explicit is None or original is None:
        sent = read_time(data.get("sentAt")) or read_time(envelope.sent_at)
        if sent is not None and abs(received - sent) > TOLERANCE:
            try:
                found = received - (sent - found)
            except OverflowError:
                return received
    return found if OLDEST <= found <= received + FUTURE else received


def read_time(value: Any) -> dt.datetime | None:
    """An instant from an ISO text (without a zone: UTC) or from seconds or milliseconds since 1970; else None."""
    try:
        if isinstance(value, str):
            found = dt.datetime.fromisoformat(value.strip()[:40])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = dt.datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, dt.UTC)
        else:
            return None
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
