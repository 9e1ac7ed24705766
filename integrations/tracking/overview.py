"""What people ask about a source: how much came, what became of it, when the last came, what it feeds."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection
from django.db.models import Max, OuterRef, Subquery, Sum

from accounts.fields.uses import texts_in
from accounts.models import Subject
from core.clock import Moment
from integrations.models import Message, Outcome, Source, SourceTally
from integrations.tracking.traits import values_of
from segments.models import Segment

DAYS = 30
LOOKED_AT = 1_000  # of the newest messages, for what a source feeds
PREFIX = {Subject.ACCOUNT: "account", Subject.USER: "user", Subject.RELATIONSHIP: "relationship"}
_DAILY = """
SELECT (at AT TIME ZONE %(zone)s)::date,
       sum(stored + no_account + duplicate + dropped + failed)::bigint
FROM integrations_sourcetally WHERE source_id = %(source)s AND at >= %(since)s GROUP BY 1
"""


@dataclass(frozen=True)
class Volume:
    """Messages of a source in the last thirty days, by what became of them, and when the last one came."""

    counts: Mapping[str, int]
    last_at: dt.datetime | None

    @property
    def total(self) -> int:
        """All that came, repetitions included."""
        return sum(self.counts.values())

    @property
    def rejected(self) -> int:
        """Those that were dropped or set aside."""
        return self.counts[Outcome.DROPPED] + self.counts[Outcome.FAILED]

    @property
    def share_rejected(self) -> float:
        """Percent of all."""
        return 100 * self.rejected / self.total if self.total else 0.0


NOTHING = Volume(dict.fromkeys(Outcome.values, 0), None)


def volumes(present: Moment, sources: Sequence[Source] | None = None) -> dict[int, Volume]:
    """The volume of each source, by its primary key; one without messages is left out."""
    since = present.start_of(present.today - dt.timedelta(days=DAYS - 1))
    rows = SourceTally.objects.filter(at__gte=since).order_by().values("source_id")
    if sources is not None:
        rows = rows.filter(source__in=sources)
    sums: Any = {f"n_{name}": Sum(name) for name in Outcome.values}
    found: dict[int, Volume] = {
        row["source_id"]: Volume({name: row[f"n_{name}"] for name in Outcome.values}, row["last"])
        for row in cast("Any", rows.annotate(last=Max("at"), **sums))
    }
    # A row of a whole hour has the hour's time; the newest message says when it was.
    newest = Message.objects.filter(source=OuterRef("pk")).order_by("-id").values("received_at")[:1]
    heard = Source.objects.filter(pk__in=found).annotate(newest=Subquery(newest)).values_list("pk", "newest")
    return {key: Volume(found[key].counts, at or found[key].last_at) for key, at in heard}


def daily_volume(source: Source, present: Moment) -> list[tuple[dt.date, int]]:
    """Messages on each of the last thirty local days, today included."""
    first = present.today - dt.timedelta(days=DAYS - 1)
    values: dict[str, Any] = {"zone": present.zone.key, "source": source.pk, "since": present.start_of(first)}
    with connection.cursor() as cursor:
        cursor.execute(_DAILY, values)
        found = dict(cursor.fetchall())
    days = [first + dt.timedelta(days=place) for place in range(DAYS)]
    return [(day, int(found.get(day, 0))) for day in days]


@dataclass(frozen=True)
class Feed:
    """Something that a source sends, and the segments whose rules read it."""

    kind: str
    name: str
    segments: list[Segment]


def feeds_of(source: Source) -> list[Feed]:
    """The events and fields in the newest messages of a source, with the segments that use them."""
    events: set[str] = set()
    fields: set[tuple[str, str]] = set()
    rows = Message.objects.filter(source=source, outcome__in=[Outcome.STORED, Outcome.NO_ACCOUNT]).order_by("-id")
    for kind, name, payload in rows.values_list("kind", "name", "payload")[:LOOKED_AT]:
        if name:
            events.add(name)
        elif kind in ("identify", "group"):
            fields |= _fields_in(kind, payload)
    users = _users_of_words()
    found = [Feed("Event", name, users.get(name, [])) for name in sorted(events)]
    for subject, key in sorted(fields):
        found.append(Feed(f"{PREFIX[Subject(subject)].capitalize()} field", key, users.get(key, [])))
    return found


def _fields_in(kind: str, payload: str) -> set[tuple[str, str]]:
    subject = Subject.ACCOUNT if kind == "group" else Subject.USER
    try:
        data = json.loads(payload)
    except ValueError:
        return set()
    traits = data.get("traits") or (data.get("context") or {}).get("traits") or {}
    names = values_of(subject, traits) if isinstance(traits, dict) else {}
    return {(subject.value, f"{PREFIX[subject]}.{name}") for name in names}


def _users_of_words() -> dict[str, list[Segment]]:
    """The segments by every word of their rules: fields and events are among these."""
    found: dict[str, list[Segment]] = defaultdict(list)
    for segment in Segment.objects.order_by("name"):
        for text in texts_in(segment.rule):
            found[text].append(segment)
    return found
