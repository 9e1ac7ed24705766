"""What people ask about a source: how much came, what became of it, when the last came, and what it feeds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection
from django.db.models import Max, OuterRef, Subquery, Sum

from accounts.fields.uses import FieldUse, uses_by_text
from accounts.models import Subject
from alerts.models import AlertRule
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
    """Something that a source sends, and the segments, traits, health configs, alert rules and so on that read it."""

    kind: str
    name: str
    uses: list[FieldUse]


def feeds_of(source: Source) -> list[Feed]:
    """The events and fields in the newest messages of a source, with what uses them."""
    events: set[str] = set()
    fields: set[tuple[str, str]] = set()
    rows = Message.objects.filter(source=source, outcome__in=[Outcome.STORED, Outcome.NO_ACCOUNT]).order_by("-id")
    for kind, name, payload, user in rows.values_list("kind", "name", "payload", "user_ref")[:LOOKED_AT]:
        if name:
            events.add(name)
        elif kind in ("identify", "group"):
            fields |= _fields_in(kind, payload, user)
    readers, names = uses_by_text(), _shown_names()
    wanted = [("Event", name) for name in sorted(events)]
    wanted += [(f"{PREFIX[Subject(subject)].capitalize()} field", key) for subject, key in sorted(fields)]
    return [
        Feed(kind, name, list(dict.fromkeys(shown for use in readers.get(name, []) if (shown := names(use)))))
        for kind, name in wanted
    ]


def _fields_in(kind: str, payload: str, user: str) -> set[tuple[str, str]]:
    """The fields that one message states. Userlist's have `properties`, which a relationship has too."""
    try:
        data = json.loads(payload)
    except ValueError:
        return set()
    if not isinstance(data, dict):
        return set()
    subject = Subject.ACCOUNT if kind == "group" else Subject.USER
    traits = data.get("traits") or _object(data, "context").get("traits")
    if traits is None and "type" not in data:
        traits = {key: data[key] for key in ("email", "name") if key in data} | _object(data, "properties")
        if kind == "group" and user:
            items = data.get("relationships") if "relationships" in data else [data]
            subject = Subject.RELATIONSHIP
            traits = {key: value for item in items or () for key, value in _object(item, "properties").items()}
    names = values_of(subject, traits) if isinstance(traits, dict) else {}
    return {(subject.value, f"{PREFIX[subject]}.{name}") for name in names}


def _object(data: Any, key: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _shown_names() -> Callable[[FieldUse], FieldUse | None]:
    """What a use is called on the page: an alert rule for the internal segment that is its question; None for the other
    internal ones, whose owners are uses themselves.
    """
    internal = set(Segment.everything.filter(internal=True).values_list("pk", flat=True))
    rules = {pk: rule for rule in AlertRule.objects.all() for pk in (rule.watch_id, rule.clear_watch_id)}

    def shown(use: FieldUse) -> FieldUse | None:
        if use.kind != "segment" or use.pk not in internal:
            return use
        rule = rules.get(use.pk)
        return FieldUse("alert rule", rule.name, rule.pk) if rule else None

    return shown
