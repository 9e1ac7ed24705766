"""What load balancers and monitors ask: is the process alive, may it get traffic, is the background work done."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core import jobs

LONGEST_WAIT = dt.timedelta(minutes=5)
_migrated: set[str] = set()  # a process that has seen every migration applied need not look again


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; says nothing about the database, so that an outage there restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """503 while the database is away or older than the code; the worker is reported and does not stop traffic."""
    report: dict[str, Any] = {"database": _database()}
    if report["database"] == "ok":
        report["worker"] = worker_state()
    ready = report["database"] == "ok"
    return JsonResponse({"ready": ready, **report}, status=200 if ready else 503)


@never_cache
@require_safe
def workerz(request: HttpRequest) -> HttpResponse:
    """503 when nobody works, or when something has been waiting for too long."""
    try:
        state = worker_state()
    except Error:
        state = {"ok": False, "problem": "the database does not answer"}
    return JsonResponse(state, status=200 if state["ok"] else 503)


def worker_state() -> dict[str, Any]:
    """Clusters alive, and how long the oldest task has been waiting for one."""
    alive, waited = jobs.clusters(), jobs.oldest_due()
    problem = ""
    if not alive:
        problem = "no worker is running"
    elif waited > LONGEST_WAIT:
        problem = "tasks are waiting for too long"
    return {
        "ok": not problem,
        "problem": problem,
        "clusters": len(alive),
        "oldest_seconds": int(waited.total_seconds()),
    }


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if DEFAULT_DB_ALIAS not in _migrated:
            executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "migrations are waiting"
            _migrated.add(DEFAULT_DB_ALIAS)
    except Error:
        return "does not answer"
    return "ok"
