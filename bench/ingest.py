"""What it costs to take messages over HTTP, beside COPY of the same rows; and how long a batch takes during a refresh."""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import http.client
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from django.db import connection, connections, transaction
from psycopg.conninfo import make_conninfo

from accounts.models import Relationship
from bench import data
from csbox.pipeline import refresh_everything
from integrations.tracking.keys import create_source
from usage.models import Event, EventName
from usage.partitions import ensure_months, month_of

BATCH, KEY = 100, "wk_of-the-bench-and-nowhere-else"
GOAL_SHARE, GOAL_P95_MS = 1 / 8, 100
NAMES = ("Page Viewed", "Report Exported", "Key Rotated", "Dashboard Opened")
_COPY = """
COPY usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id) FROM STDIN
"""


class Server:
    """gunicorn with one process over the database of the bench."""

    def __init__(self) -> None:
        given = connection.get_connection_params()
        named = ("dbname", "host", "port", "user", "password")
        url = make_conninfo(**{key: str(given[key]) for key in named if given.get(key)})
        self.folder = tempfile.TemporaryDirectory(prefix="csbox-bench-")
        Path(self.folder.name, "static").mkdir()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        number = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "csbox.wsgi", "--bind", f"fd://{number}", "--workers", "1"]
        command += ["--threads", "4", "--log-level", "error", "--no-control-socket"]
        env = os.environ | {"DATABASE_URL": url, "CSBOX_DATA_DIR": self.folder.name, "CSBOX_INGEST_RATE": "0"}
        env |= {"CSBOX_SECRET_KEY": "k" * 60, "CSBOX_LOG_LEVEL": "ERROR"}
        env |= {"CSBOX_CONN_MAX_AGE": "7200"}  # a session that ends takes the time that it has used with it
        self.process = subprocess.Popen(command, env=env, pass_fds=[number])

    def workers(self) -> list[int]:
        """The processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def line(self) -> http.client.HTTPConnection:
        """A connection to it, once it answers."""
        until = time.monotonic() + 60
        while True:
            found = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                found.request("GET", "/healthz")
                found.getresponse().read()
                return found
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
        self.listener.close()
        self.folder.cleanup()


def messages(number: int, seed: int) -> list[dict[str, Any]]:
    """Track calls of known users in their account, spread over the last hours, with three properties each."""
    chance = random.Random(seed)
    pairs = list(Relationship.objects.open().values_list("user__external_id", "account__external_id")[:50_000])
    now = dt.datetime.now(dt.UTC)
    found = []
    for _ in range(number):
        user, account = chance.choice(pairs)
        at = now - dt.timedelta(seconds=chance.randrange(20_000))
        properties = {
            "pages": chance.randrange(100),
            "format": chance.choice(("pdf", "csv")),
            "path": "/reports/weekly",
        }
        found.append(
            {
                "type": "track", "messageId": f"{chance.getrandbits(128):032x}", "userId": user,
                "event": chance.choice(NAMES), "timestamp": at.isoformat(timespec="milliseconds"),
                "properties": properties,
                "context": {"groupId": account, "library": {"name": "analytics-python", "version": "2.4.0"}},
            }
        )  # fmt: skip
    return found


def bodies(sent: list[dict[str, Any]]) -> list[bytes]:
    """Batches as an SDK sends them."""
    now = dt.datetime.now(dt.UTC).isoformat()
    return [json.dumps({"batch": sent[n : n + BATCH], "sentAt": now}).encode() for n in range(0, len(sent), BATCH)]


def post(line: http.client.HTTPConnection, body: bytes) -> float:
    """Send one batch; the seconds until the answer."""
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    began = time.perf_counter()
    line.request("POST", "/v1/batch", body, {"Authorization": f"Basic {basic}", "Content-Type": "application/json"})
    answer = line.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {said[:300]!r}")
    return time.perf_counter() - began


def processor_seconds(pids: list[int]) -> float:
    """The processor time that processes of this machine have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def sessions(*, ours: bool) -> list[int]:
    """The processes of the database that work for this process, or for all others."""
    with connection.cursor() as cursor:
        own = "=" if ours else "<>"
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
            f" AND pid {own} pg_backend_pid()"  # an autovacuum works for nobody and ends when it likes
        )
        return [pid for (pid,) in cursor.fetchall()]


class Clock:
    """Elapsed and processor seconds of a block; `pids` are the processes whose work it is."""

    def __init__(self, pids: list[int]) -> None:
        self.pids = pids

    def __enter__(self) -> Clock:
        self.began, self.used = time.perf_counter(), processor_seconds(self.pids)
        return self

    def __exit__(self, *_: object) -> None:
        # a block of few rows may end before the system's clock ticks once: it is said to have taken one tick
        used = processor_seconds(self.pids) - self.used
        self.elapsed, self.processor = time.perf_counter() - self.began, max(used, 1 / os.sysconf("SC_CLK_TCK"))


def copy(sent: list[dict[str, Any]]) -> Clock:
    """COPY the rows of these messages into the table of events, in one transaction."""
    accounts = dict(Relationship.objects.values_list("account__external_id", "account_id"))
    users = dict(Relationship.objects.values_list("user__external_id", "user_id"))
    names = dict(EventName.objects.values_list("name", "pk"))
    now = dt.datetime.now(dt.UTC)
    rows = [
        (
            accounts[one["context"]["groupId"]], users[one["userId"]], names[one["event"]], one["timestamp"], now,
            json.dumps(one["properties"]), json.dumps({"format": one["properties"]["format"]}), "copy", one["messageId"],
        )
        for one in sent
    ]  # fmt: skip
    clock = Clock([os.getpid(), *sessions(ours=True)])
    with clock, transaction.atomic(), connection.cursor() as cursor, cursor.copy(_COPY) as target:
        for row in rows:
            target.write_row(row)
    return clock


def deliver(server: Server, line: http.client.HTTPConnection, sent: list[dict[str, Any]]) -> Clock:
    """Send these messages over one connection; the work is the server's and its database sessions'."""
    made = bodies(sent)
    line.close()  # the server has closed it meanwhile
    with Clock([*server.workers(), *sessions(ours=False)]) as clock:
        for body in made:
            post(line, body)
    return clock


def _refresh_for_ever() -> None:
    """A full refresh after the other, in a process of its own."""
    connections.close_all()
    while True:
        refresh_everything()


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Events a second over one connection, COPY of the same rows, and the time of a batch while a refresh runs."""
    rows = data.fill(asked.accounts, asked.seed)
    create_source("Bench", key=KEY)
    with transaction.atomic():
        ensure_months({month_of(dt.datetime.now(dt.UTC) - dt.timedelta(days=days)) for days in (0, 30)})
    server = Server()
    try:
        line = server.line()
        first = bodies(messages(5 * BATCH, asked.seed + 1))
        line.close()  # making them can take so long that the server has closed it
        for body in first:
            post(line, body)
        took, copied = [], []
        for turn in range(asked.rounds):
            sent = messages(asked.events, asked.seed + 2 + turn)
            took.append(deliver(server, line, sent))
            copied.append(copy(sent))
        during = _during_a_refresh(line, asked)
    finally:
        server.stop()
    stored = Event.objects.filter(source="bench").count()
    http_cpu, copy_cpu = (median(clock.processor for clock in clocks) for clocks in (took, copied))
    http_time, copy_time = (median(clock.elapsed for clock in clocks) for clocks in (took, copied))
    return {
        "rows": rows, "events": asked.events, "stored": stored,
        "http_events_per_core_and_second": round(asked.events / http_cpu),
        "copy_rows_per_core_and_second": round(asked.events / copy_cpu),
        "share_of_copy": round(copy_cpu / http_cpu, 3), "goal_share": GOAL_SHARE,
        "http_events_per_second": round(asked.events / http_time), "copy_rows_per_second": round(asked.events / copy_time), "batch_of_100_during_a_refresh": during,
    }  # fmt: skip


def _during_a_refresh(line: http.client.HTTPConnection, asked: argparse.Namespace) -> dict[str, Any]:
    """Twenty batches a second for some seconds, with a full refresh going on beside them; milliseconds."""
    connections.close_all()
    beside = multiprocessing.get_context("fork").Process(target=_refresh_for_ever, daemon=True)
    beside.start()
    took = []
    try:
        made = bodies(messages(asked.events, asked.seed + 99))
        line.close()
        for body in made:
            took.append(post(line, body) * 1000)
            time.sleep(max(0.0, 0.05 - took[-1] / 1000))
        alive = beside.is_alive()
    finally:
        beside.kill()
        beside.join()
    return {
        "batches": len(took), "p50_ms": round(median(took), 1), "p95_ms": round(quantiles(took, n=20)[-1], 1),
        "goal_p95_ms": GOAL_P95_MS, "refresh_went_on": alive,
    }  # fmt: skip
