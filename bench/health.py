"""What scoring costs beside SQL written by hand for the same configs, with the same result, in the same run."""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from django.db import connection, transaction

from bench import data
from core.clock import Moment, moment
from health.editing import save_config
from health.models import HealthConfig
from health.refresh import refresh_health
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments

GROUPS = ("Software", "Retail", "Health", "Finance")  # half of the industries; the others fall to the default config
# What a measure is called, the field of ours, the expression by hand, poor and good, the weight. A pair is a percentage
# of licences.
MEASURES: tuple[tuple[str, str, str, Any, Any, int], ...] = (
    ("licences", "account.active_users_30d", "coalesce(u.active_users_30d, 0)", ("%", 10), ("%", 70), 3),
    ("week", "account.active_users_7d", "coalesce(u.active_users_7d, 0)", 2, 40, 1),
    ("quarter", "account.active_users_90d", "coalesce(u.active_users_90d, 0)", 10, 150, 2),
    ("days", "account.active_days_30d", "coalesce(u.active_days_30d, 0)", 1, 20, 2),
    ("seen", "account.last_seen_at", "%(today)s::date - (u.last_seen_at AT TIME ZONE %(zone)s)::date", 60, 3, 3),
    ("events", "account.events_30d", "coalesce(u.events_30d, 0)", 100, 3000, 1),
    ("renewal", "account.renews_on", "%(today)s::date - a.renews_on", -14, -120, 1),
    ("mrr", "account.mrr", "a.mrr", 500, 15000, 1),
)
DIMENSIONS = (("adoption", 50, (0, 1, 2, 3)), ("momentum", 30, (4, 5)), ("financial", 20, (6, 7)))
GOOD, POOR, LEAST = 70, 40, 50
_TABLES = {"hand_health": "health_accounthealth", "hand_day": "health_healthday", "hand_change": "health_bandchange"}
_SCORED = "config_id, version, score, band, coverage, dimensions, measures, values"
_WRITE = f"""
differing AS (
    SELECT s.*, coalesce(old.band, 'none') AS band_before, old.score AS score_before, old.account_id IS NULL AS fresh
    FROM said AS s LEFT JOIN hand_health AS old ON old.account_id = s.id
    WHERE old.account_id IS NULL OR (old.score, old.band, old.coverage, old.measures, old.values)
        IS DISTINCT FROM (s.score, s.band, s.coverage, s.measures, s.amounts)
),
kept AS (
    INSERT INTO hand_health (account_id, {_SCORED}, computed_band, overridden, band_since)
    SELECT id, %(config)s, 1, score, band, coverage, dimensions, measures, amounts, band, FALSE, %(now)s FROM differing
    ON CONFLICT (account_id) DO UPDATE SET score = EXCLUDED.score, band = EXCLUDED.band, coverage = EXCLUDED.coverage,
        dimensions = EXCLUDED.dimensions, measures = EXCLUDED.measures, values = EXCLUDED.values,
        computed_band = EXCLUDED.computed_band,
        band_since = CASE WHEN hand_health.band = EXCLUDED.band THEN hand_health.band_since ELSE EXCLUDED.band_since END
),
dated AS (
    INSERT INTO hand_day (id, account_id, day, {_SCORED})
    SELECT nextval('hand_numbers'), id, %(today)s, %(config)s, 1, score, band, coverage, dimensions, measures, amounts
    FROM differing
    ON CONFLICT (account_id, day) DO UPDATE SET score = EXCLUDED.score, band = EXCLUDED.band, coverage = EXCLUDED.coverage,
        dimensions = EXCLUDED.dimensions, measures = EXCLUDED.measures, values = EXCLUDED.values
)
INSERT INTO hand_change (id, account_id, at, before, after, score_before, score_after, config_id, version, cause)
SELECT nextval('hand_numbers'), id, %(now)s, band_before, band, score_before, score, %(config)s, 1,
    CASE WHEN fresh THEN 'first' ELSE 'time' END
FROM differing WHERE band_before <> band
"""
_PAST = "(SELECT score FROM hand_day AS d WHERE d.account_id = h.account_id AND d.day <= %(today)s::date - {0} ORDER BY d.day DESC LIMIT 1)"
_TRENDS = f"""
UPDATE hand_health AS kept SET score_7d = past.a, score_30d = past.b, score_90d = past.c
FROM (SELECT account_id, {_PAST.format(7)} AS a, {_PAST.format(30)} AS b, {_PAST.format(90)} AS c FROM hand_health AS h) AS past
WHERE past.account_id = kept.account_id
    AND (kept.score_7d, kept.score_30d, kept.score_90d) IS DISTINCT FROM (past.a, past.b, past.c)
"""
_DIFFERENT = """
SELECT count(*) FROM health_accounthealth AS x FULL JOIN hand_health AS y USING (account_id)
WHERE (x.score, x.band, x.coverage, x.measures, x.config_id) IS DISTINCT FROM (y.score, y.band, y.coverage, y.measures, y.config_id)
"""


def definition(shift: int) -> dict[str, Any]:
    """Eight measures in three dimensions; each config has limits of its own."""

    def limit(value: Any) -> Any:
        return {"percent": value[1] + shift, "of": "account.licences"} if isinstance(value, tuple) else value + shift

    def measure(at: int) -> dict[str, Any]:
        name, field, _, poor, good, weight = MEASURES[at]
        return {
            "key": name, "name": name, "field": field, "poor": limit(poor), "good": limit(good), "weight": weight,
        }  # fmt: skip

    rows = [
        {"key": key, "name": key, "weight": weight, "measures": [measure(at) for at in places]}
        for key, weight, places in DIMENSIONS
    ]
    return {"dimensions": rows, "bands": {"good": GOOD, "poor": POOR}, "least_coverage": LEAST}


def by_hand(shift: int) -> str:
    """The statement for one config as an engineer writes it: the columns, the lines, the means, then what differs."""

    def limit(value: Any) -> str:
        return f"(licences * {value[1] + shift} / 100.0)" if isinstance(value, tuple) else f"{value + shift}"

    values = ", ".join(f"({sql})::numeric AS v{at}" for at, (_, _, sql, *_) in enumerate(MEASURES))
    lines = ", ".join(
        f"round(least(100, greatest(0, 100 * (v{at} - {limit(poor)}) / nullif({limit(good)} - {limit(poor)}, 0))), 1) AS m{at}"
        for at, (_, _, _, poor, good, _) in enumerate(MEASURES)
    )
    # least and greatest skip what is missing, so a line over a missing number is told to be missing.
    known = ", ".join(
        f"CASE WHEN v{at} IS NULL OR licences IS NULL AND {at} = 0 THEN NULL ELSE m{at} END AS m{at}" for at in range(8)
    )
    means = ", ".join(
        f"{_mean([(f'm{at}', MEASURES[at][5]) for at in places])} AS {key}" for key, _, places in DIMENSIONS
    )
    covered = " + ".join(
        f"{weight} * ({' + '.join(f'(m{at} IS NOT NULL)::int * {MEASURES[at][5]}' for at in places)})::numeric / {sum(MEASURES[at][5] for at in places)}"
        for _, weight, places in DIMENSIONS
    )
    whole = _mean([(key, weight) for key, weight, _ in DIMENSIONS])
    keys = ", ".join(f"'{key}', {key}" for key, _, _ in DIMENSIONS)
    m, v = (", ".join(f"{letter}{at}" for at in range(8)) for letter in "mv")
    return f"""
WITH columns AS MATERIALIZED (
    SELECT a.id, a.licences, {values} FROM accounts_account AS a LEFT JOIN usage_accountusage AS u ON u.account_id = a.id
    WHERE a.archived_at IS NULL AND (a.industry = %(group)s OR %(group)s = '' AND a.industry <> ALL (%(groups)s))
),
lines AS MATERIALIZED (SELECT id, licences, {v}, {lines} FROM columns),
known AS MATERIALIZED (SELECT id, {v}, {known} FROM lines),
means AS MATERIALIZED (SELECT *, {means}, round({covered}, 1) AS coverage FROM known),
total AS MATERIALIZED (SELECT *, {whole} AS score FROM means),
said AS (
    SELECT id, CASE WHEN coverage >= {LEAST} THEN score END AS score, coverage, jsonb_build_object({keys}) AS dimensions,
        ARRAY[{m}] AS measures, ARRAY[{v}] AS amounts,
        CASE WHEN score IS NULL OR coverage < {LEAST} THEN 'none' WHEN score >= {GOOD} THEN 'good'
             WHEN score < {POOR} THEN 'poor' ELSE 'average' END AS band
    FROM total
),{_WRITE}"""


def _mean(parts: list[tuple[str, int]]) -> str:
    above = " + ".join(f"coalesce({name} * {weight}, 0)" for name, weight in parts)
    below = " + ".join(f"({name} IS NOT NULL)::int * {weight}" for name, weight in parts)
    return f"round(({above}) / nullif({below}, 0), 1)"


def prepare() -> list[HealthConfig]:
    """Four segments by industry with a config each, and a default; the twins' tables."""
    configs = []
    for place, name in enumerate(GROUPS):
        rule = {"match": "all", "rules": [{"field": "account.industry", "op": "is", "value": name}]}
        segment = Segment.everything.create(key=name.lower(), name=name, rule=rule, version=1, position=place)
        configs.append(save_config(None, name=name, definition=definition(place), segment=segment))
    configs.append(save_config(None, name="Default", definition=definition(4)))
    refresh_segments(RefreshRun.Trigger.DAILY)
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE hand_numbers")
        for twin, original in _TABLES.items():
            cursor.execute(f"CREATE TABLE {twin} (LIKE {original} INCLUDING ALL)")
        cursor.execute("VACUUM ANALYZE")
    return configs


def ours(now: Moment) -> float:
    """The scoring as a refresh does it; milliseconds."""
    began = time.perf_counter()
    run = refresh_health(RefreshRun.Trigger.DAILY, now)
    if run.problems:
        raise SystemExit(f"These measures could not be scored: {run.problems}")
    return (time.perf_counter() - began) * 1000


def hand(configs: list[HealthConfig], now: Moment) -> float:
    """The same by hand, in one transaction; milliseconds."""
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for place, (config, name) in enumerate(zip(configs, [*GROUPS, ""], strict=True)):
            values = {
                "today": now.today, "now": now.now, "zone": now.zone.key, "group": name, "groups": list(GROUPS),
                "config": config.pk,
            }  # fmt: skip
            cursor.execute(by_hand(place), values)
        cursor.execute(_TRENDS, {"today": now.today})
    return (time.perf_counter() - began) * 1000


def check() -> None:
    """Both ways say the same of every account, or the command ends with an error."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENT)
        if different := cursor.fetchone()[0]:
            raise SystemExit(f"The health of {different} accounts differs between the scoring and the SQL by hand.")


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """First scoring, nothing changed, one account in a hundred changed."""
    rows = data.fill(asked.accounts, asked.seed)
    configs = prepare()
    now = moment()

    def forget(_: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join([*_TABLES, *_TABLES.values()])}")
            cursor.execute("VACUUM ANALYZE health_accounthealth, hand_health")

    phases = {"first": forget, "nothing_changed": lambda _: None, "one_percent_changed": data.change}
    found: dict[str, Any] = {}
    for name, before in phases.items():
        mine, theirs = [], []
        for turn in range(asked.rounds):
            before(turn)
            for way in (("ours", "hand"), ("hand", "ours"))[turn % 2]:
                (mine if way == "ours" else theirs).append(ours(now) if way == "ours" else hand(configs, now))
            check()
        found[name] = {
            "ours_ms": round(median(mine)), "hand_ms": round(median(theirs)),
            "ratio": round(median(mine) / median(theirs), 2),
        }  # fmt: skip
    return {"measured": "health", "rows": rows, "configs": 5, "measures": 8, **found, "goal_ratio": 2}
