"""Webhooks: a JSON event, signed after Standard Webhooks 1.0 (`core.signing`)."""

from __future__ import annotations

import json
from typing import Any

from alerts.channels.base import Later, Message, judge
from core.fetching import CheckedPool, FetchFailed, post
from core.signing import signed_headers


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
        headers = signed_headers(message.key, body, [message.secret])
        try:
            answer = post(self.pool, message.to, headers, body)
        except FetchFailed as error:
            raise Later(str(error)) from error
        judge(answer, "The webhook")

    def close(self) -> None:
        """Let the connections go."""
        self.pool.clear()
