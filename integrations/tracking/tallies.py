"""What is kept for people who look: every message of the last days, and how many came in each hour."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from django.db import connection, transaction

from core.locks import xact_lock
from integrations.models import Message, Outcome, Source, SourceTally
from integrations.tracking.messages import Tracked

KEPT_DAYS, KEPT_ASIDE_DAYS = 7, 90  # one that was set aside waits for somebody to decide
KEPT_MESSAGES = 100_000  # of all sources together; those not taken are kept for the days whatever their number
_COPY = """
COPY integrations_message (source_id, received_at, at, kind, name, user_ref, account_ref, inferred, message_id, outcome,
                           reason, payload, said) FROM STDIN
"""
_TALLY = """
INSERT INTO integrations_sourcetally (source_id, at, stored, no_account, duplicate, dropped, failed, summed)
VALUES (%s, %s, %s, %s, %s, %s, %s, false)
"""
_SUM = """
WITH taken AS (
    DELETE FROM integrations_sourcetally WHERE NOT summed AND at < %(until)s
    RETURNING source_id, date_trunc('hour', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS hour, stored, no_account,
              duplicate, dropped, failed
)
INSERT INTO integrations_sourcetally (source_id, at, stored, no_account, duplicate, dropped, failed, summed)
SELECT source_id, hour, sum(stored), sum(no_account), sum(duplicate), sum(dropped), sum(failed), true
FROM taken GROUP BY 1, 2
"""
_OLD = """
DELETE FROM integrations_message WHERE received_at < %(long_before)s
    OR outcome <> 'failed' AND received_at < %(before)s
    OR outcome NOT IN ('dropped', 'failed') AND id <= (
        SELECT id FROM integrations_message ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
"""


def log_messages(source: Source, messages: Sequence[Tracked], received_at: dt.datetime) -> None:
    """Write every message with its outcome, in the transaction of what it caused."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for message in messages:
            copy.write_row(
                (
                    source.pk, received_at, message.at, message.kind[:20], message.name[:255],
                    (message.user or message.anonymous)[:255], message.about[:255], bool(message.home),
                    message.message_id, message.outcome, message.reason, message.payload,
                    message.said() if message.outcome == Outcome.FAILED else "",
                )
            )  # fmt: skip


def tally(source: Source, messages: Sequence[Tracked], received_at: dt.datetime) -> None:
    """Count a request's messages."""
    found = Counter(message.outcome for message in messages)
    if found:
        counts = [found.get(outcome, 0) for outcome in Outcome]
        with connection.cursor() as cursor:
            cursor.execute(_TALLY, [source.pk, received_at, *counts])


@transaction.atomic
def sum_tallies(now: dt.datetime) -> None:
    """Add up the requests of the hours that are over, an hour of a source in one row."""
    xact_lock("integrations.tallies")
    with connection.cursor() as cursor:
        cursor.execute(_SUM, {"until": now.replace(minute=0, second=0, microsecond=0)})


def forget_messages(now: dt.datetime) -> None:
    """Delete the messages that are too old, and of the ordinary ones those beyond the newest hundred thousand."""
    with connection.cursor() as cursor:
        before, long_before = (now - dt.timedelta(days=days) for days in (KEPT_DAYS, KEPT_ASIDE_DAYS))
        cursor.execute(_OLD, {"before": before, "long_before": long_before, "kept": KEPT_MESSAGES})


def tidy_is_due(now: dt.datetime) -> bool:
    """True if an hour can be added up, or a tenth more messages are there than are kept."""
    if SourceTally.objects.filter(summed=False, at__lt=now.replace(minute=0, second=0, microsecond=0)).exists():
        return True
    taken = Message.objects.exclude(outcome__in=[Outcome.DROPPED, Outcome.FAILED]).order_by("-id")
    return taken[KEPT_MESSAGES * 11 // 10 :][:1].exists()
