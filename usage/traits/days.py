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
