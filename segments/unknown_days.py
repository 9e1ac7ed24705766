"""What could not be known of past days that rules were asked of: which fields, until when, of how many accounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Min

from accounts.facts import ACCOUNT
from accounts.fields import Category, Field, Owner, Rows, Vocabulary
from accounts.models import MrrDay
from accounts.past.changes import BILLED, MRR_CHANGES
from core.clock import Moment
from core.deadline import TooSlow, time_limit
from core.spans import ONE_DAY
from segments.past import PastSegments
from segments.rules.events import COUNTS
from segments.rules.nodes import Condition, Happened, Node, Quantified, Sequence
from usage.models import DailyUsage
from usage.past import events_since

LATE_LIMIT_MS = 20_000
LONGEST_WINDOW = 90  # of the figures of usage
PEOPLE = (Owner.USER, Owner.RELATIONSHIP)
# Values that were told after the account came, and after the span began: until then they are missing.
_TOLD_LATE = """
SELECT told.key, count(*), max(told.first) FROM (
    SELECT key, object_id, min(since) AS first FROM past_change
    WHERE subject = 'account' AND key = ANY(%(keys)s) AND value IS NOT NULL GROUP BY 1, 2
) AS told JOIN past_account AS came ON came.id = told.object_id
WHERE told.first >= %(start)s AND (told.first AT TIME ZONE %(zone)s)::date > came.came AND came.came <= %(last)s
GROUP BY 1
"""
_TERMS = """
SELECT count(*), max(told.first) FROM (
    SELECT object_id, min(since) AS first FROM past_change WHERE subject = 'subscription' GROUP BY 1
) AS told JOIN accounts_subscription AS s ON s.id = told.object_id
WHERE told.first >= %(start)s AND (told.first AT TIME ZONE %(zone)s)::date > s.starts_on AND s.starts_on <= %(last)s
"""
_LATE = """
SELECT count(*) FILTER (WHERE received_at > at + interval '1 day'), count(*) FROM usage_event
WHERE at >= %(start)s AND at < %(end)s AND account_id IS NOT NULL
"""


@dataclass(frozen=True)
class Gap:
    """Something that could not be known: what, the last day for which it was not (None: the whole span), and what the
    replay did instead. `accounts` says of how many, where that can be counted."""

    what: str
    note: str
    until: dt.date | None = None
    accounts: int | None = None

    def data(self) -> dict[str, Any]:
        """For the report."""
        until = self.until.isoformat() if self.until else None
        return {"what": self.what, "note": self.note, "until": until, "accounts": self.accounts}


def gaps_of(reads: Reads, segments: PastSegments, first_day: dt.date, last_day: dt.date, now: Moment) -> Iterator[Gap]:
    """Everything that is to be said of what was read of these days; the tables of the session must still be there."""
    start, end = now.start_of(first_day + ONE_DAY), now.start_of(last_day + ONE_DAY)
    span = {"start": start, "end": end, "last": last_day, "zone": now.zone}
    yield from _accounts(reads, span)
    if reads.billing:
        yield from _billing(span)
    if reads.worth:
        yield from _recalled(last_day)
    if reads.usage:
        yield from _usage(first_day, span)
    dropped = events_since()
    if reads.raw and dropped is not None and dropped > first_day:
        note = "Events of then were dropped: conditions on single events find none."
        yield Gap("Events with their properties", note, dropped - ONE_DAY)
    if reads.people:
        note = "Who belonged to an account is known; names, titles, roles and attributes are those of today."
        yield Gap("Values of users", note)
    yield from _segments(segments, first_day)


@dataclass(frozen=True)
class Reads:
    """What was asked for: the fields, and the conditions of the rules among it."""

    fields: dict[str, Field]
    nodes: list[Node]

    @classmethod
    def of(cls, keys: Iterable[str], nodes: Iterable[Node], vocabulary: Vocabulary) -> Reads:
        """By the keys of fields, those that are gone left out."""
        return cls({key: vocabulary[key] for key in sorted(keys) if key in vocabulary}, list(nodes))

    @property
    def billing(self) -> bool:
        """Anything that comes from subscriptions."""
        names = {f"account.{name}" for name in BILLED}
        return any(one.owner is Owner.SUBSCRIPTION or one.key in names for one in self.fields.values())

    @property
    def worth(self) -> bool:
        """How the MRR changed, which needs the MRR of earlier days."""
        return any(f"account.{name}" in self.fields for name in MRR_CHANGES)

    @property
    def usage(self) -> bool:
        """Anything that comes from events."""
        made = any(one.category in (Category.USAGE, Category.TRAITS) for one in self.fields.values())
        return made or any(isinstance(node, Happened | Sequence) for node in self.nodes)

    @property
    def raw(self) -> bool:
        """Anything that needs the events themselves."""
        for node in self.nodes:
            if isinstance(node, Sequence):
                return True
            if isinstance(node, Happened) and (
                node.where is not None or node.window.by_hours or node.measure.name not in COUNTS
            ):
                return True
        return any(one.category is Category.TRAITS for one in self.fields.values())

    @property
    def people(self) -> bool:
        """Any value of a user or of a relationship."""
        quantified = any(isinstance(node, Quantified) and node.rows is Rows.USERS for node in self.nodes)
        return quantified or any(isinstance(n, Condition) and n.field.owner in PEOPLE for n in self.nodes)


def _accounts(reads: Reads, span: dict[str, Any]) -> Iterator[Gap]:
    """Attributes that were told after their accounts came."""
    labels: dict[str, str] = {}
    for key, one in reads.fields.items():
        name = key.removeprefix("account.")
        name = "stage" if name == "stage_type" else name
        if one.owner is Owner.ACCOUNT and (name in ACCOUNT.columns or name.startswith("custom.")):
            labels[name] = one.label
    if not labels:
        return
    with connection.cursor() as cursor:
        cursor.execute(_TOLD_LATE, {**span, "zone": span["zone"].key, "keys": list(labels)})
        for key, accounts, last in sorted(cursor.fetchall()):
            note = "Nobody had told it yet. Until then it is missing."
            yield Gap(labels[key], note, last.astimezone(span["zone"]).date() - ONE_DAY, accounts)


def _recalled(last_day: dt.date) -> Iterator[Gap]:
    """Days whose MRR was not kept then."""
    rows = MrrDay.objects.filter(recalled=True, day__lte=last_day)
    found = rows.aggregate(until=Max("day"), accounts=Count("account", distinct=True))
    if found["accounts"]:
        note = "It was not kept then: it is made of the start, the end and the recorded MRR of the subscriptions."
        yield Gap("MRR of earlier days", note, found["until"], found["accounts"])


def _billing(span: dict[str, Any]) -> Iterator[Gap]:
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, {**span, "zone": span["zone"].key})
        number, last = cursor.fetchone()
    if number:
        note = (
            f"{number:,} subscriptions were told after they began. Until then they have the terms that were told first,"
        )
        note += " and neither renewal nor end ahead."
        yield Gap("Terms of subscriptions", note, last.astimezone(span["zone"]).date() - ONE_DAY)


def _usage(first_day: dt.date, span: dict[str, Any]) -> Iterator[Gap]:
    first = DailyUsage.objects.aggregate(first=Min("day"))["first"]
    if first is None or first > first_day:
        note = "There are no events of then: every account looks silent. Begin the span later."
        yield Gap("Usage", note, None if first is None else first - ONE_DAY)
    elif first > first_day - dt.timedelta(days=LONGEST_WINDOW):
        note = "Figures of the last 30 or 90 days are too low until there are as many days of events."
        yield Gap("Usage of whole windows", note, first + dt.timedelta(days=LONGEST_WINDOW - 1))
    try:
        with time_limit(LATE_LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(_LATE, {"start": span["start"], "end": span["end"]})
            late, total = cursor.fetchone()
    except TooSlow:
        return
    if late:
        note = f"{late:,} of {total:,} events came more than a day after they had happened, as imported history does."
        note += " They count on their day."
        yield Gap("Late events", note)


def _segments(segments: PastSegments, first_day: dt.date) -> Iterator[Gap]:
    for segment in segments.replayed(first_day):
        since = segments.known_from.get(segment.pk)
        if segment.name in segments.unread:
            note = f"Its rule cannot be used: {segments.unread[segment.name]} Until then it has no members."
        else:
            note = "It was not refreshed yet. Until then its members are those of its present rule."
        yield Gap(f"Members of {segment.name}", note, since - ONE_DAY if since else None)
