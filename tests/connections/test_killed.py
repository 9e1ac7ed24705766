"""Workers that are killed with kill -9, and workers that come at the same moment, on committed rows."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import Account, AttributeChange, Subscription
from integrations.connections import stripe as stripe_client
from integrations.connections.editing import connect
from integrations.connections.running import request_run, run_due, wake_due
from integrations.models import Connection, ConnectionLink, ConnectionRun
from tests.committing import at_once, committed
from tests.conftest import ROOT
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


# Waits for a line, forks a worker from a process that has no connection yet, and tells its id.
FOREMAN = """
import os, signal, sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
settings.CONNECTION_URLS = {"stripe": sys.argv[2], "hubspot": sys.argv[2]}
from integrations.connections import stripe
from integrations.connections.running import run_due
stripe.PAGE = 10
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        run_due()
        os._exit(0)
    print(child, flush=True)
"""


@pytest.fixture
def hire(billing: Connection, standin: StandIn) -> Iterator[Callable[[], int]]:
    """Start a worker in a process of its own; its id."""
    command = [sys.executable, "-c", FOREMAN, str(database.settings_dict["NAME"]), standin.url]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "csbox.settings"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as foreman:
        assert foreman.stdin and foreman.stdout

        def start() -> int:
            foreman.stdin.write("go\n")  # type: ignore[union-attr]
            foreman.stdin.flush()  # type: ignore[union-attr]
            return int(foreman.stdout.readline())  # type: ignore[union-attr]

        yield start
        foreman.stdin.close()


def test_nothing_is_lost_or_doubled_by_a_worker_that_is_killed(
    billing: Connection, standin: StandIn, hire: Callable[[], int]
) -> None:
    drawn = random.Random(4)
    run, killed = request_run(billing), 0
    standin.faults = [slow(0.03)] * 200
    for _ in range(12):
        child = hire()
        time.sleep(drawn.uniform(0.1, 0.6))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        run.refresh_from_db()
        killed += run.state == "running"
        if run.state == "done":
            break
        ConnectionRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    run_due()
    run.refresh_from_db()
    assert killed >= 2 and (run.state, run.created, run.read) == ("done", 2 * CUSTOMERS, 2 * CUSTOMERS)
    assert all_there()


def test_two_workers_and_two_ticks_at_once_do_the_work_once(
    billing: Connection, standin: StandIn, at_once: Callable[..., list[Any]]
) -> None:
    Connection.objects.update(next_run_at=timezone.now())
    found = at_once(wake_due, wake_due, lambda: request_run(billing), lambda: request_run(billing))
    assert not [one for one in found if isinstance(one, Exception)] and ConnectionRun.objects.count() == 1
    assert sorted(at_once(run_due, run_due)) == [0, 1]
    assert ConnectionRun.objects.get().state == "done" and all_there()
