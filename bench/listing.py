"""What Accounts 360 costs on the server: the whole view, from the address to the last byte of the page."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse

from bench import data
from bench.questions import all_, is_, questions
from core.clock import Moment, moment
from health.editing import save_config
from health.refresh import refresh_health
from health.stock import DEFAULT
from segments.models import Segment
from segments.refresh import refresh_segments

GOAL_MS, HALF = 100, "half"
_USAGE = """
INSERT INTO usage_dailyusage (account_id, user_id, name_id, day, count)
SELECT r.account_id, r.user_id, %(event)s, current_date - 7 * week - draw(r.id, 'day' || week, 7)::int, 1 + draw(r.id, 'n' || week, 9)::int
FROM accounts_relationship AS r, generate_series(0, 11) AS week
WHERE draw(r.account_id, 'chart', 5) = 0 AND draw(r.id, 'week' || week, 2) = 0
ON CONFLICT DO NOTHING
"""


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


def states() -> dict[str, dict[str, Any]]:
    """The addresses that are asked for, by name; all but the last in a segment with half of the accounts."""
    chip = json.dumps(is_("account.industry", "is", "Software"))
    share = json.dumps(is_("account.active_users_30d", "at_least", {"percent": 50, "of": "account.licences"}))
    by_mrr = {"sort": "-mrr"}
    return {
        "as it opens": {},
        "by name": {"sort": "name"},
        "by MRR, largest first": by_mrr,
        "by MRR, smallest first": {"sort": "mrr"},
        "by renewal": {"sort": "renews_on"},
        "by industry": {"sort": "industry"},
        "page 2": {"page": 2},
        "page 100, by MRR": {"page": 100} | by_mrr,
        "search for much": {"q": "labs"},
        "search for little": {"q": "3f2a labs"},
        "search for nothing there": {"q": "zzzz"},
        "filter chip": {"f": chip},
        "filter chip on usage": {"f": share} | by_mrr,
        "filter chip and search": {"f": chip, "q": "labs"},
        "all accounts": {"segment": ""},
    }


def company(asked: argparse.Namespace) -> None:
    """The accounts, some days of usage for the lines in the table, and a row of segments as tabs."""
    data.fill(asked.accounts, asked.seed)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO usage_eventname (name, first_seen_at) VALUES ('Opened', now()) RETURNING id")
        cursor.execute(_USAGE, {"event": cursor.fetchone()[0]})
    rules = [(HALF, "Half", all_(is_("account.licences", "more_than", 200)))]
    rules += [(f"ours-{i}", one.name, one.rule) for i, one in enumerate(questions(min(asked.segments, 20)))]
    for position, (key, name, rule) in enumerate(rules):
        Segment.everything.create(key=key, name=name, rule=rule, version=1, position=position)
    refresh_segments()


def prepare(asked: argparse.Namespace) -> None:
    """The company with its health of today and of a month ago."""
    company(asked)
    _score()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _score() -> None:
    """Health by the ready-made config, today and a month ago, so that the list can say why and what it was."""
    save_config(None, name="", definition=DEFAULT)
    present = moment()
    for back in (31, 0):
        refresh_health(now=Moment(present.now - dt.timedelta(days=back), present.zone))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Ask for every state in turn, so that none profits from its own last answer; milliseconds of the whole view."""
    prepare(asked)
    client = Client(SERVER_NAME="localhost", raise_request_exception=True)
    client.force_login(get_user_model().objects.create_superuser("bench"), "django.contrib.auth.backends.ModelBackend")
    times: dict[str, list[float]] = {name: [] for name in states()}
    efforts: dict[str, list[float]] = {name: [] for name in states()}
    effort = Effort()
    notes: dict[str, Watch] = {}
    for number in range(asked.rounds * 10 + 1):
        for name, query in states().items():
            watch = Watch()
            with connection.execute_wrapper(watch):
                began, before = time.perf_counter(), effort.spent()
                answer = client.get(reverse("accounts"), {"segment": HALF} | query, secure=True)
                took = (time.perf_counter() - began) * 1000
            if answer.status_code != 200:
                raise SystemExit(f"“{name}” was answered with {answer.status_code}.")
            if number:  # the first round fills caches
                times[name].append(took)
                efforts[name].append(effort.spent() - before)
                if name not in notes or watch.slowest > notes[name].slowest:
                    notes[name] = watch
    every = [one for values in times.values() for one in values]
    effort_of_all = [one for values in efforts.values() for one in values]
    half = Segment.objects.get(key=HALF).member_count
    return {
        "measured": "list",
        "accounts": asked.accounts,
        "in_segment": half,
        "requests": len(every),
        "p50_ms": round(median(every), 1),
        "p95_ms": round(quantiles(every, n=20)[-1], 1),
        "goal_p95_ms": GOAL_MS,
        "cpu_p50_ms": round(median(effort_of_all), 1),
        "cpu_p95_ms": round(quantiles(effort_of_all, n=20)[-1], 1),
        "states": {name: summary(times[name], efforts[name], notes[name]) for name in times},
    }


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
