"""What conditions on events cost: each compiled by the engine and run over all accounts, with its plan."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Mapping
from statistics import median
from typing import Any

from django.db import connection, transaction

from accounts.models import Account
from bench import data
from bench.asking import Effort
from core.clock import moment
from segments.questions import Reader
from usage.models import EventName
from usage.partitions import ensure_months, month_of
from usage.recent import count_recent, marks

GOAL_MS = 100
# How many daily counts an event has for each relationship in 90 days: a hot one, a typical one, a rare one.
EVENTS = {"Page Viewed": 8.0, "Report Exported": 1.5, "Key Rotated": 0.3}
_DAYS = """
INSERT INTO usage_dailyusage (name_id, day, account_id, user_id, count)
SELECT %(name)s, current_date - draw(r.id, 'd' || %(name)s || n, 90)::int, r.account_id, r.user_id,
    1 + draw(r.id, 'c' || %(name)s || n, 4)::int
FROM accounts_relationship AS r, generate_series(1, ceil(%(each)s)::int) AS n
WHERE draw(r.id, 'x' || %(name)s || n, 1000) < 1000 * %(each)s / ceil(%(each)s)
ON CONFLICT DO NOTHING
"""
_RAW = """
INSERT INTO usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id)
SELECT d.account_id, d.user_id, d.name_id, d.day + draw(d.id, 'at' || n, 86400) * interval '1 second', now(),
    jsonb_build_object('pages', draw(d.id, 'p' || n, 100), 'format', pick(d.id, 'f' || n, '{Pdf,Csv,Xlsx}')),
    jsonb_build_object('format', lower(pick(d.id, 'f' || n, '{Pdf,Csv,Xlsx}'))), 'bench', d.id || '-' || n
FROM usage_dailyusage AS d, generate_series(1, d.count) AS n WHERE d.name_id = ANY(%s)
"""


def questions() -> dict[str, dict[str, Any]]:
    """The conditions by name."""
    month = {"last": 30, "unit": "day"}
    typical = {"event": "Report Exported", "op": "at_least", "value": 3, "window": month}
    export = {"field": "event.properties.format", "op": "is", "value": "PDF"}
    steps = [{"event": "Report Exported"}, {"event": "Key Rotated"}]
    who = {"match": "all", "rules": [typical]}
    return {
        "typical, at least 3 times": typical,
        "typical, at least once": typical | {"value": 1},
        "typical, never": {"event": "Report Exported", "op": "never", "window": month},
        "typical, at most 2 times": typical | {"op": "at_most", "value": 2},
        "typical, 2 users": typical | {"measure": "users", "value": 2},
        "typical, 3 days": typical | {"measure": "days"},
        "typical, down by half": typical | {"op": "decreased_by", "value": {"percent": 50}},
        "typical, stopped": {"event": "Report Exported", "op": "stopped", "window": month},
        "typical, first time": {"event": "Report Exported", "op": "first_time_in", "window": month},
        # Windows whose counts are not kept: added up from the daily usage.
        "typical, 14 days": typical | {"window": {"last": 14, "unit": "day"}},
        "typical, 45 days": typical | {"window": {"last": 45, "unit": "day"}},
        "typical, a month": typical | {"window": {"last": 1, "unit": "month"}},
        "typical, 60 to 30 days ago": typical | {"window": {"between": [60, 30], "unit": "day"}},
        "typical, since it went live": typical | {"window": {"since": "account.custom.go_live"}},
        "typical, ever": typical | {"window": "ever"},
        "rare, at least 3 times": typical | {"event": "Key Rotated"},
        "hot, at least 3 times": typical | {"event": "Page Viewed"},
        "a user 3 times": {"users": "any", "where": who},
        "typical, in any account": typical | {"anywhere": True},
        "a property": typical | {"where": {"match": "all", "rules": [export]}},
        "a sum": typical | {"measure": {"sum": "properties.pages"}, "value": 200},
        "the last 48 hours": typical | {"window": {"last": 48, "unit": "hour"}, "value": 1},
        "a sequence": {"sequence": steps, "op": "then", "within": {"n": 7, "unit": "day"}, "window": month},
    }


def fill(accounts: int, seed: int, events: Mapping[str, float] = EVENTS) -> dict[str, int]:
    """The company with these kinds of events in 90 days, the rows of each table."""
    found = data.fill(accounts, seed)
    names = {name: EventName.objects.create(name=name).pk for name in events}
    today = moment().today
    with transaction.atomic():
        ensure_months({month_of(today - dt.timedelta(days=days)) for days in range(-2, 100)})
    with connection.cursor() as cursor:
        for name, each in events.items():
            cursor.execute(_DAYS, {"name": names[name], "each": each})
            found[f"days of {name}"] = cursor.rowcount
        cursor.execute(_RAW, [[names["Report Exported"], names["Key Rotated"]]])
        found["events"] = cursor.rowcount
        count_recent(today, [], marks())  # as the roll-up does
        cursor.execute("VACUUM ANALYZE usage_dailyusage")
        cursor.execute("VACUUM ANALYZE usage_recentcount")
        cursor.execute("VACUUM ANALYZE usage_firstuse")
        cursor.execute("VACUUM ANALYZE usage_event")
    return found


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of each condition over all accounts; the goal is for a typical event."""
    rows = fill(asked.accounts, asked.seed)
    reader, effort = Reader.now(), Effort()
    found = {name: _one(reader, effort, node, asked.rounds) for name, node in questions().items()}
    over = [name for name, item in found.items() if name.startswith("typical") and item["elapsed_ms"] > GOAL_MS]
    return {"rows": rows, "goal_ms": GOAL_MS, "over_the_goal": over, "conditions": found}


def _one(reader: Reader, effort: Effort, node: dict[str, Any], rounds: int) -> dict[str, Any]:
    accounts = reader.read({"match": "all", "rules": [node]}).accounts().order_by()
    sql, params = accounts.values("pk").query.sql_with_params()
    processor, elapsed, plan = [], [], {}
    for _ in range(rounds + 1):  # the first one warms up
        before = effort.spent()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
            told = cursor.fetchone()[0]
        plan = (told if isinstance(told, list) else json.loads(told))[0]
        processor.append(effort.spent() - before)
        elapsed.append(plan["Execution Time"])
    top = plan["Plan"]
    return {
        "accounts": Account.objects.filter(pk__in=accounts.values("pk")).count(),
        "processor_ms": round(median(processor[1:]), 1),
        "elapsed_ms": round(median(elapsed[1:]), 1),
        "blocks": top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        "plan": " < ".join(_nodes(top)),
    }


def _nodes(node: dict[str, Any]) -> list[str]:
    """The path of the plan that reads most, from the top."""
    below = node.get("Plans", [])
    named = " ".join(filter(None, [node["Node Type"], node.get("Join Type", ""), node.get("Index Name", "")]))
    return [named, *(_nodes(max(below, key=lambda one: one["Total Cost"])) if below else [])]
