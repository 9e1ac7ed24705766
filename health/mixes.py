"""The mix of bands of past days, counted once when a day is over and kept, for drawings over very many accounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import islice

from django.db import connection, transaction

from core.clock import Moment
from core.spans import ONE_DAY
from health.models import HealthConfig, HealthDay, HealthMix
from segments.models import Segment

MOST_DAYS = 14  # that one refresh makes up for; the rest of a long history comes with the next ones
_COUNTS = """count(*) FILTER (WHERE band = 'good'), count(*) FILTER (WHERE band = 'average'),
    count(*) FILTER (WHERE band = 'poor'), count(*) FILTER (WHERE band IS NULL OR band = 'none'),
    count(score), coalesce(sum(score), 0),
    coalesce(sum(mrr) FILTER (WHERE band = 'good'), 0), coalesce(sum(mrr) FILTER (WHERE band = 'average'), 0),
    coalesce(sum(mrr) FILTER (WHERE band = 'poor'), 0),
    coalesce(sum(mrr) FILTER (WHERE band IS NULL OR band = 'none'), 0)"""
# As health.trends counts a day: everybody who had been scored and was not archived, whoever scored them, and of a
# segment those who were members then.
_KEEP = f"""
WITH was AS MATERIALIZED (
    SELECT a.id, last.band, last.score, last.config_id, worth.mrr,
           last.band IS NOT NULL AND (a.archived_at IS NULL OR a.archived_at >= %(until)s) AS there
    FROM accounts_account AS a LEFT JOIN LATERAL (
        SELECT band, score, config_id FROM health_healthday AS h
        WHERE h.account_id = a.id AND h.day <= %(day)s ORDER BY h.day DESC LIMIT 1
    ) AS last ON true LEFT JOIN LATERAL (
        SELECT mrr FROM accounts_mrrday AS m
        WHERE m.account_id = a.id AND m.day <= %(day)s ORDER BY m.day DESC LIMIT 1
    ) AS worth ON last.band IS NOT NULL
)
INSERT INTO health_healthmix (day, segment_id, config_id, good, average, poor, none, scored, score,
    good_mrr, average_mrr, poor_mrr, none_mrr)
SELECT %(day)s::date, NULL::bigint, NULL::bigint, {_COUNTS} FROM was WHERE there
UNION ALL
SELECT %(day)s, NULL, config_id, {_COUNTS} FROM was WHERE there AND config_id IS NOT NULL GROUP BY config_id
UNION ALL
SELECT %(day)s, segment_id, NULL, {_COUNTS} FROM segments_accountmembership AS m JOIN was ON was.id = m.account_id
WHERE m.entered_at < %(until)s AND (m.left_at IS NULL OR m.left_at >= %(until)s) GROUP BY segment_id
ON CONFLICT (segment_id, config_id, day) DO NOTHING
"""  # noqa: S608  # a constant of this module


def keep_mixes(now: Moment) -> int:
    """Count days that are over and not kept yet, some of them if there are many; returns how many. What is kept stays
    as it is."""
    days = _days(now)
    for day in days:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_KEEP, {"day": day, "until": now.start_of(day + ONE_DAY)})
    return len(days)


def _days(now: Moment) -> list[dt.date]:
    """Those that are over and not kept, the newest first, back to the first score."""
    first = HealthDay.objects.order_by("day").values_list("day", flat=True).first()
    length = (now.today - first).days if first else 0
    kept = set(HealthMix.objects.filter(segment=None, config=None).values_list("day", flat=True))
    over = (now.today - dt.timedelta(days=back) for back in range(1, length + 1))
    return list(islice((day for day in over if day not in kept), MOST_DAYS))


def mixes_of(
    days: Sequence[dt.date],
    *,
    segment: Segment | None = None,
    config: HealthConfig | None = None,
    worth: bool = False,
) -> dict[dt.date, HealthMix]:
    """Those of the days that are kept; with `worth` only those of which the MRR is kept too."""
    found = HealthMix.objects.filter(segment=segment, config=config, day__in=days).order_by("day")
    if worth:
        found = found.filter(good_mrr__isnull=False)
    return {row.day: row for row in found}
