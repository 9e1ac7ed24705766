"""Trying a destination now: one message that tells nothing, and what was answered."""

from __future__ import annotations

import uuid

from django.utils import timezone

from core.fetching import CheckedPool
from core.intake import short
from core.sealing import CannotOpen
from integrations.destinations.composing import test_message
from integrations.destinations.origin import message_id
from integrations.destinations.posting import Said, deliver
from integrations.models import Destination


def send_test(destination: Destination) -> tuple[bool, str]:
    """Send a test message; whether it was taken, and what to tell. Nothing is stored of it."""
    key = message_id(destination.origin, f"test-{uuid.uuid4().hex}")
    message = test_message(destination, key, timezone.now().isoformat())
    pool = CheckedPool()
    try:
        said = deliver(pool, destination, [(key, message)])
    except CannotOpen:
        return False, "The address or key cannot be read with the present CSBOX_SECRET_KEY. Enter them again."
    finally:
        pool.clear()
    return said.taken, _words(said)


def _words(said: Said) -> str:
    text = short(said.text.strip(), 200)
    told = f" It said: “{text}”" if text and not text.startswith("<") else ""
    return (f"It was taken, answered {said.status}." if said.taken else said.error) + told
