"""Which accounts must be evaluated again because something new is known about them.

Whoever stores facts or events calls `touch` in the same transaction, so that the two are seen together or not at all.
The evaluation takes accounts with `take_touched` in the transaction of its own writes: if that fails, the marks are
there again; if a writer commits later, its marks are for the next time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import connection
from django.db.models import Min

from accounts.models.touched import TouchedAccount

# The oldest first, and only what is committed; a mark that another evaluation is taking is left to it.
_TAKE = """
DELETE FROM accounts_touchedaccount t USING (
    SELECT id FROM accounts_touchedaccount WHERE account_id IN (
        SELECT account_id FROM accounts_touchedaccount GROUP BY account_id ORDER BY min(id) LIMIT %s
    ) FOR UPDATE SKIP LOCKED
) taken WHERE t.id = taken.id RETURNING t.account_id
"""


def touch(accounts: Iterable[int]) -> None:
    """Mark accounts (primary keys) for the next evaluation; in the transaction that stores what is new about them."""
    wanted = sorted(set(accounts))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_touchedaccount (account_id, at) SELECT unnest(%s::bigint[]), now()", [wanted]
            )


def take_touched(limit: int = 10_000) -> set[int]:
    """Take the marks of up to `limit` accounts, those that have waited longest; their primary keys.

    Call it in the transaction in which the accounts are evaluated.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [limit])
        return {account for (account,) in cursor.fetchall()}


def waiting_since() -> dt.datetime | None:
    """When the oldest mark that was not taken yet was set; None if there is none."""
    return TouchedAccount.objects.aggregate(first=Min("at"))["first"]
