"""Messages that were set aside, because recording them failed: by reason, tried again, or discarded.

Each is tried in a transaction of its own that holds its row, so that it is recorded once whoever asks, and however
often. Its id was claimed when it came, so a repetition of it that comes meanwhile is still a repetition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import OperationalError, transaction
from django.db.models import Count, Max, QuerySet

from core.intake import short
from integrations.models import Message, Outcome
from integrations.tracking.messages import Envelope, Tracked
from integrations.tracking.outages import sqlstate
from integrations.tracking.recording import ATTEMPTS, RACES, record_alone
from integrations.tracking.refusing import refuse_erased
from usage import partitions

AT_ONCE = 500  # of one request; more are left for the next
_BEFORE = ". It had been set aside: "
NOT_KEPT = "It was set aside by an older version, which did not keep what is needed to try it again."


@dataclass(frozen=True)
class Reason:
    """A reason for which messages of a source were set aside."""

    source: str
    source_key: str
    text: str
    number: int
    newest: dt.datetime


@dataclass(frozen=True)
class Tried:
    """What became of messages that were tried again: recorded, set aside once more, and not tried yet."""

    recorded: int
    failed: int
    left: int


def set_aside(*, source: str = "", reason: str = "") -> QuerySet[Message]:
    """The messages that wait for somebody to decide, the newest first."""
    rows = Message.objects.filter(outcome=Outcome.FAILED).order_by("-id")
    rows = rows.filter(source__key=source) if source else rows
    return rows.filter(reason=reason) if reason else rows


def reasons() -> list[Reason]:
    """Why messages were set aside, the most frequent first."""
    rows = set_aside().order_by().values("source__name", "source__key", "reason")
    found = rows.annotate(number=Count("id"), newest=Max("received_at")).order_by("-number", "source__name", "reason")
    return [
        Reason(row["source__name"], row["source__key"], row["reason"], row["number"], row["newest"]) for row in found
    ]


def retry(rows: QuerySet[Message]) -> Tried:
    """Record the messages, the oldest first, at most AT_ONCE of them.

    Raises what the database raises when it is away; those that were recorded until then are.
    """
    left = max(0, rows.count() - AT_ONCE)
    done = [_until_won(pk) for pk in list(rows.order_by("id").values_list("pk", flat=True)[:AT_ONCE])]
    return Tried(done.count(True), done.count(False), left)


def _until_won(pk: int) -> bool | None:
    """Try again where another writer won a race that PostgreSQL has ended."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _retry(pk)
        except OperationalError as error:
            if sqlstate(error) not in RACES or attempt == ATTEMPTS:
                raise
    return None


@transaction.atomic
def _retry(pk: int) -> bool | None:
    """Whether it was recorded; None if it does not wait any more."""
    row = _waiting([pk]).select_related("source").first()
    if row is None:
        return None
    if not row.said:
        row.reason = NOT_KEPT
        row.save(update_fields=["reason"])
        return False
    message = Tracked.again(row.said, row.payload)
    if message.is_event:  # before anything else is locked, as where messages come in
        partitions.ensure_months({partitions.month_of(message.at)})
    refuse_erased([message])
    why = ""
    if not message.outcome:
        why = record_alone(row.source, message, Envelope(row.received_at, f"again-{row.pk}"))
    if why:
        row.reason = why
        row.save(update_fields=["reason"])
        return False
    row.outcome, row.reason, row.said = message.outcome, message.reason, ""
    row.payload, row.message_id = message.payload, message.message_id
    row.user_ref, row.account_ref = message.user or message.anonymous, message.about
    row.inferred = bool(message.home)
    row.save()
    return row.outcome != Outcome.DROPPED


@transaction.atomic
def discard(rows: QuerySet[Message], *, by: str) -> list[int]:
    """Give messages up: they stay in the event debugger as dropped, for as long as others. Which they were."""
    chosen = list(_waiting(rows.values_list("pk", flat=True)))
    for row in chosen:
        row.outcome, row.reason = Outcome.DROPPED, f"Discarded by {short(by)}{_BEFORE}{row.reason}"
    Message.objects.bulk_update(chosen, ["outcome", "reason"], batch_size=500)
    return [row.pk for row in chosen]


@transaction.atomic
def take_back(pks: Iterable[int]) -> int:
    """Messages that were discarded wait again, unless they have been forgotten meanwhile; how many."""
    rows = Message.objects.filter(pk__in=list(pks), outcome=Outcome.DROPPED, reason__contains=_BEFORE)
    chosen = list(rows.select_for_update(of=("self",), no_key=True).order_by("pk"))
    for row in chosen:
        row.outcome, row.reason = Outcome.FAILED, row.reason.partition(_BEFORE)[2]
    Message.objects.bulk_update(chosen, ["outcome", "reason"], batch_size=500)
    return len(chosen)


def _waiting(pks: Iterable[int]) -> QuerySet[Message]:
    """Those that still wait, held until the end of the transaction."""
    found = Message.objects.filter(pk__in=list(pks), outcome=Outcome.FAILED)
    return found.select_for_update(of=("self",), no_key=True).order_by("pk")
