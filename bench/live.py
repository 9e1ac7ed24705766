"""How long after the commit of an event the membership that follows from it is there, under a stream of events.

A writer stores events as ingestion does, so many a second; a worker evaluates as the queue's does, woken and paced. Of
each batch one event is the first that some account ever had: the account joins the segments that ask for it, and the
delay is the time from the commit to the end of the whole evaluation that opened that membership: traits, levels,
segments, health, the segments that read health, milestones, alerts and playbooks. Each of those accounts must have its
alert at the end. The company has 90 days of usage behind it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from accounts.models import Account
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.models import Alert, AlertRule
from alerts.stock import STOCK, take_stock_rule
from bench import events
from bench.asking import Effort
from bench.questions import questions
from core.clock import moment
from csbox import pipeline
from csbox.evaluating import evaluate_waiting, is_waiting
from health import stock
from health.editing import save_config
from segments.models import AccountMembership, RefreshRun, Segment
from usage.models import EventName, PendingUsage
from usage.partitions import prepare_ahead
from usage.store import EventFact, PostgresStore
from usage.traits.editing import save_trait

RATE, BATCH, GOAL_S = 1_000, 100, 60
BEGUN = "Begun"  # the alert rule about every account that the delays are of
EVENTS = ("Report Exported", "Page Viewed", "Key Rotated", "Login")
HISTORY = {"Report Exported": 1.5, "Key Rotated": 0.3}  # days with the event for each relationship in 90 days
STEPS = (
    "roll_up", "read_touched", "roll_up_billing", "refresh_metrics", "refresh_traits", "decide_levels",
    "refresh_segments", "refresh_health", "reach_for", "raise_alerts", "run_playbooks", "settle",
)  # fmt: skip
# What a narrowed refresh costs by hand, for the segments of the same rules: their conditions, the accounts, one diff.
_BY_HAND = """
WITH matched AS MATERIALIZED (
    SELECT a.id FROM accounts_account a WHERE a.archived_at IS NULL AND a.id IN (SELECT unnest(%(ids)s::bigint[])) AND ({condition})
), stored AS (
    SELECT id, account_id FROM segments_accountmembership
    WHERE segment_id = %(segment)s AND left_at IS NULL AND account_id IN (SELECT unnest(%(ids)s::bigint[]))
)
SELECT count(*) FROM matched FULL JOIN stored ON stored.account_id = matched.id
WHERE matched.id IS NULL OR stored.id IS NULL
"""


def _event_rules() -> dict[str, Any]:
    """Segments about events: counted, by users, in any account, by a property, never."""
    week = {"last": 7, "unit": "day"}
    often = {"event": "Report Exported", "op": "at_least", "value": 3, "window": week}
    pages = {"match": "all", "rules": [{"field": "event.properties.pages", "op": "at_least", "value": 50}]}
    return {
        "first": {"event": "First Seen", "op": "at_least", "value": 1, "window": week},
        "often": often,
        "seldom": often | {"op": "at_most"},
        "a user often": {"users": "any", "where": {"match": "all", "rules": [often]}},
        "three users": often | {"measure": "users"},
        "anywhere": often | {"anywhere": True},
        "never": {"event": "Key Rotated", "op": "never", "window": week},
        "long reports": often | {"value": 1, "where": pages},
    }


def _segments(number: int) -> list[str]:
    """So many segments: those about events, and the questions of the other measurements; the SQL by hand of these."""
    rules = {name: {"match": "all", "rules": [rule]} for name, rule in _event_rules().items()}
    asked = questions(max(number - len(rules), 0))
    kept = [(one.name, one.rule, one.sql) for one in asked]
    for place, (name, rule, _) in enumerate(kept):
        Segment.everything.create(key=f"ours-{place}", name=f"{name} {place}", rule=rule, version=1, position=place)
    for name, rule in list(rules.items())[:number]:
        Segment.everything.create(key=name.replace(" ", "-"), name=name, rule=rule, version=1, position=999)
    ids = {key: str(pk) for key, pk in Segment.everything.values_list("key", "pk")}
    return [_named(sql, ids) for _, _, sql in kept]


def _traits_and_health() -> None:
    """A trait of each kind that events move, a health config for everybody and one for a segment, and who reads them."""
    week = {"last": 7, "unit": "day"}
    weights = [{"event": "Report Exported", "weight": 3}, {"event": "Page Viewed", "weight": 1}]
    save_trait(None, name="Exports", method="count", definition={"event": "Report Exported"}, compute_now=False)
    save_trait(None, name="Engagement", method="engagement", definition={"weights": weights}, compute_now=False)
    pages = {"event": "Report Exported", "property": "pages", "window": week}
    save_trait(None, name="Pages", method="sum", definition=pages, compute_now=False)
    save_trait(None, name="User pages", method="sum", definition=pages, subject="user", compute_now=False)
    rules: dict[str, Any] = {
        "exports": {"field": "account.trait.exports", "op": "at_least", "value": 20},
        "poor": {"field": "health.band", "op": "is", "value": "poor"},
        "falling": {"field": "health.score", "op": "less_than", "value": 50},
    }
    for key, rule in rules.items():
        Segment.everything.create(key=key, name=key, rule={"match": "all", "rules": [rule]}, version=1, position=999)
    often = {"match": "all", "rules": [_event_rules()["often"]]}
    Segment.everything.create(key="who", name="who", rule=often, subject="user", version=1, position=999)
    save_config(None, name="Default", definition=stock.DEFAULT)
    save_config(None, name="First", definition=stock.STRATEGIC, segment=Segment.everything.get(key="ours-0"))


def _what_follows() -> None:
    """The ready-made alert rules, and a milestone and an alert of those whose first event came."""
    begun = {"match": "all", "rules": [_event_rules()["first"]]}
    save_milestone(None, name="Begun", condition=begun)
    save_alert_rule(None, name=BEGUN, condition=begun)
    for one in STOCK:
        take_stock_rule(one.key)


def _named(sql: str, ids: dict[str, str]) -> str:
    for place in range(200):
        sql = sql.replace(f"{{segment:{place}}}", ids.get(f"ours-{place}", "0"))
    return sql


class Writer(threading.Thread):
    """Stores events at a rate; remembers when the first event of an account was committed."""

    def __init__(self, seconds: float, people: list[tuple[str, str]], fresh: list[str], seed: int) -> None:
        super().__init__()
        self.seconds, self.people, self.fresh, self.dice = seconds, people, fresh, random.Random(seed)
        self.committed: dict[str, dt.datetime] = {}
        self.stored, self.late_s = 0, 0.0

    def run(self) -> None:
        """Batches on the beat; a beat that was missed is counted, not made up for by larger batches."""
        store, began, number = PostgresStore(), time.monotonic(), 0
        try:
            while (due := began + number * BATCH / RATE) < began + self.seconds:
                time.sleep(max(0.0, due - time.monotonic()))
                self.late_s = max(self.late_s, time.monotonic() - due)
                newcomer = self.fresh[number]
                self.stored += store.append(self.batch(number, newcomer), source="bench").stored
                self.committed[newcomer] = timezone.now()
                number += 1
        finally:
            connections.close_all()

    def batch(self, number: int, newcomer: str) -> list[EventFact]:
        """Ninety-nine events of anybody, and the first of one account."""
        now = timezone.now()
        found = [EventFact(f"{number}-first", "First Seen", now, newcomer)]
        for place in range(BATCH - 1):
            user, account = self.dice.choice(self.people)
            name, pages = self.dice.choice(EVENTS), {"pages": self.dice.randrange(100)}
            found.append(EventFact(f"{number}-{place}", name, now, account, user, pages))
        return found


class Steps:
    """Seconds that each step of the evaluations took, elapsed and of the processor, and when which run was over."""

    def __init__(self) -> None:
        self.effort = Effort()
        self.took: dict[str, list[tuple[float, float]]] = {name: [] for name in (*STEPS, "evaluation")}
        self.ended: list[tuple[int, dt.datetime]] = []
        for name in STEPS:
            setattr(pipeline, name, self.timed(name, getattr(pipeline, name)))

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """The same step, with its time noted."""

        def run(*given: Any, **named: Any) -> Any:
            began, before = time.perf_counter(), self.effort.spent()
            found = step(*given, **named)
            self.took[name].append((time.perf_counter() - began, (self.effort.spent() - before) / 1000))
            return found

        return run

    def evaluate(self) -> None:
        """One evaluation with its rest, and the newest run that belongs to it."""
        self.timed("evaluation", evaluate_waiting)()
        newest = RefreshRun.objects.order_by("-pk").values_list("pk", flat=True).first()
        self.ended.append((newest or 0, timezone.now()))

    def end_of(self, run: int) -> dt.datetime:
        """When the evaluation of a run was over."""
        return next(at for newest, at in self.ended if newest >= run)

    def told(self) -> dict[str, dict[str, float]]:
        """The seconds of an evaluation by step, on the average; the whole has the rest in it."""
        number = max(1, len(self.took["evaluation"]))
        sums = {name: [sum(part) for part in zip(*took, strict=True)] for name, took in self.took.items() if took}
        return {
            name: {"elapsed_s": round(elapsed / number, 2), "processor_s": round(processor / number, 2)}
            for name, (elapsed, processor) in sums.items()
        }


def _furnish(asked: argparse.Namespace) -> tuple[dict[str, int], list[str]]:
    """The company, its usage, segments, traits and health, all refreshed once; rows by table, and the SQL by hand."""
    rows = events.fill(asked.accounts, asked.seed, HISTORY)
    for name in sorted({*EVENTS, "First Seen"} - set(HISTORY)):
        EventName.objects.create(name=name)
    prepare_ahead(moment().today)
    by_hand = _segments(asked.segments)
    _traits_and_health()
    _what_follows()
    return rows, by_hand


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Delays under the stream, what an evaluation costs, and what the same narrowed statements cost by hand."""
    rows, by_hand = _furnish(asked)
    began = time.perf_counter()
    pipeline.refresh_everything()
    full = time.perf_counter() - began
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(
            "SELECT u.external_id, a.external_id FROM accounts_relationship r JOIN accounts_enduser u ON u.id = r.user_id"
            " JOIN accounts_account a ON a.id = r.account_id WHERE r.ended_at IS NULL ORDER BY r.id LIMIT 200000"
        )
        people = cursor.fetchall()
    fresh = list(
        Account.objects.order_by("?").values_list("external_id", flat=True)[: int(asked.seconds * RATE / BATCH) + 1]
    )
    settings.REDIS_URL = ""
    steps = Steps()
    writer = Writer(asked.seconds, people, fresh, asked.seed)
    writer.start()
    longest, load = 0, [os.getloadavg()[0]]
    while writer.is_alive() or is_waiting():
        longest = max(longest, PendingUsage.objects.count())
        steps.evaluate()
        time.sleep(0.5)  # the queue's own pause
    load.append(os.getloadavg()[0])
    return {
        "measured": "live",
        "rows": rows,
        "segments": Segment.everything.count(),
        "alert_rules": AlertRule.objects.count(),
        "alerts": Alert.objects.count(),
        "events": writer.stored,
        "events_a_second": round(writer.stored / asked.seconds),
        "writer_latest_s": round(writer.late_s, 2),
        "delay_s": _delays(writer.committed, steps),
        "load_before_and_after": [round(one, 1) for one in load],
        "runs": _runs(),
        "of_an_evaluation": steps.told(),
        "pending_rows_at_most": longest,
        "full_refresh_s": round(full, 1),
        "narrowed": _compare(by_hand, asked.rounds),
        "goal_s": GOAL_S,
    }


def _delays(committed: dict[str, dt.datetime], steps: Steps) -> dict[str, Any]:
    """From the commit to the end of the evaluation that opened the membership, in seconds; every account must have
    joined."""
    rows = AccountMembership.objects.filter(segment__key="first", account__external_id__in=committed)
    joined = dict(rows.values_list("account__external_id", "opened_by__run_id"))
    if missing := committed.keys() - joined.keys():
        raise SystemExit(f"{len(missing)} accounts had their event and are not in the segment.")
    alerted = Alert.objects.filter(rule__name=BEGUN, account__external_id__in=committed).distinct()
    if (told := alerted.values("account").distinct().count()) != len(committed):
        raise SystemExit(f"{len(committed)} accounts had their event, and {told} of them have their alert.")
    delays = sorted((steps.end_of(joined[key]) - at).total_seconds() for key, at in committed.items())
    place = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(delays[min(len(delays) - 1, int(len(delays) * share))], 1) for name, share in place.items()}


def _runs() -> dict[str, Any]:
    """The evaluations: how many accounts each has looked at (None: everybody)."""
    runs = RefreshRun.objects.filter(trigger=RefreshRun.Trigger.DATA, total__gt=Segment.everything.count() / 2)
    return {"number": len(runs), "accounts": list(runs.order_by("pk").values_list("accounts", flat=True))}


def _compare(by_hand: list[str], rounds: int) -> dict[str, Any]:
    """The same 5,000 accounts again, nothing new: our whole run of the segments beside one statement each by hand."""
    from segments.changing import Changed
    from segments.refresh import refresh_segments

    ids = list(Account.objects.live().order_by("?").values_list("pk", flat=True)[:5_000])
    ours_of = list(Segment.everything.filter(key__startswith="ours-").order_by("position"))
    ours, hand, whole, spent = [], [], [], []
    now, effort = moment(), Effort()
    for _ in range(rounds):
        began, before = time.perf_counter(), effort.spent()
        refresh_segments(RefreshRun.Trigger.DATA, now, segments=ours_of, changed=Changed.of(ids))
        ours.append(time.perf_counter() - began)
        spent.append(effort.spent() - before)
        began = time.perf_counter()
        for segment, condition in zip(ours_of, by_hand, strict=True):
            with connection.cursor() as cursor:
                values = {"ids": ids, "segment": segment.pk, "today": now.today, "now": now.now}
                cursor.execute(_BY_HAND.format(condition=condition), values)
                if different := cursor.fetchone()[0]:
                    raise SystemExit(f"“{segment.name}”: {different} of the accounts differ from the SQL by hand.")
        hand.append(time.perf_counter() - began)
        began = time.perf_counter()
        refresh_segments(RefreshRun.Trigger.HAND, moment(), segments=ours_of)
        whole.append(time.perf_counter() - began)
    x, y, z = median(ours), median(hand), median(whole)
    return {
        "accounts": len(ids), "ours_processor_ms": round(median(spent)), "ours_ms": round(x * 1000), "hand_ms": round(y * 1000), "ratio": round(x / y, 2),
        "whole_ms": round(z * 1000), "of_whole": round(x / z, 2),
    }  # fmt: skip
