"""What a refresh costs beside one hand-written statement a segment, for the same result in the same run."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import time
from statistics import median
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from bench import data
from bench.questions import Question, questions
from core.clock import Moment, moment
from segments.models import RefreshRun, Segment, SegmentRefresh
from segments.refresh import refresh_segments

_BY_HAND = """
WITH matched AS MATERIALIZED (SELECT a.id, a.mrr FROM accounts_account a WHERE a.archived_at IS NULL AND ({condition})),
stored AS (SELECT id, account_id FROM segments_accountmembership WHERE segment_id = %(segment)s AND left_at IS NULL),
difference AS (
    SELECT matched.id AS account_id, stored.id AS stored_id FROM matched FULL JOIN stored ON stored.account_id = matched.id
    WHERE matched.id IS NULL OR stored.id IS NULL
),
closed AS (
    UPDATE segments_accountmembership AS m SET left_at = %(now)s, closed_by_id = %(refresh)s
    FROM difference WHERE m.id = difference.stored_id AND difference.account_id IS NULL RETURNING 1
),
opened AS (
    INSERT INTO segments_accountmembership (segment_id, account_id, entered_at, opened_by_id)
    SELECT %(segment)s, account_id, %(now)s, %(refresh)s FROM difference WHERE stored_id IS NULL RETURNING 1
)
SELECT (SELECT count(*) FROM opened), (SELECT count(*) FROM closed), count(*), sum(mrr) FROM matched
"""
_DIFFERENT = """
SELECT count(*) FROM
    (SELECT account_id FROM segments_accountmembership WHERE segment_id = %s AND left_at IS NULL) AS x
    FULL JOIN (SELECT account_id FROM segments_accountmembership WHERE segment_id = %s AND left_at IS NULL) AS y USING (account_id)
WHERE x.account_id IS NULL OR y.account_id IS NULL
"""


class Race:
    """The same segments twice: ours, and twins whose members are written by hand-made statements."""

    def __init__(self, asked: list[Question], now: Moment) -> None:
        self.asked, self.now = asked, now
        self.ours = [self.segment("ours", i, one) for i, one in enumerate(asked)]
        self.twins = [self.segment("hand", i, one) for i, one in enumerate(asked)]
        ids = {str(i): str(twin.pk) for i, twin in enumerate(self.twins)}
        self.sql = [re.sub(r"\{segment:(\d+)\}", lambda m: ids[m[1]], one.sql) for one in asked]

    @staticmethod
    def segment(side: str, number: int, question: Question) -> Segment:
        """A segment of ours is stored with its rule; the twin has none and is hidden."""
        hand = side == "hand"
        rule = {"match": "all", "rules": []} if hand else question.rule
        return Segment.everything.create(
            key=f"{side}-{number}", name=f"{question.name} {side}", rule=rule, version=1, internal=hand, position=number
        )

    def run_ours(self) -> list[float]:
        """All of ours as the daily task does it; milliseconds per segment, then the whole with all of Python."""
        began = time.perf_counter()
        run = refresh_segments(RefreshRun.Trigger.DAILY, self.now, segments=self.ours)
        whole = (time.perf_counter() - began) * 1000
        failed = [f"{one.segment}: {one.error}" for one in run.refreshes.exclude(error="").select_related("segment")]
        if failed:
            raise SystemExit("These segments could not be refreshed: " + "; ".join(failed))
        each = dict(SegmentRefresh.objects.filter(run=run).values_list("segment_id", "duration_ms"))
        return [*(each[one.pk] for one in self.ours), whole]

    def run_by_hand(self) -> list[float]:
        """One statement for each twin, each in a transaction with its record; milliseconds, the whole last."""
        began, each = time.perf_counter(), []
        run = RefreshRun.objects.create(trigger=RefreshRun.Trigger.HAND, now=self.now.now)
        for twin, condition in zip(self.twins, self.sql, strict=True):
            start = time.perf_counter()
            with transaction.atomic(), connection.cursor() as cursor:
                record = SegmentRefresh.objects.create(run=run, segment=twin, version=1)
                values = {"segment": twin.pk, "now": self.now.now, "refresh": record.pk, "today": self.now.today}
                cursor.execute(_BY_HAND.format(condition=condition), values)
            each.append((time.perf_counter() - start) * 1000)
        return [*each, (time.perf_counter() - began) * 1000]

    def check(self) -> list[int]:
        """Members of each segment; raises when the two ways differ."""
        found = []
        with connection.cursor() as cursor:
            for mine, twin, one in zip(self.ours, self.twins, self.asked, strict=True):
                cursor.execute(_DIFFERENT, [mine.pk, twin.pk])
                if different := cursor.fetchone()[0]:
                    raise SystemExit(f"“{one.name}”: {different} accounts differ between the rule and the SQL by hand.")
                mine.refresh_from_db()
                found.append(mine.member_count)
        return found

    def forget(self) -> None:
        """Nobody is in any segment, as before the first refresh."""
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE segments_accountmembership, segments_segmentrefresh, segments_refreshrun CASCADE")
            cursor.execute("VACUUM ANALYZE segments_accountmembership")

    def phase(self, rounds: int, before: Any) -> dict[str, Any]:
        """Both ways so many times, each first in turn; medians and ratios."""
        mine, hand = [], []
        for number in range(rounds):
            before(number)
            for way in (("ours", "hand"), ("hand", "ours"))[number % 2]:
                (mine if way == "ours" else hand).append(self.run_ours() if way == "ours" else self.run_by_hand())
            members = self.check()
        ours = [median(values) for values in zip(*mine, strict=True)]
        theirs = [median(values) for values in zip(*hand, strict=True)]
        ratios = sorted(
            ({"segment": one.name, "ours_ms": round(x, 1), "hand_ms": round(y, 1), "ratio": round(x / y, 2)}
             for one, x, y in zip(self.asked, ours, theirs, strict=False)),
            key=lambda row: -row["ratio"],
        )  # fmt: skip
        return {
            "ours_ms": round(ours[-1]),
            "hand_ms": round(theirs[-1]),
            "ratio": round(ours[-1] / theirs[-1], 2),
            "members": sum(members),
            "smallest_segment": min(members),
            "largest_segment": max(members),
            "worst": ratios[:5],
        }


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """First fill, nothing changed, one account in a hundred changed."""
    began = time.perf_counter()
    rows = data.fill(asked.accounts, asked.seed)
    made = time.perf_counter() - began
    race = Race(questions(asked.segments), moment(timezone.now() + dt.timedelta(seconds=1)))
    return {
        "measured": "refresh",
        "rows": rows,
        "segments": asked.segments,
        "rounds": asked.rounds,
        "data_s": round(made, 1),
        "first_fill": race.phase(asked.rounds, lambda _: race.forget()),
        "nothing_changed": race.phase(asked.rounds, lambda _: None),
        "one_percent_changed": race.phase(asked.rounds, data.change),
        "goal_ratio": 3,
    }
