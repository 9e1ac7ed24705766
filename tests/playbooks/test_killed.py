"""A worker that is killed anywhere in a run, or around a message: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Account, Assignment
from alerts.models import Enrolment, StepRun, Task
from alerts.playbooks import sending
from alerts.playbooks.running import run_playbooks
from alerts.playbooks.sending import send_due
from core.fetching import Answer
from segments.models import Segment
from tests import factories
from tests.playbooks.conftest import at, every, has, playbook

pytestmark = pytest.mark.machine

NAMES = ("Harbour", "Quay")
KILLS = 12


class Killed(BaseException):
    """As if the process were gone."""


class Killer:
    """Ends the work at its n-th statement (or message); counts them all where there is no n."""

    def __init__(self, n: int | None = None) -> None:
        self.n, self.seen = n, 0

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        self.point()
        return execute(sql, params, many, context)

    def point(self) -> None:
        """One more point at which a worker may be killed."""
        self.seen += 1
        if self.seen == self.n:
            raise Killed


def steps(member: str) -> list[dict[str, Any]]:
    """Every kind of step, without waiting."""
    return [
        {"kind": "task", "title": "Call {{ account.name }}", "role": "csm", "due": {"days": 2}},
        {"kind": "set", "field": "stage", "value": "live"},
        {"kind": "assign", "role": "csm", "to": [member]},
        {"kind": "branch", "rule": every({"field": "account.licences", "op": "at_most", "value": 5})},
        {"kind": "email", "to": member, "subject": "{{ account.name }}", "text": "Look at it."},
        {"kind": "webhook", "url": "https://hooks.example/in"},
        {"kind": "task", "title": "Write"},
    ]


@pytest.fixture
def world(small: Segment, time_machine: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Accounts that come in; a function that works until everything is done, killed at a point."""
    member = factories.member()
    member.user.email = "ann@csbox.example"
    member.user.save()
    playbook(*steps(member.key), segment=small)
    accounts = [factories.account(name, licences=30) for name in NAMES]
    time_machine.move_to(at(0).now, tick=False)
    for one in accounts:
        has(one, 3, at(0))
    calls: list[str] = []
    killer = Killer()

    def called(pool: Any, url: str, headers: dict[str, str], body: bytes, **more: Any) -> Answer:
        killer.point()
        calls.append(headers["Idempotency-Key"])
        killer.point()
        return Answer(200, {}, "")

    monkeypatch.setattr(sending, "post", called)

    def work(n: int | None = None) -> tuple[int, list[str]]:
        killer.n, killer.seen = n, 0
        with connection.execute_wrapper(killer), contextlib.suppress(Killed):
            rounds()
        points, killer.n = killer.seen, None
        long_ago = timezone.now() - dt.timedelta(hours=1)
        StepRun.objects.filter(state="waiting").exclude(claim="").update(beat_at=long_ago)
        rounds()
        return points, calls

    return work


def rounds() -> None:
    """What workers do one after the other until nothing is left to do."""
    for _ in range(8):
        run_playbooks(at(0, 1))
        if not Enrolment.objects.running().exists():
            return
        send_due()


def check(calls: list[str]) -> None:
    """Each thing once, each message at least once and always with the same key."""
    assert [one.state for one in Enrolment.objects.all()] == ["finished"] * len(NAMES)
    assert StepRun.objects.count() == 7 * len(NAMES) and not StepRun.objects.exclude(state="done").exists()
    assert sorted(Task.objects.values_list("title", flat=True)) == sorted(
        [f"Call {name}" for name in NAMES] + ["Write"] * len(NAMES)
    )
    assert Assignment.objects.filter(ended_at=None).count() == Assignment.objects.count() == len(NAMES)
    assert set(Account.objects.values_list("stage", flat=True)) == {"live"}
    keys = {str(one.key) for one in StepRun.objects.filter(kind="webhook")}
    assert set(calls) == keys and len(calls) <= len(NAMES) + 1
    ids = [one.extra_headers["Message-ID"] for one in mail.outbox]
    assert len(set(ids)) == len(NAMES) and len(ids) <= len(NAMES) + 1


def test_nothing_is_lost_and_nothing_done_twice_wherever_a_worker_is_killed(
    world: Callable[..., Any], db: None
) -> None:
    """Killed at 12 points from the first to the last, each time from the same start."""
    sid = transaction.savepoint()
    points, calls = world()
    check(calls)
    assert points > KILLS
    for kill in range(KILLS):
        transaction.savepoint_rollback(sid)
        sid = transaction.savepoint()
        calls.clear()
        mail.outbox.clear()
        world(1 + kill * (points - 1) // (KILLS - 1))
        check(calls)
