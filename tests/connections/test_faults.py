"""Runs under trouble: busy, failing, silent and dishonest servers, workers that die, and people who cancel."""

from __future__ import annotations

import datetime as dt
import gc
import time
import uuid
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, Subscription
from integrations.connections import http, running
from integrations.connections import stripe as stripe_client
from integrations.connections.records import Record
from integrations.connections.running import cancel, request_run, resume, run_due, wake_due
from integrations.models import Connection, ConnectionLink, ConnectionRun
from tests.connections.conftest import Pull
from tests.connections.standin import StandIn, broken, busy, cut, half, slow
from tests.connections.stripe_side import NOW, customer, subscription

State = ConnectionRun.State


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 300, dt.UTC), tick=True)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of ten."""
    monkeypatch.setattr(stripe_client, "PAGE", 10)


def fill(standin: StandIn, count: int = 30) -> None:
    standin.stripe.put(*(customer(f"cus_{n:03}") for n in range(count)))
    standin.stripe.put(*(subscription(f"sub_{n:03}", f"cus_{n:03}") for n in range(count)))


def complete(count: int = 30) -> bool:
    links = ConnectionLink.objects.filter(kind="subscription", gone_at=None).count()
    return Account.objects.count() == Subscription.objects.filter(mrr=50).count() == links == count


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([busy("1")], id="429 for a second"),
        pytest.param([broken(500), broken(503)], id="two failures"),
        pytest.param([cut], id="a connection that is reset"),
        pytest.param([None, cut, None, broken(502)], id="now and then"),
        pytest.param([slow(0.4)], id="a late answer"),
    ],
)
def test_short_trouble_is_sat_out_within_the_run(stripe: Connection, standin: StandIn, pull: Pull, faults: Any) -> None:
    fill(standin)
    standin.faults = list(faults)
    run = pull(stripe)
    assert (run.state, run.error, run.created) == ("done", "", 60) and complete()


def test_a_long_wait_is_the_runs_and_not_the_workers(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any, small_pages: None
) -> None:
    fill(standin)
    standin.faults = [None, busy("3600")]
    began = time.monotonic()
    run = pull(stripe)
    assert time.monotonic() - began < 10
    assert run.state == "waiting" and "come back later (429)" in run.error and run.cursor
    assert dt.timedelta(minutes=59) < run.next_attempt_at - timezone.now() <= dt.timedelta(hours=1)
    assert run_due() == 0
    time_machine.shift(dt.timedelta(minutes=61))
    standin.log.clear()
    assert run_due() == 1
    run.refresh_from_db()
    assert run.state == "done" and run.attempts == 0 and complete()
    assert len(standin.paths("/v1/customers")) == 2  # it went on at its cursor


def test_a_half_answer_and_a_silent_server_rest_and_are_tried_again(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CONNECTION_RETRIES = 0
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.3))
    fill(standin, 5)
    standin.faults = [half]
    run = pull(stripe)
    assert (run.state, run.attempts) == ("waiting", 1) and "broke off" in run.error
    assert run.next_attempt_at > timezone.now() + dt.timedelta(seconds=20)
    time_machine.shift(dt.timedelta(minutes=5))
    standin.faults = [slow(1)]
    run_due()
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("waiting", 2) and "did not answer in time" in run.error
    time_machine.shift(dt.timedelta(minutes=10))
    run_due()
    run.refresh_from_db()
    assert run.state == "done" and complete(5)


def test_it_gives_up_in_words_and_the_clock_goes_on_where_it_stopped(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any, settings: Any, small_pages: None
) -> None:
    settings.CONNECTION_RETRIES = 0
    fill(standin)
    standin.faults = [None, *[broken()] * running.GIVE_UP]
    run = pull(stripe)
    waits = []
    for _ in range(running.GIVE_UP - 1):
        waits.append((run.next_attempt_at - timezone.now()).total_seconds())
        time_machine.shift(dt.timedelta(hours=1, minutes=1))
        assert run_due() == 1
        run.refresh_from_db()
    assert waits == sorted(waits) and waits[0] < 60 and waits[-1] > 900
    assert run.state == "failed" and run.error == "Stripe failed (500)."
    time_machine.shift(dt.timedelta(hours=2))
    wake_due()
    assert run_due() == 1
    run.refresh_from_db()
    assert run.state == "done" and complete() and ConnectionRun.objects.count() == 1


def test_a_refused_credential_stops_the_connection_until_it_is_tried_again(
    stripe: Connection, standin: StandIn, pull: Pull, time_machine: Any
) -> None:
    fill(standin, 3)
    Connection.objects.update(secret="")
    run = pull(stripe)
    assert (run.state, run.error) == ("failed", "There is no credential. Enter one.")
    from integrations.connections.secrets import keep

    stripe.refresh_from_db()
    keep(stripe, "sk_test_of_somebody_else")
    stripe.save()
    run = pull(stripe)
    assert run.state == "failed" and run.error.startswith("Stripe refused the credential (401).")
    assert "Invalid API Key" in run.error and "sk_test" not in run.error
    time_machine.shift(dt.timedelta(days=2))
    wake_due()
    assert not ConnectionRun.objects.open().exists()


def test_a_run_that_is_killed_goes_on_at_its_cursor(
    stripe: Connection, standin: StandIn, time_machine: Any, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between fetching a page and storing it, and one that dies after; each leaves its lease."""
    fill(standin)

    class Killed(BaseException):
        """What a signal is to the code."""

    plain = running.Applier.apply
    calls = []

    def apply(self: Any, page: Any) -> Any:
        calls.append(page)
        if len(calls) in (3, 6):
            raise Killed
        return plain(self, page)

    monkeypatch.setattr(running.Applier, "apply", apply)
    run = request_run(stripe)
    for _ in range(2):
        with pytest.raises(Killed):
            run_due()
        assert ConnectionRun.objects.get().state == "running"
        assert run_due() == 0  # nobody takes it while it may be alive
        time_machine.shift(running.LEASE + dt.timedelta(seconds=1))
    run_due()
    run.refresh_from_db()
    assert (run.state, run.created, run.read) == ("done", 60, 60) and complete()


def test_a_worker_that_lost_its_lease_stores_nothing(stripe: Connection, standin: StandIn, small_pages: None) -> None:
    fill(standin)

    def steal(path: str) -> None:
        if len(standin.log) == 2:
            ConnectionRun.objects.update(lease=uuid.uuid4())

    run = request_run(stripe)
    plain = stripe_client.Stripe.page

    def page(self: Any, *args: Any) -> Any:
        found = plain(self, *args)
        steal("")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe_client.Stripe, "page", page)
        run_due()
    run.refresh_from_db()
    assert run.state == "running" and run.read == 10 and Account.objects.count() == 10


def test_it_can_be_cancelled_and_resumed(stripe: Connection, standin: StandIn, small_pages: None) -> None:
    fill(standin)
    run = request_run(stripe)
    plain = stripe_client.Stripe.page

    def page(self: Any, *args: Any) -> Any:
        if len(standin.log) == 2:
            cancel(ConnectionRun.objects.get())
        return plain(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe_client.Stripe, "page", page)
        run_due()
    run.refresh_from_db()
    assert (run.state, run.read) == ("cancelled", 20) and run.cursor
    standin.log.clear()
    resume(run)
    run_due()
    run.refresh_from_db()
    assert run.state == "done" and run.read == 60 and complete()
    assert len(standin.paths("/v1/customers")) == 1
    waiting = request_run(stripe)
    cancel(waiting)
    assert run_due() == 0 and ConnectionRun.objects.first().state == "cancelled"  # type: ignore[union-attr]


def test_the_clock_makes_one_run_however_often_it_ticks(
    stripe: Connection, standin: StandIn, time_machine: Any
) -> None:
    fill(standin, 3)
    wake_due()
    assert not ConnectionRun.objects.exists()  # the first one is asked for by hand
    Connection.objects.update(next_run_at=timezone.now())
    for _ in range(3):
        wake_due()
    assert ConnectionRun.objects.count() == 1 and ConnectionRun.objects.get().trigger == "clock"
    run_due()
    wake_due()
    assert ConnectionRun.objects.count() == 1
    time_machine.shift(dt.timedelta(minutes=61))
    wake_due()
    assert [run.full for run in ConnectionRun.objects.all()] == [False, True]
    run_due()
    time_machine.shift(dt.timedelta(hours=25))
    wake_due()
    assert ConnectionRun.objects.first().full  # type: ignore[union-attr]
    assert request_run(stripe) == ConnectionRun.objects.first()


def test_an_answer_of_an_unknown_form_is_no_crash(stripe: Connection, standin: StandIn, pull: Pull) -> None:
    standin.stripe.put(customer("cus_1"), subscription("sub_1", "cus_1"))
    del standin.stripe.tables["subscriptions"]["sub_1"]["currency"]
    run = pull(stripe)
    assert (run.state, run.step) == ("waiting", "subscriptions")
    assert run.error == "Stripe sent an answer of an unknown form (KeyError)."
    assert Account.objects.count() == 1
    assert standin.strange.pop() == "/v1/subscriptions: subscription lacks currency" and not standin.strange


@pytest.mark.machine
def test_five_thousand_records_in_constant_memory(
    stripe: Connection, standin: StandIn, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page is held when the next one is stored: what is alive after 900 and after 4,900 records is the same."""
    standin.stripe.put(*(customer(f"cus_{n:04}") for n in range(5_000)))
    standin.stripe.tables["events"].clear()
    alive: dict[int, int] = {}
    plain = running.Applier.apply

    def apply(self: Any, page: Any) -> Any:
        found = plain(self, page)
        if self.run.read in (800, 4_800):
            gc.collect()
            alive[self.run.read] = sum(
                issubclass(type(one), Record | ConnectionLink | Account) for one in gc.get_objects()
            )
        return found

    monkeypatch.setattr(running.Applier, "apply", apply)
    run = pull(stripe)
    assert (run.state, run.read, run.created) == ("done", 5_000, 5_000)
    assert 100 <= alive[4_800] <= alive[800] + 100
    assert Account.objects.count() == 5_000
