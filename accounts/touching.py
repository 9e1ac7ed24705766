"""Which accounts must be evaluated again because something new is known about them.

Whoever stores facts or events calls `touch` in the same transaction, so that the two are seen together or not at all.
The evaluation reads marks, evaluates their accounts, and takes away just the marks that it has read: if it dies on its
way they are all still there, and a mark that is committed meanwhile stays for the next time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import Min

from accounts.models.touched import TouchedAccount
from core.ids import Ids
from core.waking import wake_evaluation

# Those that have waited longest first. By id and not "up to an id": a mark with a lower id may be committed later.
_READ = """
SELECT account_id, array_agg(id), bool_and(usage_only) FROM accounts_touchedaccount
GROUP BY account_id ORDER BY min(id) LIMIT %s
"""
_OF_USERS = """
SELECT DISTINCT account_id FROM accounts_relationship WHERE user_id = ANY(%s::bigint[]) AND ended_at IS NULL
"""


@dataclass(frozen=True)
class Touched:
    """Accounts that wait (primary keys), with the marks that say so; `told` are those of them of which more is new than
    usage."""

    accounts: frozenset[int]
    marks: tuple[int, ...]
    told: frozenset[int]


def touch(accounts: Iterable[int], *, usage_only: bool = False) -> None:
    """Mark accounts (primary keys) for the next evaluation, in the transaction that stores what is new about them, and
    wake it after the commit. `usage_only`: nothing but events, so rules that read none need not be asked."""
    wanted = Ids.of(accounts)
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_touchedaccount (account_id, at, usage_only)"
                " SELECT unnest(%s::bigint[]), now(), %s",
                [wanted.array, usage_only],
            )
        wake_evaluation()


def touch_users(users: Iterable[int], *, usage_only: bool = False) -> None:
    """Mark every account to which one of these users (primary keys) belongs."""
    wanted = Ids.of(users)
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(_OF_USERS, [wanted.array])
            accounts = [account for (account,) in cursor.fetchall()]
        touch(accounts, usage_only=usage_only)


def read_touched(limit: int | None = None) -> Touched:
    """The committed marks of all accounts, or of the `limit` that have waited longest; they stay until `settle`."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [limit])
        rows = cursor.fetchall()
    return Touched(
        accounts=frozenset(account for account, _, _ in rows),
        marks=tuple(mark for _, marks, _ in rows for mark in marks),
        told=frozenset(account for account, _, usage_only in rows if not usage_only),
    )


def settle(touched: Touched) -> None:
    """Take away the marks whose accounts have been evaluated."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_touchedaccount WHERE id = ANY(%s::bigint[])", [Ids(touched.marks).array])


def waiting_since() -> dt.datetime | None:
    """When the oldest mark that was not settled yet was set; None if there is none."""
    return TouchedAccount.objects.aggregate(first=Min("at"))["first"]
