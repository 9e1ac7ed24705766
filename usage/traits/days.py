"""A numeric trait of an account over time: what changed is noted with each computation, the last of a day stays.

As with the scores of health, a row is kept for the days on which something changed, and holds until the next one.
What a trait was before it was first computed is not made up; a changed definition is a step like any other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from decimal import Decimal

from django.db import connection

from accounts.models import Account
from core.clock import Moment
from core.ids import Ids
from usage.traits.definitions import METHODS
from usage.traits.models import Trait, TraitDay

_NOTE = """
INSERT INTO usage_traitday AS known (account_id, day, figures)
SELECT a.id, %s, jsonb_build_object(%s::text, t.shown -> %s)
FROM accounts_account AS a LEFT JOIN usage_accounttraits AS t ON t.account_id = a.id
WHERE a.id = ANY(%s::bigint[]) ORDER BY a.id
ON CONFLICT (account_id, day) DO UPDATE SET figures = known.figures || EXCLUDED.figures
"""
KEPT_DAYS = 400  # more than the longest line that is drawn
_AT_ONCE = 5_000  # accounts
# Of rows that are too old the newest of an account takes over what still held on its day. Of equal keys the later wins.
_THIN = """
WITH few AS (
    SELECT account_id, max(day) AS last FROM usage_traitday WHERE day < %(first)s
    GROUP BY account_id HAVING count(*) > 1 ORDER BY account_id LIMIT %(most)s
),
held AS (
    SELECT few.account_id, few.last, jsonb_object_agg(one.key, one.value ORDER BY known.day) AS figures
    FROM few JOIN usage_traitday AS known ON known.account_id = few.account_id AND known.day <= few.last
    CROSS JOIN LATERAL jsonb_each(known.figures) AS one
    GROUP BY few.account_id, few.last
),
gone AS (
    DELETE FROM usage_traitday AS known USING few WHERE known.account_id = few.account_id AND known.day < few.last
    RETURNING 1
),
kept AS (
    UPDATE usage_traitday AS known SET figures = held.figures
    FROM held WHERE known.account_id = held.account_id AND known.day = held.last
)
SELECT count(*) FROM gone
"""
_FORGET = "UPDATE usage_traitday SET figures = figures - %s WHERE figures ? %s"


def note_day(trait: Trait, day: dt.date, accounts: Collection[int]) -> None:
    """Keep the present values of some accounts (primary keys) as those of a day; in the transaction that wrote them."""
    if accounts:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, [day, str(trait.pk), trait.key, Ids.of(accounts).array])


def forget_days(trait: Trait) -> None:
    """Take the history of a trait away, because it is deleted."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [str(trait.pk)] * 2)
    TraitDay.objects.filter(figures={}).delete()


def thin_days(today: dt.date) -> int:
    """Let go what is older than any line that is drawn, but for the values that held then; returns how many rows.

    Nothing else reads these rows: members of past days come from stays, and replays compute traits from what happened.
    A batch is a transaction of its own, so a worker that is killed goes on where it was.
    """
    done, first = 0, today - dt.timedelta(days=KEPT_DAYS)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_THIN, {"first": first, "most": _AT_ONCE})
            gone = int(cursor.fetchone()[0])
        if not gone:
            return done
        done += gone


def daily_values(account: Account, trait: Trait, now: Moment, days: int) -> list[tuple[dt.date, Decimal | None]]:
    """The values at the end of today and of the days before, oldest first; None while there was none.

    A count of which nothing is noted is 0 from the day on which the trait was made.
    """
    first, key = now.today - dt.timedelta(days=days - 1), str(trait.pk)
    rows = TraitDay.objects.filter(account=account, figures__has_key=key, day__lte=now.today)
    before = rows.filter(day__lt=first).order_by("-day")[:1]
    later = rows.filter(day__gte=first).order_by("day")
    noted = [(row.day, row.figures[key]) for row in (*before, *later)]
    made = trait.created_at.astimezone(now.zone).date() if METHODS[trait.method].zero else None
    return _filled([first + dt.timedelta(days=n) for n in range(days)], noted, made)


def _filled(
    days: Sequence[dt.date], noted: Sequence[tuple[dt.date, float | None]], zero_from: dt.date | None
) -> list[tuple[dt.date, Decimal | None]]:
    found: list[tuple[dt.date, Decimal | None]] = []
    value: Decimal | None = None
    place = 0
    for day in days:
        while place < len(noted) and noted[place][0] <= day:
            figure = noted[place][1]
            value = None if figure is None else Decimal(str(figure))
            place += 1
        zero = value is None and zero_from is not None and (day >= zero_from or place > 0)
        found.append((day, Decimal(0) if zero else value))
    return found
