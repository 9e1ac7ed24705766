"""When a message happened: the sender's time, corrected by what the sender's clock was off by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.intake import short

if TYPE_CHECKING:
    from integrations.tracking.messages import Envelope

# A gap that the way through the network explains is no fault of a clock. Correcting it would move imported midnights.
TOLERANCE = dt.timedelta(seconds=2)
FUTURE = dt.timedelta(days=1)
OLDEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_OUT_OF_RANGE = "Its time is before 2000 or more than a day ahead ({}). The time of receipt is taken."


def happened_at(data: Mapping[str, Any], envelope: Envelope) -> tuple[dt.datetime, str]:
    """The time of a message (contract, section 4), and a remark if it is not the one that was sent.

    With both timestamp and originalTimestamp the first is taken as it is. With one of them it is
    receivedAt − (sentAt − that one), where sentAt is the message's, else the request's. Without any, with one that
    cannot be read, or one before 2000 or more than a day ahead, it is the time of receipt.
    """
    received = envelope.received_at
    said, said_first = data.get("timestamp"), data.get("originalTimestamp")
    explicit, original = read_time(said), read_time(said_first)
    found = explicit or original
    if found is None:
        return received, _unread("timestamp", said) or _unread("originalTimestamp", said_first)
    if explicit is None or original is None:
        sent = read_time(data.get("sentAt")) or read_time(envelope.sent_at)
        if sent is not None and abs(received - sent) > TOLERANCE:
            try:
                found = received - (sent - found)
            except OverflowError:
                return received, _OUT_OF_RANGE.format(short(said or said_first))
    at, remark = _in_range(found, received)
    if explicit is None and said:
        remark = remark or f"“timestamp” is no time: {short(said)}. originalTimestamp is taken."
    return at, remark


def beforehand(at: dt.datetime) -> dt.datetime:
    """An instant before all others, for what stands only where nothing else is said: the earlier `at`, the later it is,
    so that of several the first one stays.
    """
    return OLDEST - (at - OLDEST) / 1_000


def time_of(name: str, data: Mapping[str, Any], received: dt.datetime) -> tuple[dt.datetime, str]:
    """The time in one member, as it is; that of receipt, and a remark, where there is none that can be taken."""
    found = read_time(data.get(name))
    return (received, _unread(name, data.get(name))) if found is None else _in_range(found, received)


def _in_range(found: dt.datetime, received: dt.datetime) -> tuple[dt.datetime, str]:
    if OLDEST <= found <= received + FUTURE:
        return found, ""
    return received, _OUT_OF_RANGE.format(found.isoformat(timespec="seconds"))


def _unread(name: str, said: Any) -> str:
    """A remark on a time that was sent and cannot be read; "" for none."""
    absent = said is None or said == ""
    return "" if absent else f"“{name}” is no time: {short(said)}. The time of receipt is taken."


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
