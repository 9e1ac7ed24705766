"""Events in PostgreSQL: COPY into a temporary table, then one statement that stores each message once for good.

The receipts decide what is a repetition, so it does not matter which time a repetition claims. What the new events add
to the daily counts is written in the same transaction, in rows of their own that the roll-up adds up: it sees the
events and what they add together or not at all, and no writer waits for it or for another one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Min
from django.utils import timezone

from accounts.facts import Reject
from accounts.facts.rows import account_ids, ensure_accounts, ensure_users, user_ids
from accounts.models import Relationship
from accounts.privacy.gate import erased_among
from core.clock import Moment, moment
from core.intake import MAX_JSON, BadValue, clean_id, clean_text, fold, short
from core.locks import xact_lock
from core.waking import wake_evaluation
from usage import partitions
from usage.feeds.watching import note_arrival
from usage.models import EventName
from usage.store.base import Appended, EventFact, EventPlace, Prepared

_PLAIN_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
FUTURE = dt.timedelta(days=1)  # a sender's clock may be wrong by a zone, not by more
MAX_NAMES = 30_000
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS usage_arrival (
    place integer, account_id bigint, user_id bigint, name_id smallint, at timestamptz, properties jsonb,
    folded jsonb, message_id varchar(255)
) ON COMMIT DELETE ROWS
"""
_COPY = "COPY usage_arrival (place, account_id, user_id, name_id, at, properties, folded, message_id) FROM STDIN"
_INTO_EVENTS = """
COPY usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id) FROM STDIN
"""
_INTO_PENDING = """
COPY usage_pendingusage (account_id, user_id, name_id, day, count, first_at, last_at) FROM STDIN
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
    INSERT INTO usage_event (account_id, user_id, name_id, at, received_at, properties, folded, source, message_id)
    SELECT account_id, user_id, name_id, at, %(now)s, properties, folded, %(source)s, message_id
    FROM once JOIN fresh USING (message_id) ORDER BY place
    RETURNING account_id, user_id, name_id, at
), added AS (
    INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, first_at, last_at)
    SELECT account_id, user_id, name_id, (at AT TIME ZONE %(zone)s)::date AS day, count(*), min(at), max(at)
    FROM stored WHERE account_id IS NOT NULL GROUP BY 1, 2, 3, 4
)
SELECT count(*), count(*) FILTER (WHERE account_id IS NULL) FROM stored
"""
# Two statements for one question, because an index answers "is null" and "equals" and not "is the same as".
_COMPLETE = """
WITH before AS MATERIALIZED (
    SELECT e.id, e.at, e.account_id, e.user_id, coalesce(e.account_id, %(account)s) AS to_account,
           coalesce(e.user_id, %(user)s) AS to_user
    FROM usage_event e, unnest(%(ats)s::timestamptz[], %(sources)s::text[], %(ids)s::text[], %(accounts)s::bigint[])
        AS wanted (at, source, message_id, account_id)
    WHERE e.at = wanted.at AND e.message_id = wanted.message_id AND e.source = wanted.source AND {same_account} AND (
        e.user_id IS NULL AND %(user)s::bigint IS NOT NULL OR e.account_id IS NULL AND %(account)s::bigint IS NOT NULL)
    FOR UPDATE OF e
), changed AS (
    UPDATE usage_event e SET account_id = b.to_account, user_id = b.to_user FROM before b
    WHERE e.id = b.id AND e.at = b.at
    RETURNING e.name_id, e.at, b.account_id, b.user_id, b.to_account, b.to_user
), sides AS (
    SELECT account_id, user_id, name_id, at, -1 AS one FROM changed WHERE account_id IS NOT NULL
    UNION ALL SELECT to_account, to_user, name_id, at, 1 FROM changed WHERE to_account IS NOT NULL
), moved AS (
    INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, first_at, last_at)
    SELECT account_id, user_id, name_id, (at AT TIME ZONE %(zone)s)::date AS day, sum(one), min(at), max(at)
    FROM sides GROUP BY 1, 2, 3, 4, one
)
SELECT count(*) FROM changed
"""
_SAME_ACCOUNT = ("e.account_id = wanted.account_id", "e.account_id IS NULL AND wanted.account_id IS NULL")
# All that was counted for a user goes over, also what was counted of events that are not kept any more.
_HAND_OVER = """
WITH mine AS MATERIALIZED (
    SELECT account_id, first_seen_at, last_seen_at FROM usage_useractivity WHERE user_id = %(old)s
), owed AS (
    SELECT d.account_id, d.name_id, d.day, d.count, m.first_seen_at AS first_at, m.last_seen_at AS last_at
    FROM usage_dailyusage d JOIN mine m USING (account_id) WHERE d.user_id = %(old)s
    UNION ALL SELECT account_id, name_id, day, count, first_at, last_at FROM usage_pendingusage WHERE user_id = %(old)s
), moved AS (
    INSERT INTO usage_pendingusage (account_id, user_id, name_id, day, count, first_at, last_at)
    SELECT o.account_id, side.user_id, o.name_id, o.day, side.one * o.count, o.first_at, o.last_at
    FROM owed o, (VALUES (%(old)s::bigint, -1), (%(new)s::bigint, 1)) AS side (user_id, one)
)
UPDATE usage_event SET user_id = %(new)s WHERE user_id = %(old)s AND (
    account_id IS NULL OR account_id IN (SELECT account_id FROM owed
                                         UNION SELECT account_id FROM accounts_relationship WHERE user_id = %(old)s))
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
            rows = _read(events, prepared.accounts, prepared.users, present, result)
            return _append_prepared(rows, source, present, result)
        # First of all: a new partition locks the accounts against writers, which must not hold that lock themselves.
        partitions.ensure_months({partitions.month_of(e.at) for e in events if e.at <= present.now + FUTURE})
        if create_missing:
            ensure_accounts([(event.account, event.at) for event in events if event.account], source)
            ensure_users([(event.user, event.at) for event in events if event.user], source)
        accounts = account_ids(event.account for event in events if event.account)
        users = user_ids(event.user for event in events if event.user)
        rows = _read(events, accounts, users, present, result)
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

    def complete(self, events: Sequence[EventPlace], *, user: int | None, account: int | None) -> int:
        """Give stored events the user or account (primary keys) that they lack; how many there were."""
        values = {
            "user": user, "account": account, "zone": moment().zone.key, "ats": [event.at for event in events],
            "sources": [event.source for event in events], "ids": [event.message_id for event in events],
            "accounts": [event.account for event in events],
        }  # fmt: skip
        changed = 0
        with connection.cursor() as cursor:
            for same in _SAME_ACCOUNT:
                cursor.execute(_COMPLETE.format(same_account=same), values)
                changed += int(cursor.fetchone()[0])
        if changed:
            wake_evaluation()
        return changed

    @transaction.atomic
    def move_user(self, old: int, new: int) -> int:
        """Make the events of one user (a primary key) those of another one; how many there were."""
        xact_lock("usage.rollup")  # what is counted must not go from pending to daily meanwhile
        with connection.cursor() as cursor:
            cursor.execute(_HAND_OVER, {"old": old, "new": new})
            moved = cursor.rowcount
        wake_evaluation()
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
    shares: dict[tuple[int, int | None, int, dt.date], list[dt.datetime]] = {}
    with connection.cursor() as cursor:
        with cursor.copy(_INTO_EVENTS) as copy:
            for _, account, user, name, at, properties, folded, message_id in rows:
                copy.write_row((account, user, name, at.isoformat(), now, properties, folded, source, message_id))
                if account is not None:
                    shares.setdefault((account, user, name, at.astimezone(present.zone).date()), []).append(at)
        with cursor.copy(_INTO_PENDING) as copy:
            for key, times in shares.items():
                copy.write_row((*key, len(times), min(times), max(times)))
    note_arrival(source, (row[3] for row in rows), present.now)
    result.stored = len(rows)
    result.homeless = sum(row[1] is None for row in rows)
    wake_evaluation()
    return result


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


def _read(
    events: Sequence[EventFact],
    accounts: Mapping[str, int],
    users: Mapping[str, int],
    present: Moment,
    result: Appended,
) -> list[tuple[Any, ...]]:
    named = {"user": {e.user for e in events if e.user}, "account": {e.account for e in events if e.account}}
    erased = erased_among(named)
    unplaced = {event.user for event in events if event.user and not event.account}
    homes = _only_homes({users[user] for user in unplaced if user in users})
    names = _name_ids({event.name for event in events if isinstance(event.name, str)})
    rows = []
    for index, event in enumerate(events):
        problems: list[Reject] = []

        def tell(key: str, reason: str, place: int = index, problems: list[Reject] = problems) -> None:
            problems.append(Reject(place, key, reason))

        gone = erased.get(("user", event.user or "")) or erased.get(("account", event.account or ""))
        if gone:
            result.rejected.append(Reject(index, "user" if ("user", event.user) in erased else "account", gone))
            continue
        user = _find(users, event.user, "user", tell)
        account = _find(accounts, event.account, "account", tell) if event.account else homes.get(user or 0)
        name = names.get(event.name)
        if name is None:
            tell("event", "An event needs a name of at most 255 characters.")
        if event.at > present.now + FUTURE:
            tell("at", f"{event.at:%Y-%m-%d %H:%M} lies in the future.")
        try:
            message_id = clean_id(event.message_id)
        except BadValue as error:
            tell("message_id", str(error))
            message_id = ""
        try:
            properties, folded = _properties(event.properties), folds_of(event.properties)
        except BadValue as error:
            tell("properties", str(error))
            properties, folded = "{}", {}
        if problems:
            result.rejected += problems
        else:
            result.accounts[index] = account
            rows.append((index, account, user, name, event.at, properties, json.dumps(folded), message_id))
    return rows


def _find(ids: Mapping[str, int], value: str | None, what: str, tell: Any) -> int | None:
    if not value:
        return None
    if value not in ids:
        tell(what, f"There is no {what} “{short(value)}”. Load {what}s first.")
        return None
    return ids[value]


def _only_homes(users: set[int]) -> dict[int, int]:
    """The account of each user who belongs to exactly one; of a user of several it cannot be known."""
    if not users:
        return {}
    open_ones = Relationship.objects.open().filter(user__in=users).values("user_id")
    single = open_ones.annotate(n=Count("id"), home=Min("account_id")).filter(n=1)
    return dict(single.values_list("user_id", "home"))


def _name_ids(names: set[str]) -> dict[str, int]:
    """The small numbers of the events' names; a new name gets one, a name that cannot be one gets none."""
    clean: dict[str, str] = {}
    for name in names:
        try:
            text = clean_text(name, 255)
        except BadValue:
            continue
        if text:
            clean[name] = text
    known = _known_names(clean.values())
    missing = sorted(set(clean.values()) - known.keys())
    if missing and EventName.objects.count() + len(missing) <= MAX_NAMES:
        now = timezone.now()
        EventName.objects.bulk_create(
            [EventName(name=name, first_seen_at=now) for name in missing], ignore_conflicts=True
        )
        known = _known_names(clean.values())
    return {name: known[text] for name, text in clean.items() if text in known}


def _known_names(names: Iterable[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, id FROM usage_eventname WHERE name = ANY(%s)", [sorted(set(names))])
        return dict(cursor.fetchall())


def folds_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """The folds of the properties that are texts; a blank text counts as missing."""
    folds = {name: fold(value) for name, value in properties.items() if isinstance(value, str)}
    return {name: text for name, text in folds.items() if text}


def _properties(properties: Any) -> str:
    """The properties as JSON text; what PostgreSQL cannot keep is refused with its reason."""
    try:
        text = _PLAIN_JSON.encode(dict(properties))
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadValue("The properties are not plain JSON (texts, numbers, lists, objects; no NaN).") from error
    if "\\u0000" in text:
        raise BadValue("A property holds a NUL character. Remove it.")
    if len(text) > MAX_JSON:
        raise BadValue(f"The properties are {len(text):,} characters long; at most {MAX_JSON:,} are kept.")
    return text
