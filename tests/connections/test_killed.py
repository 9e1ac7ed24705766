"""Workers that are killed with kill -9, and workers that come at the same moment, on committed rows."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections as databases
from django.utils import timezone

from accounts.models import Account, AttributeChange, Subscription
from integrations.connections import stripe as stripe_client
from integrations.connections.editing import connect
from integrations.connections.running import request_run, run_due, wake_due
from integrations.models import Connection, ConnectionLink, ConnectionRun
from tests.committing import at_once, committed
from tests.connections.standin import StandIn, slow
from tests.connections.stripe_side import KEY, customer, subscription

__all__ = ["at_once", "committed"]
CUSTOMERS = 120
pytestmark = pytest.mark.machine


@pytest.fixture
def billing(committed: None, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection with a few pages behind it, whose rows other processes see."""
    monkeypatch.setattr(stripe_client, "PAGE", 10)
    standin.stripe.put(*(customer(f"cus_{n:03}") for n in range(CUSTOMERS)))
    standin.stripe.put(*(subscription(f"sub_{n:03}", f"cus_{n:03}") for n in range(CUSTOMERS)))
    found = connect(kind="stripe", name="Billing", credential=KEY)
    Connection.objects.update(mapping={"unmatched": "create"})
    yield found
    Connection.objects.all().delete()


def all_there() -> bool:
    """Every record once: rows, links and the history of values."""
    names = {f"cus_{n:03}" for n in range(CUSTOMERS)}
    assert set(Account.objects.values_list("external_id", flat=True)) == names
    assert Account.objects.filter(mrr=50).count() == Subscription.objects.count() == CUSTOMERS
    assert AttributeChange.objects.filter(subject="subscription", key="mrr").count() == CUSTOMERS
    assert ConnectionLink.objects.filter(gone_at=None).count() == 2 * CUSTOMERS
    return True


def test_nothing_is_lost_or_doubled_by_a_worker_that_is_killed(billing: Connection, standin: StandIn) -> None:
    drawn = random.Random(4)
    run, killed = request_run(billing), 0
    standin.faults = [slow(0.03)] * 200
    for _ in range(12):
        databases.close_all()  # a child must not share them
        if (child := os.fork()) == 0:
            try:
                run_due()
            finally:
                os._exit(0)
        time.sleep(drawn.uniform(0.05, 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        run.refresh_from_db()
        killed += run.state == "running"
        if run.state == "done":
            break
        ConnectionRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    run_due()
    run.refresh_from_db()
    assert killed >= 3 and (run.state, run.created, run.read) == ("done", 2 * CUSTOMERS, 2 * CUSTOMERS)
    assert all_there()


def test_two_workers_and_two_ticks_at_once_do_the_work_once(
    billing: Connection, standin: StandIn, at_once: Callable[..., list[Any]]
) -> None:
    Connection.objects.update(next_run_at=timezone.now())
    found = at_once(wake_due, wake_due, lambda: request_run(billing), lambda: request_run(billing))
    assert not [one for one in found if isinstance(one, Exception)] and ConnectionRun.objects.count() == 1
    assert sorted(at_once(run_due, run_due)) == [0, 1]
    assert ConnectionRun.objects.get().state == "done" and all_there()
