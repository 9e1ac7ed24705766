"""The counts of the last 7, 30 and 90 days, kept beside the daily usage so that the usual questions need no adding up.

Those of the 7 and the 30 days before are kept besides, for what is compared with them; the 90 days before would have
twice as many days be read each time.

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
from django.db.models import F, Q, QuerySet

from core.ids import Ids, OneOf
from usage.models import RecentCount, RecentDay, RecentMark

WINDOWS = (7, 30, 90)
COMPARED = (7, 30)  # the windows before which another of the same length is kept
KEPT = dt.timedelta(days=2)
MOST = 20_000  # accounts; above, counting all is quicker than finding them one by one
# The length of each window, and how many days ago its last day is.
_KEPT_WINDOWS = (*((n, 0) for n in WINDOWS), *((n, n) for n in COMPARED))
_INSIDE = "day > %(today)s::date - {first} AND day <= %(today)s::date - {last}"
_SUMS = """
    sum(count) FILTER (WHERE {inside}) AS count_{n}_{ago},
    count(DISTINCT user_id) FILTER (WHERE {inside}) AS users_{n}_{ago},
    count(DISTINCT day) FILTER (WHERE {inside}) AS days_{n}_{ago}"""
_WINDOW = "(%(today)s::date - {ago}, {n}, name_id, account_id, count_{n}_{ago}, users_{n}_{ago}, days_{n}_{ago})"
# One pass for all windows; a window in which nothing happened has no row.
_COUNT = f"""
INSERT INTO usage_recentcount (day, days, name_id, account_id, count, users, active_days)
SELECT w.* FROM (
    SELECT name_id, account_id,{
    ",".join(_SUMS.format(inside=_INSIDE.format(first=n + ago, last=ago), n=n, ago=ago) for n, ago in _KEPT_WINDOWS)
}
    FROM usage_dailyusage
    WHERE day > %(today)s::date - {max(n + ago for n, ago in _KEPT_WINDOWS)} AND day <= %(today)s
        AND (%(all)s OR account_id = ANY(%(accounts)s::bigint[]))
    GROUP BY name_id, account_id
) AS sums, LATERAL (VALUES {", ".join(_WINDOW.format(n=n, ago=ago) for n, ago in _KEPT_WINDOWS)})
    AS w (day, days, name_id, account_id, count, users, active_days)
WHERE w.active_days > 0
"""  # noqa: S608  # constants of this module
# Whether the counts of a day are those of the daily usage as it stands, as a part of a statement: which of the two is
# read is known before any row is.
CURRENT = "(EXISTS (SELECT FROM usage_recentday WHERE day = {today}) AND NOT EXISTS (SELECT FROM usage_recentmark))"
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
        old = RecentCount.objects.filter(_of(today))
        (old if everything else old.filter(OneOf(F("account_id"), ids))).delete()
        values: dict[str, Any] = {"today": today, "all": everything, "accounts": ids.array}
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, values)
    if everything:
        RecentDay.objects.exclude(day=today).delete()
        RecentDay.objects.get_or_create(day=today)
        RecentCount.objects.exclude(_of(today - KEPT, today + KEPT)).delete()
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [list(seen)])


def _of(first: dt.date, last: dt.date | None = None) -> Q:
    """The rows that are kept for a day (or for all days up to another), those of the windows before among them."""
    found = Q(day__range=(first, last or first))
    for n in COMPARED:
        length = dt.timedelta(days=n)
        found |= Q(days=n, day__range=(first - length, (last or first) - length))
    return found


def recent_windows(today: dt.date) -> tuple[int, ...]:
    """The lengths in days for which there are counts of this day that can be used.

    For those in `COMPARED` there are also the counts of the day just before the window, so many days earlier.
    """
    return WINDOWS if is_current(today) else ()


def recent_counts(today: dt.date, days: int) -> QuerySet[RecentCount]:
    """The counts of all accounts and events that happened in the last so many days: `count`, `users`, `active_days`."""
    return RecentCount.objects.filter(day=today, days=days)
