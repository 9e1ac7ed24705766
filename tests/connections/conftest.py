"""A stand-in for both systems, connections to it, and a way to run what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.connections.editing import connect
from integrations.connections.running import request_run, run_due
from integrations.models import Connection, ConnectionRun
from tests.connections.hubspot_side import TOKEN
from tests.connections.standin import StandIn, serving
from tests.connections.stripe_side import KEY

Pull = Callable[..., ConnectionRun]


@pytest.fixture
def standin(settings: Any) -> Iterator[StandIn]:
    """A server of this test's own, to which connections lead; retries come quickly."""
    with serving() as server:
        settings.CONNECTION_URLS = {"stripe": server.url, "hubspot": server.url}
        yield server
    assert server.strange == []


@pytest.fixture
def stripe(db: None, standin: StandIn) -> Connection:
    """A connection to Stripe that makes accounts for customers without one."""
    found = connect(kind="stripe", name="Billing", credential=KEY)
    found.mapping = {"unmatched": "create"}
    found.save()
    assert not found.error
    standin.log.clear()
    return found


@pytest.fixture
def hubspot(db: None, standin: StandIn) -> Connection:
    """A connection to HubSpot that makes accounts for companies without one."""
    found = connect(kind="hubspot", name="CRM", credential=TOKEN)
    found.mapping = {"unmatched": "create"}
    found.save()
    assert not found.error
    standin.log.clear()
    return found


@pytest.fixture
def pull() -> Pull:
    """Ask for a run and do it; what it did."""

    def run(connection: Connection, **options: Any) -> ConnectionRun:
        asked = request_run(connection, **options)
        run_due()
        asked.refresh_from_db()
        return asked

    return run
