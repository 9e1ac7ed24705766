"""Wake-ups are part of the caller's transaction, locks end with it, and the back office cannot feed the queue."""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from core import health, jobs, locks, logs
from csbox import schedules


def queued() -> list[tuple[str, tuple[Any, ...]]]:
    """What waits: the task and its arguments."""
    return [(row.func(), row.args()) for row in OrmQ.objects.order_by("pk")]


@pytest.mark.usefixtures("committed")
def test_a_wake_up_commits_and_rolls_back_with_its_cause(settings: Any) -> None:
    settings.REDIS_URL = ""
    with transaction.atomic():
        jobs.enqueue("segments.tasks.refresh", 7, "after a save")
        assert len(queued()) == 1
    assert queued() == [("segments.tasks.refresh", (7, "after a save"))]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue("segments.tasks.refresh", 8)
        raise ZeroDivisionError
    assert len(queued()) == 1


@pytest.mark.usefixtures("committed")
def test_redis_hears_of_it_after_the_commit(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://somewhere"
    told: list[str] = []
    monkeypatch.setattr(jobs, "_put", lambda task, ids: told.append(task))
    with transaction.atomic():
        jobs.enqueue("a.b", 1)
        assert told == []
    assert told == ["a.b"]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue("a.c", 1)
        raise ZeroDivisionError
    assert told == ["a.b"]


@pytest.mark.parametrize("given", [None, 1.5, ["x"], {"a": 1}, "x" * 201, dt.date(2026, 1, 1)])
def test_tasks_take_ids_and_short_strings_only(given: Any) -> None:
    with pytest.raises(TypeError, match="ids and short strings"):
        jobs.enqueue("a.b", given)


@pytest.mark.django_db
def test_there_is_one_schedule_however_often_it_is_synchronised() -> None:
    Schedule.objects.create(func="os.system", args="'true'", name="intruder", schedule_type=Schedule.DAILY)
    Schedule.objects.create(func="old.name", name="tick", schedule_type=Schedule.DAILY)
    Schedule.objects.create(func="old.name", name="tick", schedule_type=Schedule.DAILY)
    for _ in range(2):
        schedules.sync()
    row = Schedule.objects.get()
    assert (row.name, row.func, row.schedule_type, row.minutes, row.repeats) == (
        *schedules.TICK,
        Schedule.MINUTES,
        1,
        -1,
    )


@pytest.mark.django_db
def test_the_admin_cannot_put_anything_into_the_queue(client: Client) -> None:
    """A row of Schedule runs any function that it names."""
    client.force_login(User.objects.create_superuser("root"))
    for model in ("schedule", "ormq", "success"):
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:django_q_{model}_changelist")
    assert client.get(reverse("admin:django_q_failure_changelist")).status_code == 200
    assert client.get(reverse("admin:django_q_failure_add")).status_code == 403


@pytest.mark.django_db
def test_old_results_are_forgotten() -> None:
    from django_q.models import Task

    now = timezone.now()
    for number, age in enumerate((1, 20)):
        stopped = now - dt.timedelta(days=age)
        Task.objects.create(
            id=f"t{number}", name=f"n{number}", func="a.b", started=stopped, stopped=stopped, success=False
        )
    assert jobs.failures_since(now - dt.timedelta(days=2)) == 1
    assert jobs.forget_results_before(now - dt.timedelta(days=14)) == 1


@pytest.mark.django_db
def test_a_lock_needs_a_transaction(django_db_blocker: Any) -> None:
    with transaction.atomic():
        locks.xact_lock("segment", 2**40 + 1)
        assert locks.try_xact_lock("segment", -5)


@pytest.mark.usefixtures("committed")
def test_locks_exclude_others_and_end_with_the_transaction() -> None:
    with pytest.raises(locks.NoTransaction):
        locks.xact_lock("segment", 1)
    answers: dict[str, bool] = {}

    def other(name: str, space: str, key: int) -> None:
        with transaction.atomic():
            answers[name] = locks.try_xact_lock(space, key)
        connection.close()

    def ask(*args: Any) -> None:
        thread = threading.Thread(target=other, args=args)
        thread.start()
        thread.join()

    with transaction.atomic():
        locks.xact_lock("segment", 1)
        ask("same", "segment", 1)
        ask("other key", "segment", 2)
        ask("other space", "tick", 1)
    ask("afterwards", "segment", 1)
    assert answers == {"same": False, "other key": True, "other space": True, "afterwards": True}


@pytest.mark.django_db
def test_health_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/healthz").content == b"ok\n"
    ready = client.get("/readyz")
    assert ready.status_code == 200 and ready.json()["ready"] is True
    assert ready.json()["worker"]["problem"] == "no worker is running"
    assert client.get("/workerz").status_code == 503
    monkeypatch.setattr(jobs, "clusters", lambda: [object()])
    assert client.get("/workerz").status_code == 200
    monkeypatch.setattr(jobs, "oldest_due", lambda: dt.timedelta(minutes=6))
    assert client.get("/workerz").json()["problem"] == "tasks are waiting for too long"
    monkeypatch.setattr(health, "_database", lambda: "does not answer")
    assert client.get("/readyz").status_code == 503
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_the_oldest_task_is_seen(settings: Any) -> None:
    settings.REDIS_URL = ""
    assert jobs.oldest_due() == dt.timedelta()
    jobs.enqueue("a.b", 1)
    OrmQ.objects.update(lock=timezone.now() - dt.timedelta(minutes=9))
    assert dt.timedelta(minutes=8) < jobs.oldest_due() < dt.timedelta(minutes=10)


def test_every_answer_has_the_policy_and_an_id(client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": "from-proxy.1"})
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Request-ID"] == "from-proxy.1"
    forged = client.get("/healthz", headers={"X-Request-ID": "a b\tc" * 30})
    assert logs.GOOD_ID.match(forged["X-Request-ID"])


def test_a_log_line_cannot_be_forged() -> None:
    record = logging.LogRecord("csbox", logging.INFO, "f", 1, "name is %s", ('x"}\n{"level": "ERROR"',), None)
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == 'name is x"}\n{"level": "ERROR"'
