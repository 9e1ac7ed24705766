"""A receiver on this machine, and destinations that lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.destinations import outgoing
from integrations.destinations.editing import change_destination, make_destination
from integrations.models import Destination
from tests.committing import committed
from tests.destinations.endpoint import Endpoint, serving

__all__ = ["committed"]
Make = Callable[..., Destination]


@pytest.fixture(scope="session")
def _server() -> Iterator[Endpoint]:
    with serving() as found:
        yield found


@pytest.fixture
def endpoint(_server: Endpoint, settings: Any) -> Endpoint:
    """The receiver, which has got nothing yet and takes everything."""
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    _server.got, _server.answers, _server.before, _server.delay = [], [], None, 0
    return _server


@pytest.fixture
def make(db: None, endpoint: Endpoint) -> Make:
    """A destination that leads to the receiver, with choices; its signing key stands in `key`."""

    def made(kind: str = "track", name: str = "Tool", *, path: str = "", author: Any = None, **choices: Any) -> Any:
        write_key = "wk-1" if kind == "track" else ""
        found, secret = make_destination(
            kind=kind, name=name, address=endpoint.url + path, write_key=write_key, author=author
        )  # fmt: skip
        found = change_destination(found, choices)
        found.key = secret  # type: ignore[attr-defined]
        return found

    return made


def run() -> None:
    """What the worker does once, however often the queue wakes it."""
    outgoing.run(20)


def told(endpoint: Endpoint) -> list[tuple[str, str, Any]]:
    """Every tracking message in short: its kind (or the event's name), whom it is about, and the value."""
    found = []
    for message in endpoint.messages:
        kind = message.get("event") or message["type"]
        who = message.get("userId") or message.get("groupId") or message["context"].get("groupId")
        values = message.get("traits") or {
            key: value for key, value in message["properties"].items() if key not in ("audience_key", "trait_key")
        }
        ((_, value),) = values.items()
        found.append((kind, who, value))
    return found
