"""What a back-test of twelve months costs beside one hand-written statement a day, with the same bands in the same run.

What is by hand is how the values of a past day are found; the arithmetic over them is the application's own text.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from typing import Any

from django.db import connection

from bench import data
from core.clock import Moment, moment
from health.backtest.figures import LETTERS
from health.backtest.models import BackTest
from health.backtest.replay import replay_of
from health.backtest.running import start_back_test, work
from health.definition import Definition, read_definition
from health.editing import save_config
from health.scoring import arithmetic
from segments.questions import Reader
from usage.models import EventName

SHARE = {"of": "account.licences"}
QUARTER = {"of": "account.active_users_90d"}
CHECKED = (0, 20, 40, -1)  # the days whose bands are compared


def number(key: str, field: str, good: Any, poor: Any, weight: int = 1) -> dict[str, Any]:
    return {"key": key, "name": key, "field": field, "good": good, "poor": poor, "weight": weight}


def industry(*names: str) -> dict[str, Any]:
    return {"match": "all", "rules": [{"field": "account.industry", "op": "any_of", "value": list(names)}]}


DEFINITION: dict[str, Any] = {
    "dimensions": [
        {"key": "adoption", "name": "Adoption", "weight": 60, "measures": [
            number("licences", "account.active_users_30d", {"percent": 5, **SHARE}, {"percent": 0, **SHARE}, 3),
            number("seen", "account.last_seen_at", 3, 30, 3),
            number("steady", "account.active_days_30d", 15, 1, 2),
            number("kept", "account.active_users_30d", {"percent": 80, **QUARTER}, {"percent": 30, **QUARTER}, 2),
        ]},
        {"key": "financial", "name": "Financial", "weight": 20, "measures": [
            number("renewal", "account.renews_on", -120, -14),
            {"key": "kind", "name": "Kind", "good": industry("Software", "Finance"), "poor": industry("Media")},
        ]},
        {"key": "relationship", "name": "Relationship", "weight": 20, "measures": [
            number("touchpoint", "account.last_touchpoint_at", 30, 90),
            number("nps", "account.custom.nps", 70, 20),
        ]},
    ],
    "bands": {"good": 70, "poor": 40},
}  # fmt: skip
_FILL = """
UPDATE accounts_subscription SET created_at = starts_on;
INSERT INTO usage_dailyusage (name_id, day, account_id, user_id, count)
SELECT (SELECT min(id) FROM usage_eventname), current_date - back.n, r.account_id, r.user_id, 1 + draw(r.id, 'c' || back.n, 4)::int
FROM accounts_relationship AS r, generate_series(1, 420) AS back (n)
WHERE draw(r.id, 'd' || back.n, 100) < 10 AND back.n > draw(r.account_id, 'left', 5) * draw(r.account_id, 'silent', 400) / 2
ON CONFLICT DO NOTHING;
INSERT INTO accounts_attributechange (subject, object_id, key, new, at, source, recorded_at)
SELECT 'account', id, 'custom.nps', to_jsonb(draw(id, 'nps' || n, 1000) / 10.0), told, 'bench', told
FROM accounts_account, generate_series(0, 3) AS n, LATERAL (SELECT created_at + n * interval '100 days' AS told) AS t WHERE told < now();
INSERT INTO accounts_note (account_id, kind, text, at, created_at, updated_at)
SELECT id, pick(id, 'kind' || n, '{call,email,note}'), 'said', now() - draw(id, 'note' || n, 400) * interval '1 day', now(), now()
FROM accounts_account, generate_series(1, 4) AS n;
"""
_CAME = """
CREATE TEMP TABLE by_hand AS
SELECT a.id, a.created_at, a.archived_at, a.industry, least(a.customer_since, a.created_at::date, s.first, u.first, c.first) AS came
FROM accounts_account AS a
LEFT JOIN (SELECT account_id, min(starts_on) AS first FROM accounts_subscription GROUP BY 1) AS s ON s.account_id = a.id
LEFT JOIN (SELECT account_id, min(day) AS first FROM usage_dailyusage GROUP BY 1) AS u ON u.account_id = a.id
LEFT JOIN (SELECT object_id, min(at)::date AS first FROM accounts_attributechange WHERE subject = 'account' GROUP BY 1) AS c
    ON c.object_id = a.id
"""
_READ = """
WITH used AS (
    SELECT account_id, count(DISTINCT user_id) FILTER (WHERE day > %(day)s::date - 30) AS u30, count(DISTINCT user_id) AS u90,
           count(DISTINCT day) FILTER (WHERE day > %(day)s::date - 30) AS d30
    FROM usage_dailyusage WHERE day > %(day)s::date - 90 AND day <= %(day)s GROUP BY 1
), seen AS (SELECT account_id, max(day) AS last FROM usage_dailyusage WHERE day <= %(day)s GROUP BY 1),
sold AS (
    SELECT s.account_id, coalesce(sum(quantity) FILTER (WHERE k.kind = 'active'), 0) AS licences,
           min(renews_on) FILTER (WHERE k.kind = 'active' AND renews_on >= %(day)s) AS renews_on
    FROM accounts_subscription AS s JOIN accounts_subscriptionstatus AS k ON k.key = s.status WHERE s.starts_on <= %(day)s GROUP BY 1
), told AS (
    SELECT DISTINCT ON (object_id) object_id, new FROM accounts_attributechange
    WHERE subject = 'account' AND key = 'custom.nps' AND at < %(end)s ORDER BY object_id, at DESC
), spoken AS (SELECT account_id, max(at) AS at FROM accounts_note WHERE kind <> 'note' AND at < %(end)s GROUP BY 1)
SELECT a.id, coalesce(u30, 0)::numeric AS v0, licences * 0.05 AS g0, licences * 0.0 AS p0,
       (%(day)s::date - last)::numeric AS v1, 3::numeric AS g1, 30::numeric AS p1, coalesce(d30, 0)::numeric AS v2, 15::numeric AS g2,
       1::numeric AS p2, coalesce(u30, 0)::numeric AS v3, coalesce(u90, 0) * 0.8 AS g3, coalesce(u90, 0) * 0.3 AS p3,
       (%(day)s::date - renews_on)::numeric AS v4, -120::numeric AS g4, -14::numeric AS p4,
       known AND lower(industry) IN ('software', 'finance') AS g5, known AND lower(industry) = 'media' AS p5, known AND industry <> '' AS k5,
       (%(day)s::date - (spoken.at AT TIME ZONE %(zone)s)::date)::numeric AS v6, 30::numeric AS g6, 90::numeric AS p6,
       (told.new #>> '{{}}')::numeric AS v7, 70::numeric AS g7, 20::numeric AS p7
FROM by_hand AS a CROSS JOIN LATERAL (SELECT a.created_at < %(end)s AS known) AS k
LEFT JOIN used ON used.account_id = a.id LEFT JOIN seen ON seen.account_id = a.id LEFT JOIN sold ON sold.account_id = a.id
LEFT JOIN told ON told.object_id = a.id LEFT JOIN spoken ON spoken.account_id = a.id
WHERE a.came <= %(day)s AND a.archived_at IS NULL
"""
_BANDS = """
WITH read AS MATERIALIZED ({read}), measured AS MATERIALIZED (SELECT id{measures} FROM read),
summed AS MATERIALIZED (SELECT *{dimensions} FROM measured), whole AS MATERIALIZED (SELECT id, {score} AS score, round({coverage}, 1) AS coverage FROM summed)
SELECT id, CASE WHEN score IS NULL OR coverage < 50 THEN 'none' WHEN score >= 70 THEN 'good' WHEN score < 40 THEN 'poor' ELSE 'average' END
FROM whole
"""


def by_hand(definition: Definition, day: dt.date, now: Moment) -> dict[int, str]:
    """The band of each account at the end of a day."""
    sums = arithmetic(definition)
    statement = _BANDS.format(
        read=_READ.replace("{{}}", "{}"),
        measures="".join(f", {sql} AS m{i}" for i, sql in enumerate(sums.measures)),
        dimensions="".join(f", {sql} AS d{i}" for i, (_, sql) in enumerate(sums.dimensions)),
        score=sums.score,
        coverage=sums.coverage,
    )
    with connection.cursor() as cursor:
        values = {"day": day, "end": now.start_of(day + dt.timedelta(days=1)), "zone": now.zone.key}
        cursor.execute(statement, values)
        return dict(cursor.fetchall())


def fill(accounts: int, seed: int) -> dict[str, int]:
    """The company with fourteen months of usage, and values that changed."""
    found = data.fill(accounts, seed)
    EventName.objects.create(name="Opened")
    with connection.cursor() as cursor:
        cursor.execute(_FILL)
        for table in ("usage_dailyusage", "accounts_attributechange", "accounts_note"):
            cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table.partition("_")[2]] = cursor.fetchone()[0]
    return found


def compare(test: BackTest, definition: Definition) -> list[str]:
    """Days on which the two ways give some account another band."""
    different = []
    with replay_of(test) as replay:
        for day in sorted({test.days[place] for place in CHECKED}):
            found = replay.day(day)
            ours = dict(zip(found.accounts, found.letters, strict=True))
            theirs = {pk: LETTERS[band] for pk, band in by_hand(definition, day, moment()).items()}
            wrong = sum(ours.get(pk) != theirs.get(pk) for pk in ours.keys() | theirs.keys())
            different += [f"{day}: {wrong} of {len(theirs)}"] if wrong else []
    return different


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the whole back-test and of its days, and of the same days by hand."""
    rows = fill(asked.accounts, asked.seed)
    config = save_config(None, name="", definition=DEFINITION)
    last = moment().today - dt.timedelta(days=1)
    test = start_back_test(config, first_day=last - dt.timedelta(days=364), last_day=last, silent_days=30)
    began = time.perf_counter()
    work(test.pk, seconds=3_600)
    ours = time.perf_counter() - began
    test.refresh_from_db()
    if test.state != BackTest.State.DONE:
        raise SystemExit(f"The back-test is {test.state}: {test.error}")
    definition = read_definition(DEFINITION, Reader.now())
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET jit = off")
        cursor.execute(_CAME)
        cursor.execute("ANALYZE by_hand")
    for day in test.days:
        by_hand(definition, day, moment())
    hand = time.perf_counter() - began
    if different := compare(test, definition):
        raise SystemExit("The bands differ: " + "; ".join(different))
    return {
        "measured": "backtest", "rows": rows, "days": test.steps, "seconds": round(ours, 1),
        "seconds_a_day": round(ours / test.steps, 2), "hand_seconds": round(hand, 1), "ratio": round(ours / hand, 2),
        "horizons": test.report["sides"]["tested"]["horizons"], "gaps": len(test.report["gaps"]), "goal_seconds": 300,
    }  # fmt: skip
