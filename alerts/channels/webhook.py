"""Webhooks after Standard Webhooks 1.0: id, timestamp, signature in headers, a JSON event.

`webhook-id` is the same whenever the message is sent again; the timestamp, and with it the signature, is of the
attempt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from django.utils import timezone

from alerts.channels.base import Later, Message, judge
from core.fetching import CheckedPool, FetchFailed, post

PREFIX = "whsec_"


def new_secret() -> str:
    """A secret to sign with: 24 random bytes as the specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret: str, key: str, at: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over "id.timestamp.body"."""
    raw = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(raw, f"{key}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def body_of(message: Message) -> dict[str, Any]:
    """The event."""
    return {
        "type": f"notification.{message.kind}",
        "timestamp": message.at.isoformat(),
        "data": {
            "id": message.key, "title": message.title, "text": message.text, "url": message.url,
            "severity": message.severity or None, "account": message.account or None,
            "account_name": message.account_name or None,
        },
    }  # fmt: skip


class WebhookSender:
    """Posts to one address after another."""

    def __init__(self) -> None:
        self.pool = CheckedPool()

    def send(self, message: Message) -> None:
        """Send it once. Raises Later or Refused."""
        body = json.dumps(body_of(message)).encode()
        at = int(timezone.now().timestamp())
        headers = {
            "Content-Type": "application/json", "webhook-id": message.key, "webhook-timestamp": str(at),
            "webhook-signature": signature(message.secret, message.key, at, body),
        }  # fmt: skip
        try:
            answer = post(self.pool, message.to, headers, body)
        except FetchFailed as error:
            raise Later(str(error)) from error
        judge(answer, "The webhook")

    def close(self) -> None:
        """Let the connections go."""
        self.pool.clear()
