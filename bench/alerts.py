"""What alert rules cost inside the daily refresh beside as many segments that ask the same, in the same run."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from statistics import median
from typing import Any

from django.db import connection
from django.utils import timezone

from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertRule
from alerts.raising import raise_alerts
from bench import data
from bench.questions import all_, is_, questions
from core.clock import Moment, moment
from segments.models import RefreshRun, Segment
from segments.questions import named_in
from segments.refresh import refresh_due, refresh_segments

RULES = 30
WITH_CLEAR, WITH_HOLD = 5, 3  # each fifth rule has a clear condition, each third a hold of two days
GOAL = 1.5


class Company:
    """Thirty segments and thirty alert rules of the same conditions, filled; each turn is the refresh of another day."""

    def __init__(self) -> None:
        asked = questions(RULES)
        self.segments = [
            Segment.everything.create(key=f"ours-{n}", name=f"{one.name} {n}", rule=one.rule, version=1, position=n)
            for n, one in enumerate(asked)
        ]
        clear = all_(is_("account.mrr", "at_least", 10_000))
        for n, one in enumerate(asked):
            save_alert_rule(
                None, name=f"{one.name} {n}", condition=one.rule, message="{{ account.name }} pays {{ account.mrr }}",
                clear=None if n % WITH_CLEAR else clear, hold_days=0 if n % WITH_HOLD else 2,
            )  # fmt: skip
        self.day = timezone.now() + dt.timedelta(seconds=1)
        refresh_segments(RefreshRun.Trigger.DAILY, self.now, segments=self.segments)
        refresh_due(now=self.now)
        raise_alerts(self.now)
        watches = AlertRule.objects.values_list("watch", "clear_watch")
        ids = [pk for pair in watches for pk in pair if pk]
        self.watches = list(Segment.everything.filter(pk__in=ids))
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    @property
    def now(self) -> Moment:
        """The moment of the present day's refresh."""
        return moment(self.day)

    def plain(self) -> tuple[float, ...]:
        """The segments; milliseconds."""
        began = time.perf_counter()
        _sound(refresh_segments(RefreshRun.Trigger.DAILY, self.now, segments=self.segments))
        return ((time.perf_counter() - began) * 1000,)

    def rules(self) -> tuple[float, ...]:
        """The questions of the rules, and the alerts; milliseconds of both."""
        began = time.perf_counter()
        _sound(refresh_segments(RefreshRun.Trigger.DAILY, self.now, segments=self.watches))
        asked = time.perf_counter()
        if raise_alerts(self.now).silent:
            raise SystemExit("A rule said nothing.")
        return (asked - began) * 1000, (time.perf_counter() - asked) * 1000

    def phase(self, rounds: int, before: Any) -> dict[str, Any]:
        """Both so many times, each first in turn; medians, and what was opened and ended."""
        alerts, ended = Alert.objects.count(), Alert.objects.exclude(ended_at=None).count()
        mine, theirs = [], []
        for number in range(rounds):
            before(number)
            self.day += dt.timedelta(days=1)
            for way in (("rules", "plain"), ("plain", "rules"))[number % 2]:
                (mine if way == "rules" else theirs).append(getattr(self, way)())
            self.check()
        asked, raised = (median(values) for values in zip(*mine, strict=True))
        segments = median(one for (one,) in theirs)
        return {
            "segments_ms": round(segments), "rules_ms": round(asked + raised), "of_which_raising_ms": round(raised),
            "ratio": round((asked + raised) / segments, 2),
            "opened_a_day": round((Alert.objects.count() - alerts) / rounds),
            "ended_a_day": round((Alert.objects.exclude(ended_at=None).count() - ended) / rounds),
        }  # fmt: skip

    def check(self) -> None:
        """Each rule's question has the members of its segment, or the command ends with an error. Those that name another
        segment are left out: whoever comes first reads that one as it was the day before."""
        counts = dict(Segment.everything.values_list("pk", "member_count"))
        for segment, rule in zip(self.segments, AlertRule.objects.order_by("pk"), strict=True):
            if not named_in(segment.rule) and counts[segment.pk] != counts[rule.watch_id or 0]:
                raise SystemExit(
                    f"“{rule}” has {counts[rule.watch_id or 0]} accounts, its segment {counts[segment.pk]}."
                )


def _sound(run: RefreshRun) -> None:
    if failed := [f"{one.segment}: {one.error}" for one in run.refreshes.exclude(error="").select_related("segment")]:
        raise SystemExit("These could not be refreshed: " + "; ".join(failed))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """A day on which nothing changed but the clock, and one on which one account in a hundred did."""
    rows = data.fill(asked.accounts, asked.seed)
    company = Company()
    return {
        "measured": "alerts",
        "rows": rows,
        "rules": RULES,
        "questions_of_rules": len(company.watches),
        "nothing_changed": company.phase(asked.rounds, lambda _: None),
        "one_percent_changed": company.phase(asked.rounds, data.change),
        "goal_ratio": GOAL,
    }
