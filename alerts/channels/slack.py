"""Slack's incoming webhooks: a JSON body with `text` and `blocks`, answered 200 `ok`.

What Slack says instead: 400 `invalid_payload`, 403 `action_prohibited`, 404 `no_service` or `channel_not_found`, 410
`channel_is_archived`, 429 with Retry-After, 500 `rollup_error`. Mattermost and Rocket.Chat take the same body.
"""

from __future__ import annotations

import json
from typing import Any

from alerts.channels.base import Later, Message, judge
from core.fetching import CheckedPool, FetchFailed, post

LONGEST = 2_900  # of a section's text; Slack refuses more than 3,000 characters


def escaped(text: str) -> str:
    """Text for Slack's mrkdwn: its three control characters as entities, so that no name becomes a link or a call."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body_of(message: Message) -> dict[str, Any]:
    """The payload: a plain text for the notification, blocks for the channel."""
    words = f"*<{message.url}|{escaped(message.title)}>*"
    if message.text:
        words += f"\n{escaped(message.text)}"
    blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": words[:LONGEST]}}]
    facts = [word for word in (message.severity.capitalize(), message.account_name) if word]
    if facts:
        text = escaped(" · ".join(facts))
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    return {"text": escaped(message.title), "blocks": blocks}


class SlackSender:
    """Posts to one incoming webhook after another."""

    def __init__(self) -> None:
        self.pool = CheckedPool()

    def send(self, message: Message) -> None:
        """Send it once. Raises Later or Refused."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        try:
            answer = post(self.pool, message.to, headers, json.dumps(body_of(message)).encode())
        except FetchFailed as error:
            raise Later(str(error)) from error
        judge(answer, "Slack")

    def close(self) -> None:
        """Let the connections go."""
        self.pool.clear()
