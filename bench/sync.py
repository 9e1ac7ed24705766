"""What it costs to tell a destination what changed, beside one statement and one request by hand for the same messages.

A segment with its users, and two fields, of every account. Each side has its own tables of what is known there and of
the messages; after each phase both must hold the same messages, or the command ends with an error.
"""

from __future__ import annotations

import argparse
import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import urllib3
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bench import data
from bench.questions import questions
from bench.receiver import receiving
from core.clock import moment
from integrations.destinations.editing import add_item, change_destination, make_destination
from integrations.destinations.filling import look, request_items, request_looks
from integrations.destinations.posting import batch_address
from integrations.destinations.secrets import address_of
from integrations.destinations.sending import BATCH, send_due
from integrations.models import Destination, Outgoing, SyncItem
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments

KEY, LONG, SENDING = "wk-bench", 3_600.0, 60.0
_TWINS = """
CREATE TABLE hand_value (LIKE integrations_syncedvalue INCLUDING ALL);
CREATE TABLE hand_message (LIKE integrations_outgoing INCLUDING ALL);
"""
_REFERENCES = """
ALTER TABLE {table} ADD FOREIGN KEY ({column}_id) REFERENCES {other} (id) DEFERRABLE INITIALLY DEFERRED
"""
_BY_HAND = """
WITH desired AS ({desired}),
stored AS (
    SELECT id AS row, {member} AS id, value, seq FROM hand_value
    WHERE item_id = %(item)s AND {member} IS NOT NULL AND (%(ids)s::bigint[] IS NULL OR {member} = ANY(%(ids)s::bigint[]))
),
moved AS (
    SELECT coalesce(d.id, s.id) AS id, s.row, coalesce(s.seq, 0) + 1 AS seq, coalesce(d.value, %(gone)s::jsonb) AS value
    FROM desired d FULL JOIN stored s ON s.id = d.id
    WHERE CASE WHEN s.row IS NULL THEN d.value <> 'null' ELSE coalesce(d.value, %(gone)s::jsonb) <> s.value END
),
changed AS (
    UPDATE hand_value v SET value = m.value, seq = m.seq, cause = 'data', at = now() FROM moved m WHERE v.id = m.row
),
added AS (
    INSERT INTO hand_value (item_id, {member}, value, seq, cause, at)
    SELECT %(item)s, id, value, seq, 'data', now() FROM moved WHERE row IS NULL
)
INSERT INTO hand_message (destination_id, item_id, call, {member}, value, seq, cause, at, state, attempts, error)
SELECT %(to)s, %(item)s, %(call)s, id, value, seq, 'data', now(), 'waiting', 0, '' FROM moved
"""
_SAME = """
SELECT count(*) FROM (
    (SELECT item_id, call, account_id, user_id, value, seq FROM {one})
    EXCEPT ALL (SELECT item_id, call, account_id, user_id, value, seq FROM {other})
) AS different
"""
_BODY = """
WITH next AS (SELECT * FROM hand_message WHERE destination_id = %s AND state = 'waiting' ORDER BY id LIMIT %s)
SELECT json_build_object('batch', json_agg(json_build_object(
        'type', next.call, 'messageId', md5(next.id::text), 'timestamp', next.at,
        'userId', u.external_id, 'groupId', a.external_id, 'traits', jsonb_build_object(i.key, next.value),
        'context', json_build_object('library', json_build_object('name', 'csbox'), 'csbox', json_build_object('cause', next.cause))
    ) ORDER BY next.id), 'sentAt', now())::text, array_agg(next.id)
FROM next JOIN integrations_syncitem i ON i.id = next.item_id
LEFT JOIN accounts_account a ON a.id = next.account_id LEFT JOIN accounts_enduser u ON u.id = next.user_id
"""
_ONLY = "(%(ids)s::bigint[] IS NULL OR {column} = ANY(%(ids)s::bigint[]))"


@dataclass
class Part:
    """What is told of one item: the statement by hand for what should be known, whom it is about, by which call."""

    item: SyncItem
    member: str
    call: str
    desired: str
    gone: str | None


class Company:
    """A destination with its items, and twins of its tables."""

    def __init__(self, address: str) -> None:
        asked = questions(1)[0]
        self.segment = Segment.everything.create(key="told", name="Told", rule=asked.rule, version=1)
        self.moves()
        self.to, _ = make_destination(kind=Destination.Kind.TRACK, name="Tool", address=address, write_key=KEY)
        change_destination(self.to, {"to_users": True, "events": False})
        member = add_item(self.to, segment=self.segment.key, key="told")
        worth = add_item(self.to, field="account.mrr", key="worth")
        seats = add_item(self.to, field="account.custom.seats", key="places")
        inside = f"SELECT account_id FROM segments_accountmembership WHERE segment_id = {self.segment.pk} AND left_at IS NULL"
        self.parts = [
            Part(member, "account_id", "group", f"SELECT account_id AS id, 'true'::jsonb AS value FROM ({inside}) AS m "
                 f"WHERE {_ONLY.format(column='account_id')}", "false"),
            Part(member, "user_id", "identify", "SELECT DISTINCT user_id AS id, 'true'::jsonb AS value FROM accounts_relationship "
                 f"WHERE ended_at IS NULL AND account_id IN ({inside}) AND {_ONLY.format(column='user_id')}", "false"),
            Part(worth, "account_id", "group", self.of_accounts("to_jsonb(mrr)"), None),
            Part(seats, "account_id", "group", self.of_accounts("attributes -> 'seats'"), None),
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(_TWINS)
            others = (("account", "accounts_account"), ("user", "accounts_enduser"), ("item", "integrations_syncitem"))
            for table in ("hand_value", "hand_message"):
                for column, other in others:
                    cursor.execute(_REFERENCES.format(table=table, column=column, other=other))
            cursor.execute("VACUUM ANALYZE")

    @staticmethod
    def of_accounts(value: str) -> str:
        """A value of every live account."""
        return (
            f"SELECT id, coalesce({value}, 'null') AS value FROM accounts_account "
            f"WHERE archived_at IS NULL AND {_ONLY.format(column='id')}"
        )

    def moves(self) -> None:
        """The members are those of now."""
        refresh_segments(RefreshRun.Trigger.DAILY, moment(), segments=[self.segment])

    def ours(self, ids: list[int] | None) -> float:
        """Everybody is looked at, or these; milliseconds."""
        began = time.perf_counter()
        if ids is None:
            request_items(SyncItem.objects.open())
        else:
            request_looks(ids)
        look(LONG)
        return (time.perf_counter() - began) * 1000

    def hand(self, ids: list[int] | None) -> float:
        """The same by one statement for each part, in one transaction; milliseconds."""
        began = time.perf_counter()
        users = None
        with transaction.atomic(), connection.cursor() as cursor:
            if ids is not None:
                cursor.execute("SELECT DISTINCT user_id FROM accounts_relationship WHERE account_id = ANY(%s)", [ids])
                users = [pk for (pk,) in cursor.fetchall()]
            for part in self.parts:
                only = users if part.member == "user_id" else ids
                values = {"item": part.item.pk, "to": self.to.pk, "call": part.call, "gone": part.gone, "ids": only}
                cursor.execute(_BY_HAND.format(desired=part.desired, member=part.member), values)
        return (time.perf_counter() - began) * 1000

    def check(self) -> int:
        """How many messages each side has written; raises where they are not the same."""
        ours, hand = Outgoing._meta.db_table, "hand_message"
        with connection.cursor() as cursor:
            for one, other in ((ours, hand), (hand, ours)):
                cursor.execute(_SAME.format(one=one, other=other))
                if different := cursor.fetchone()[0]:
                    raise SystemExit(f"{different} messages of {one} are not in {other}.")
        return Outgoing.objects.count()

    def phase(self, rounds: int, before: Callable[[int], list[int] | None]) -> dict[str, Any]:
        """Both ways so many times, each first in turn; medians and the messages of a round."""
        mine, theirs, known = [], [], Outgoing.objects.count()
        for number in range(rounds):
            ids = before(number)
            for way in (("ours", "hand"), ("hand", "ours"))[number % 2]:
                (mine if way == "ours" else theirs).append(getattr(self, way)(ids))
            written = self.check() - known
        ours, hand = median(mine), median(theirs)
        return {
            "ours_ms": round(ours), "hand_ms": round(hand), "ratio": round(ours / hand, 2),
            "messages": round(written / rounds),
        }  # fmt: skip

    def changed(self, number: int) -> list[int]:
        """One account in a hundred has other values; which."""
        data.change(number)
        self.moves()
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_account WHERE draw(id, %s, 100) = 0", [f"changes {number}"])
            return [pk for (pk,) in cursor.fetchall()]

    def sent(self) -> dict[str, Any]:
        """What waits is sent for a minute, and as much by hand; messages a second."""
        waiting = Outgoing.objects.waiting()
        before, began = waiting.count(), time.perf_counter()
        send_due(SENDING)
        ours = time.perf_counter() - began
        number = before - waiting.count()
        if Outgoing.objects.exclude(state__in=("waiting", "sent")).exists() or not number:
            raise SystemExit("The receiver did not take every message.")
        hand = self.sent_by_hand(number)
        return {
            "messages": number, "ours_a_second": round(number / ours), "hand_a_second": round(number / hand),
            "ratio": round(ours / hand, 2),
        }  # fmt: skip

    def sent_by_hand(self, number: int) -> float:
        """The same in batches whose bodies PostgreSQL makes; seconds."""
        login = base64.b64encode(f"{KEY}:".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        pool, url = urllib3.PoolManager(), batch_address(address_of(self.to))
        began = time.perf_counter()
        with connection.cursor() as cursor:
            while number > 0:
                cursor.execute(_BODY, [self.to.pk, min(BATCH, number)])
                body, ids = cursor.fetchone()
                if pool.request("POST", url, body=body.encode(), headers=headers).status != 200:
                    raise SystemExit("The receiver did not take a batch.")
                cursor.execute("UPDATE hand_message SET state = 'sent', sent_at = now() WHERE id = ANY(%s)", [ids])
                number -= len(ids)
        return time.perf_counter() - began


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """The first sync, one where nothing changed, one account in a hundred (everybody looked at, or only these), and the
    sending of all of it."""
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    rows, load = data.fill(asked.accounts, asked.seed), os.getloadavg()[0]
    with receiving() as address:
        company = Company(address)
        found = {
            "first": company.phase(1, lambda _: None),
            "nothing_changed": company.phase(asked.rounds, lambda _: None),
            "one_percent_changed": company.phase(asked.rounds, lambda number: company.changed(number) and None),
            "one_percent_narrowed": company.phase(asked.rounds, lambda number: company.changed(number + 100)),
        }
        sent = company.sent()
    return {
        "measured": "sync", "rows": rows, **found, "sent": sent,
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)], "at": timezone.now().isoformat(),
    }  # fmt: skip
