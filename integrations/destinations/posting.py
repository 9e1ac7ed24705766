"""One attempt: what is sent in one request, and what the answer means."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from core.fetching import Answer, CheckedPool, FetchFailed, post
from core.retrying import asked_wait
from core.signing import signed_headers
from integrations.destinations.composing import encoded, tracking_message, webhook_event
from integrations.destinations.secrets import address_of, keys_of
from integrations.models import Destination, Outgoing

TIMEOUT = 15.0  # seconds; the specification of webhooks asks for 15 to 30
BATCH_PATH = "/v1/batch"
MOST_BYTES = 450_000  # of a request; Segment takes 500 kB
OF_THE_MESSAGE = (400, 406, 413, 415, 422)  # what is refused is this message, not everything that comes


@dataclass(frozen=True)
class Said:
    """What came of an attempt: the status (0: no answer), why it failed (empty: it was taken), the wait that was asked
    for; whether it is the message that is refused, and whether the address is gone for good."""

    status: int
    error: str = ""
    wait: dt.timedelta | None = None
    refused: bool = False
    gone: bool = False
    text: str = ""

    @property
    def taken(self) -> bool:
        """The receiver has it."""
        return not self.error


def deliver(pool: CheckedPool, to: Destination, messages: Sequence[tuple[str, dict[str, Any]]]) -> Said:
    """Send messages (each with its id) in one request: a webhook takes one, a tracking endpoint a batch. Raises
    core.sealing.CannotOpen."""
    address, keys = address_of(to), keys_of(to)
    if to.kind == Destination.Kind.WEBHOOK:
        ((key, message),) = messages
        body = encoded(message)
        headers = signed_headers(key, body, keys)
    else:
        address = batch_address(address)
        body = encoded({"batch": [message for _, message in messages], "sentAt": timezone.now().isoformat()})
        login = base64.b64encode(f"{keys[0]}:".encode()).decode()
        headers = {"Content-Type": "application/json", "User-Agent": "csbox", "Authorization": f"Basic {login}"}
    try:
        answer = post(pool, address, headers, body, seconds=TIMEOUT)
    except FetchFailed as error:
        return Said(0, str(error)[:300])
    return judged(answer)


def batch_address(base: str) -> str:
    """Where batches are sent to, for a base address such as https://api.segment.io."""
    path = urlsplit(base).path.rstrip("/")
    return base.rstrip("/") + ("" if path.endswith("/batch") else BATCH_PATH)


def judged(answer: Answer) -> Said:
    """What an answer means. Its words are not kept with the messages: they may name somebody."""
    status = answer.status
    if 200 <= status < 300:
        return Said(status, text=answer.text)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    wait = asked_wait(headers.get("retry-after")) if status in (408, 425, 429, 500, 502, 503, 504) else None
    error = f"Answered {status}."
    if 300 <= status < 400:
        error = f"Answered {status}: the address sends messages on to another one, which is not followed."
    elif status == 410:
        error = "Answered 410: the address is gone for good."
    elif status in (401, 403):
        error = f"Answered {status}: the key is not accepted."
    elif status == 429:
        error = "Answered 429: too many messages for now."
    return Said(status, error, wait, status in OF_THE_MESSAGE, status == 410, answer.text)


def composed(row: Outgoing) -> dict[str, Any]:
    """The message of a row, in the words of its destination. Raises composing.TooLong."""
    return webhook_event(row) if row.destination.kind == Destination.Kind.WEBHOOK else tracking_message(row)
