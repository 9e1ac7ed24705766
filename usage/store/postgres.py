"""Events in PostgreSQL: COPY into a temporary table, then one statement that stores each message once for good.

The receipts decide what is a repetition, so it does not matter which time a repetition claims. What the new events add
to the daily counts is written in the same transaction, in rows of their own that the roll-up adds up: it sees the
events and what they add together or not at all, and no writer waits for it or for another one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction

from accounts.facts.rows import account_ids, ensure_accounts, ensure_users, user_ids
from core.clock import Moment, moment
from core.intake import clean_text
from core.locks import xact_lock
from core.spans import ONE_DAY
from core.waking import wake_evaluation
from usage import partitions
from usage.feeds.watching import note_arrival
from usage.placing.marks import mark_ranges, mark_users
from usage.store.base import Appended, EventFact, EventPlace, Prepared
from usage.store.moving import complete_events, give_events, hand_events
from usage.store.reading import FUTURE, read_events

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS usage_arrival (
    place integer, account_id bigint, user_id bigint, name_id smallint, at timestamptz, properties jsonb,
    folded jsonb, message_id varchar(255), active boolean, inferred boolean
) ON COMMIT DELETE ROWS
"""
_COPY = """
COPY usage_arrival (place, account_id, user_id, name_id, at, properties, folded, message_id, active, inferred)
FROM STDIN
"""
_INTO_EVENTS = """
COPY usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id, active,
                  inferred) FROM STDIN
"""
_INTO_PENDING = """
COPY usage_pendingusage (account_id, user_id, name_id, day, count, absent, first_at, last_at) FROM STDIN
"""
_CLAIM = """
INSERT INTO usage_messagereceipt (source, message_id) SELECT %s, message_id FROM unnest(%s::text[]) message_id
ON CONFLICT DO NOTHING RETURNING message_id
"""
_STORE = """
WITH once AS (
    SELECT DISTINCT ON (message_id) * FROM usage_arrival ORDER BY message_id, place
), fresh AS (
    INSERT INTO usage_messagereceipt (source, message_id) SELECT %(source)s, message_id FROM once ORDER BY message_id
    ON CONFLICT DO NOTHING RETURNING message_id
), stored AS (
    INSERT INTO usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id,
                             active, inferred)
    SELECT account_id, user_id, name_id, at, %(now)s, properties, folded, %(source)s, message_id, active, inferred
    FROM once JOIN fresh USING (message_id) ORDER BY place
    RETURNING account_id, user_id, name_id, at, active, inferred
), added AS (
    INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, absent, first_at, last_at)
    SELECT account_id, user_id, name_id, (at AT TIME ZONE %(zone)s)::date AS day, count(*),
           count(*) FILTER (WHERE NOT active), min(at) FILTER (WHERE active), max(at) FILTER (WHERE active)
    FROM stored WHERE account_id IS NOT NULL GROUP BY 1, 2, 3, 4
), marked AS (
    INSERT INTO usage_placingmark (user_id, first_at, last_at) SELECT user_id, min(at), max(at) FROM stored
    WHERE user_id IS NOT NULL AND (account_id IS NULL OR inferred) GROUP BY 1
)
SELECT count(*), count(*) FILTER (WHERE account_id IS NULL) FROM stored
"""
# What is still counted for a user who has no event left: of events that are not kept any more.
_HAND_OVER = """
WITH mine AS MATERIALIZED (
    SELECT account_id, first_seen_at, last_seen_at FROM usage_useractivity WHERE user_id = %(old)s
), counted AS (
    SELECT d.account_id, d.name_id, d.day, d.count, d.absent, m.first_seen_at AS first_at, m.last_seen_at AS last_at
    FROM usage_dailyusage d LEFT JOIN mine m USING (account_id) WHERE d.user_id = %(old)s
    UNION ALL
    SELECT account_id, name_id, day, count, absent, first_at, last_at FROM usage_pendingusage WHERE user_id = %(old)s
), owed AS (
    SELECT account_id, name_id, day, sum(count) AS count, sum(absent) AS absent,
           min(first_at) FILTER (WHERE count > 0) AS first_at, max(last_at) FILTER (WHERE count > 0) AS last_at
    FROM counted GROUP BY 1, 2, 3 HAVING sum(count) <> 0 OR sum(absent) <> 0
)
INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, absent, first_at, last_at)
SELECT o.account_id, side.user_id, o.name_id, o.day, side.one * o.count, side.one * o.absent, o.first_at, o.last_at
FROM owed o, (VALUES (%(old)s::bigint, -1), (%(new)s::bigint, 1)) AS side (user_id, one)
"""
_WITHDRAW = """
WITH gone AS (
    DELETE FROM usage_event
    WHERE source = %(source)s AND received_at = %(received)s AND at BETWEEN %(first)s AND %(last)s
    RETURNING message_id, at
), receipts AS (
    DELETE FROM usage_messagereceipt r USING gone WHERE r.source = %(source)s AND r.message_id = gone.message_id
)
SELECT (at AT TIME ZONE %(zone)s)::date, count(*) FROM gone GROUP BY 1
"""


class PostgresStore:
    """The event store of an installation that has nothing but PostgreSQL."""

    def claim(self, message_ids: Iterable[str], *, source: str) -> set[str]:
        """The ids that this source has not used before; from now on they are used. Works as a lock until the commit.

        In the order of the ids, so that two writers of the same messages wait for each other and never deadlock.
        """
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [source, sorted(set(message_ids))])
            return {message_id for (message_id,) in cursor.fetchall()}

    @transaction.atomic
    def append(
        self,
        events: Sequence[EventFact],
        *,
        source: str,
        create_missing: bool = False,
        prepared: Prepared | None = None,
    ) -> Appended:
        """Store each event exactly once, with what it adds to the daily counts.

        An unknown account or user is a reject, unless `create_missing` makes it. A user and an account in one event
        open no relationship. Events that the caller has prepared go straight into their table.
        """
        source, result, present = clean_text(source, 80), Appended(), moment()
        if prepared is not None:
            rows = read_events(events, prepared.accounts, prepared.users, present, result)
            return _append_prepared(rows, source, present, result)
        # First of all: a new partition locks the accounts against writers, which must not hold that lock themselves.
        partitions.ensure_months({partitions.month_of(e.at) for e in events if e.at <= present.now + FUTURE})
        if create_missing:
            ensure_accounts([(event.account, event.at) for event in events if event.account], source)
            ensure_users([(event.user, event.at) for event in events if event.user], source)
        accounts = account_ids(event.account for event in events if event.account)
        users = user_ids(event.user for event in events if event.user)
        rows = read_events(events, accounts, users, present, result)
        if not rows:
            return result
        with connection.cursor() as cursor:
            cursor.execute(_STAGE)
            cursor.execute("TRUNCATE usage_arrival")
            with cursor.copy(_COPY) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(_STORE, {"source": source, "now": present.now, "zone": present.zone.key})
            result.stored, result.homeless = cursor.fetchone()
        note_arrival(source, (row[3] for row in rows), present.now)
        if result.stored:
            wake_evaluation()
        result.repeated = len(rows) - result.stored
        result.received_at = present.now
        return result

    def complete(self, events: Sequence[EventPlace], homes: Sequence[int | None], *, user: int | None) -> int:
        """Give events that have no user this one (None: still nobody), and those whose account was never named the
        home in the same place; how many changed."""
        changed = complete_events(events, homes, user)
        if user is not None:
            ats = [event.at for event in events]
            mark_ranges({user: (min(ats), max(ats))} if ats else {})
        return changed

    def give(self, events: Sequence[EventPlace], olds: Sequence[int], new: int) -> int:
        """Make these events, of users among `olds` (primary keys), those of another one; how many changed."""
        changed = give_events(events, olds, new)
        ats = [event.at for event in events]
        mark_ranges({new: (min(ats), max(ats))} if ats else {})
        return changed

    @transaction.atomic
    def move_user(self, old: int, new: int, limit: int | None = None) -> int:
        """Make events of one user (a primary key) those of another one, at most `limit`; how many.

        Fewer than that were the last ones; then what was counted of events that are not kept any more goes over too.
        """
        xact_lock("usage.rollup")  # what is counted must not go from pending to daily meanwhile
        moved = hand_events(old, new, limit)
        if limit is None or moved < limit:
            with connection.cursor() as cursor:
                cursor.execute(_HAND_OVER, {"old": old, "new": new})
            mark_users([new])
        return moved

    @transaction.atomic
    def withdraw(self, source: str, received_at: dt.datetime, first: dt.datetime, last: dt.datetime) -> int:
        """Take back what a batch stored, with its receipts, so that the same messages can come again; how many."""
        with connection.cursor() as cursor:
            cursor.execute(
                _WITHDRAW, {"source": source, "received": received_at, "first": first, "last": last,
                            "zone": moment().zone.key},
            )  # fmt: skip
            days = cursor.fetchall()
        mark_days([day for day, _ in days])
        return sum(count for _, count in days)

    def drop_before(self, month: dt.date) -> list[str]:
        """Forget the events of whole months before the given one; daily usage stays."""
        return partitions.drop_before(month)


def _append_prepared(rows: list[tuple[Any, ...]], source: str, present: Moment, result: Appended) -> Appended:
    """COPY events that are known to be new into their table, and what they add to the daily counts beside them."""
    if not rows:
        return result
    now = present.now.isoformat()
    shares: dict[tuple[int, int | None, int, dt.date], list[tuple[dt.datetime, bool]]] = {}
    to_place: dict[int, list[dt.datetime]] = {}
    with connection.cursor() as cursor:
        with cursor.copy(_INTO_EVENTS) as copy:
            for _, account, user, name, at, properties, folded, message_id, active, inferred in rows:
                copy.write_row(
                    (account, user, name, at.isoformat(), now, properties, folded, source, message_id, active, inferred)
                )
                if user is not None and (inferred or account is None):
                    to_place.setdefault(user, []).append(at)
                if account is not None:
                    key = (account, user, name, at.astimezone(present.zone).date())
                    shares.setdefault(key, []).append((at, active))
        with cursor.copy(_INTO_PENDING) as copy:
            for key, share in shares.items():
                times = [at for at, active in share if active]
                first, last = min(times, default=None), max(times, default=None)
                copy.write_row((*key, len(share), len(share) - len(times), first, last))
    mark_ranges({person: (min(ats), max(ats)) for person, ats in to_place.items()})
    note_arrival(source, (row[3] for row in rows), present.now)
    result.stored = len(rows)
    result.homeless = sum(row[1] is None for row in rows)
    wake_evaluation()
    return result


def mark_every_day() -> int:
    """Mark every local day on which something happened, and those beside it, to be counted anew: for another time zone.

    Returns how many. Days whose events were dropped keep their counts.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT day FROM usage_dailyusage UNION SELECT day FROM usage_pendingusage")
        days = {day + side * ONE_DAY for (day,) in cursor.fetchall() for side in (-1, 0, 1)}
    mark_days(days)
    return len(days)


def mark_days(days: Iterable[dt.date]) -> None:
    """Mark local days to be counted anew, and keep the marks from being taken until this transaction ends.

    If a mark is taken between the two statements, all are let go (the savepoint) and asked for anew: adding the one
    that is missing while holding later ones would be another order than everybody else's, and a deadlock.
    """
    wanted = sorted(set(days))
    held = not wanted
    while not held:
        mark = transaction.savepoint()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO usage_dirtyday (day) SELECT unnest(%s::date[]) ON CONFLICT DO NOTHING", [wanted]
            )
            cursor.execute("SELECT day FROM usage_dirtyday WHERE day = ANY(%s) ORDER BY day FOR KEY SHARE", [wanted])
            held = len(cursor.fetchall()) == len(wanted)
        if held:
            transaction.savepoint_commit(mark)
        else:
            transaction.savepoint_rollback(mark)
    wake_evaluation()
