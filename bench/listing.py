"""What Accounts 360 costs on the server: the whole view, from the address to the last byte of the page."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from statistics import median, quantiles
from typing import Any

from django.db import connection
from django.urls import reverse

from bench import data
from bench.asking import Ask, asked_in_turn, signed_in, summary
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
    asks: dict[str, Ask] = {name: _asking(query) for name, query in states().items()}
    times, efforts, notes = asked_in_turn(asks, signed_in(), asked.rounds * 10)
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


def _asking(query: dict[str, Any]) -> Ask:
    return lambda client: client.get(reverse("accounts"), {"segment": HALF} | query, secure=True)
