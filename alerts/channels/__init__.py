"""What notifications are sent with: e-mail, Slack, a webhook. Each is a `Sender`; `sender_for` knows them all."""

from __future__ import annotations

from alerts.channels.base import Later, Message, Refused, Sender
from alerts.channels.email import EmailSender
from alerts.channels.slack import SlackSender
from alerts.channels.webhook import WebhookSender
from alerts.models.notice import Via

__all__ = ["Later", "Message", "Refused", "Sender", "sender_for"]
_SENDERS: dict[str, type[Sender]] = {Via.EMAIL: EmailSender, Via.SLACK: SlackSender, Via.WEBHOOK: WebhookSender}


def sender_for(via: str) -> Sender:
    """A new sender; it keeps its connections until it is closed."""
    return _SENDERS[via]()
