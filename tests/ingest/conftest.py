"""A source with a key, and a client that sends to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.models import Message, Source
from integrations.tracking import keys
from integrations.tracking.recording import Batch
from tests.committing import at_once, committed

__all__ = ["at_once", "committed"]
KEY = "wk_of-a-test-and-nowhere-else"
Send = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    """What a process remembers of keys belongs to one database."""
    keys.forget_known()
    yield
    keys.forget_known()


@pytest.fixture
def source(db: None) -> Source:
    """A source whose key is KEY."""
    return keys.create_source("Web app", key=KEY)[0]


def plant_poison(
    patch: pytest.MonkeyPatch, prefix: str, fault: Callable[[Any], Exception] = lambda message: ValueError("poison")
) -> Callable[[], None]:
    """A step with a defect, as messages whose ids begin with `prefix` would find it; called, it is mended."""
    plain = Batch._translate

    def stumble(self: Batch, message: Any) -> None:
        if message.message_id.startswith(prefix):
            raise fault(message)
        plain(self, message)

    patch.setattr(Batch, "_translate", stumble)
    return partial(patch.setattr, Batch, "_translate", plain)


def basic(key: str = KEY) -> str:
    """The header that most SDKs send."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


@pytest.fixture
def send(source: Source) -> Send:
    """Post JSON (or bytes as they are) to an address of the tracking API."""

    def post(path: str, body: Any, *, key: str | None = KEY, kind: str = "application/json", **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key:
            headers["authorization"] = basic(key)
        return Client(enforce_csrf_checks=True, headers=headers).generic("POST", path, raw, kind)

    return post


def outcomes() -> list[tuple[str, str]]:
    """Every message with what became of it, in the order of arrival."""
    return list(Message.objects.order_by("id").values_list("message_id", "outcome"))


def batch(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A batch as SDKs send it; a message without an id gets one by its place."""
    return {"batch": [{"messageId": f"m{place}"} | message for place, message in enumerate(messages)], **more}


def track(event: str = "Report Exported", user: str | None = "u1", **more: Any) -> dict[str, Any]:
    """A track call."""
    return {"type": "track", "event": event, "userId": user, **more}


def group(account: Any = "a1", user: str | None = "u1", **more: Any) -> dict[str, Any]:
    """A group call."""
    return {"type": "group", "groupId": account, "userId": user, **more}


def identify(user: str | None = "u1", **more: Any) -> dict[str, Any]:
    """An identify call."""
    return {"type": "identify", "userId": user, **more}
