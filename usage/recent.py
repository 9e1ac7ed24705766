"""The counts of the last 7, 30 and 90 days, kept beside the daily usage so that the usual questions need no adding up.

They are made for the local day on which the roll-up runs: all of them once a day, and those of the accounts whose daily
usage changed with each roll-up, in its transaction. Whoever writes daily usage leaves a mark by a trigger; while there
is a mark the counts are not used, and a roll-up that finds one makes all of them anew. The counts of a day stay for two
more days, for work that froze its present before midnight.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet

from core.ids import Ids, OneOf
from usage.models import RecentCount, RecentDay, RecentMark

WINDOWS = (7, 30, 90)
KEPT = dt.timedelta(days=2)
MOST = 20_000  # accounts; above, counting all is quicker than finding them one by one
_SUMS = """
    sum(count) FILTER (WHERE {inside}) AS count_{n}, count(DISTINCT user_id) FILTER (WHERE {inside}) AS users_{n},
    count(DISTINCT day) FILTER (WHERE {inside}) AS days_{n}"""
# One pass for all windows; a window in which nothing happened has no row.
_COUNT = f"""
INSERT INTO usage_recentcount (day, days, name_id, account_id, count, users, active_days)
SELECT %(today)s, w.* FROM (
    SELECT name_id, account_id,{",".join(_SUMS.format(inside=f"day > %(today)s::date - {n}", n=n) for n in WINDOWS)}
    FROM usage_dailyusage
    WHERE day > %(today)s::date - {max(WINDOWS)} AND day <= %(today)s
        AND (%(all)s OR account_id = ANY(%(accounts)s::bigint[]))
    GROUP BY name_id, account_id
) AS sums, LATERAL (VALUES {", ".join(f"({n}, name_id, account_id, count_{n}, users_{n}, days_{n})" for n in WINDOWS)})
    AS w (days, name_id, account_id, count, users, active_days)
WHERE w.active_days > 0
"""  # noqa: S608  # constants of this module
_FORGET = "DELETE FROM usage_recentmark WHERE made_by = pg_current_xact_id()::text::bigint OR id = ANY(%s)"


def is_current(today: dt.date) -> bool:
    """True if the counts of this day are those of the daily usage as it stands."""
    return RecentDay.objects.filter(day=today).exists() and not RecentMark.objects.exists()


def marks() -> list[int]:
    """The marks there are, for `count_recent`; to be asked for before the daily usage is read."""
    return list(RecentMark.objects.values_list("pk", flat=True))


def count_recent(today: dt.date, changed: Collection[int], seen: Collection[int]) -> None:
    """Bring the counts of a day up to date, in the transaction that changed the daily usage, under the roll-up's lock.

    `changed` are the accounts whose daily usage became another, `seen` the marks that were there before: with one all
    accounts are counted. A mark of a transaction that is not over yet cannot be seen, so it stays and speaks then.
    """
    everything = bool(seen) or len(changed) > MOST or not RecentDay.objects.filter(day=today).exists()
    ids = Ids.of(changed)
    if everything or changed:
        old = RecentCount.objects.filter(day=today)
        (old if everything else old.filter(OneOf(F("account_id"), ids))).delete()
        values: dict[str, Any] = {"today": today, "all": everything, "accounts": ids.array}
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, values)
    if everything:
        RecentDay.objects.exclude(day=today).delete()
        RecentDay.objects.get_or_create(day=today)
        RecentCount.objects.filter(day__lt=today - KEPT).delete()
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [list(seen)])


def recent_windows(today: dt.date) -> tuple[int, ...]:
    """The lengths in days for which there are counts of this day that can be used."""
    return WINDOWS if is_current(today) else ()


def recent_counts(today: dt.date, days: int) -> QuerySet[RecentCount]:
    """The counts of all accounts and events that happened in the last so many days: `count`, `users`, `active_days`."""
    return RecentCount.objects.filter(day=today, days=days)
