"""Asking for pages in turn, as somebody who is signed in: what each costs, and its slowest statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

Ask = Callable[[Client], Any]
Times = dict[str, list[float]]


class Watch:
    """Counts the statements of a request and keeps the slowest."""

    def __init__(self) -> None:
        self.number, self.slowest, self.text = 0, 0.0, ""

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took = (time.perf_counter() - began) * 1000
            self.number += 1
            if took > self.slowest:
                self.slowest, self.text = took, str(sql)


class Effort:
    """Processor time of this thread and of its database session: what neighbours on the machine do not stretch.

    The session's is known where the server runs on the same Linux machine; parallel workers of it are not counted.
    """

    def __init__(self) -> None:
        connection.ensure_connection()
        self.pid, self.before, self.sessions = 0, 0.0, 0.0

    def spent(self) -> float:
        """Milliseconds so far; a connection that was opened anew counts on."""
        if connection.connection is not None:
            pid = connection.connection.info.backend_pid
            try:
                now = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
            except (OSError, ValueError):
                now = 0.0
            self.sessions += now - (self.before if pid == self.pid else 0.0)
            self.pid, self.before = pid, now
        return time.thread_time() * 1000 + self.sessions


def signed_in() -> Client:
    """The client of an administrator."""
    client = Client(SERVER_NAME="localhost", raise_request_exception=True)
    client.force_login(get_user_model().objects.create_superuser("bench"), "django.contrib.auth.backends.ModelBackend")
    return client


def asked_in_turn(asks: Mapping[str, Ask], client: Client, rounds: int) -> tuple[Times, Times, dict[str, Watch]]:
    """Ask for all of them so many times, in turn, so that none profits from its own last answer: the milliseconds of
    each answer, the processor's milliseconds, and the statements of the one with the slowest."""
    times: Times = {name: [] for name in asks}
    efforts: Times = {name: [] for name in asks}
    effort, notes = Effort(), dict[str, Watch]()
    for number in range(rounds + 1):
        for name, ask in asks.items():
            watch = Watch()
            with connection.execute_wrapper(watch):
                began, before = time.perf_counter(), effort.spent()
                answer = ask(client)
                took = (time.perf_counter() - began) * 1000
            if answer.status_code != 200:
                raise SystemExit(f"“{name}” was answered with {answer.status_code}.")
            if number:  # the first round fills caches
                times[name].append(took)
                efforts[name].append(effort.spent() - before)
                if name not in notes or watch.slowest > notes[name].slowest:
                    notes[name] = watch
    return times, efforts, notes


def summary(values: list[float], efforts: list[float], watch: Watch) -> dict[str, Any]:
    """The figures of one state, with its slowest statement."""
    return {
        "p50_ms": round(median(values), 1),
        "p95_ms": round(quantiles(values, n=20)[-1], 1),
        "cpu_p50_ms": round(median(efforts), 1),
        "statements": watch.number,
        "slowest_statement_ms": round(watch.slowest, 1),
        "slowest_statement": watch.text[:300],
    }
