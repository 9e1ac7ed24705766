"""A segment through time, read from the stored intervals: members on a day, size by day, who came and went and why."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import TruncDate

from accounts.fields import Category, Subject
from core.clock import Moment
from segments.models import RefreshRun, Segment, SegmentRefresh, SegmentVersion
from segments.questions import Reader, named_in
from segments.recorded import owners, recorded_between
from segments.rules.nodes import changes_with_time, fields_of
from segments.rules.tree import RuleError
from segments.subjects import ABOUT, members_of


def on_day(day: dt.date, now: Moment) -> Q:
    """The intervals that cover the end of a local day; for today: those that are open."""
    if day >= now.today:
        return Q(left_at=None)
    end = now.start_of(day + dt.timedelta(days=1))
    return Q(entered_at__lt=end) & (Q(left_at=None) | Q(left_at__gte=end))


def members_on(segment: Segment, day: dt.date, now: Moment, seen: QuerySet[Any] | None) -> QuerySet[Any]:
    """The stays of the members at the end of a local day, by name, among those that may be seen (None: all, archived
    too). `seen` are rows that the segment's rule is asked of."""
    column = members_of(segment).column
    rows = _rows(segment, seen).filter(on_day(day, now))
    rows = rows.select_related("account__stage" if column == "account" else column)
    return rows.order_by(f"{column}__name_folded", f"{column}_id")


def first_day(segment: Segment, now: Moment) -> dt.date:
    """The first day that is known about: that of the first entry, else today."""
    first = members_of(segment).memberships.objects.filter(segment=segment).order_by("entered_at").first()
    return first.entered_at.astimezone(now.zone).date() if first else now.today


def sizes(segment: Segment, days: int, now: Moment, seen: QuerySet[Any] | None) -> list[tuple[dt.date, int]]:
    """How many members there were at the end of each of the last days, oldest first, today included."""
    came, went = _by_day(segment, "entered_at", now, seen), _by_day(segment, "left_at", now, seen)
    start = max(now.today - dt.timedelta(days=days - 1), min(first_day(segment, now), now.today))
    size = sum(n for day, n in came.items() if day < start) - sum(n for day, n in went.items() if day < start)
    found = []
    for number in range((now.today - start).days + 1):
        day = start + dt.timedelta(days=number)
        size += came.get(day, 0) - went.get(day, 0)
        found.append((day, size))
    return found


def definitions(segment: Segment, since: dt.date, now: Moment) -> list[tuple[dt.date, int]]:
    """The local days on which the definition changed since a day, with the number of the version, oldest first.

    The first version is no change: the segment was made with it.
    """
    rows = SegmentVersion.objects.filter(segment=segment, number__gt=1, created_at__gte=now.start_of(since))
    rows = rows.order_by("number")
    return [(row.created_at.astimezone(now.zone).date(), row.number) for row in rows]


def holds_of(segment: Segment, limit: int = 20) -> list[tuple[dt.datetime, dt.datetime, str]]:
    """The newest times in which refreshes left the members as they were for a silent feed: first, last, and why."""
    rows = SegmentRefresh.objects.filter(segment=segment).exclude(held="").order_by()
    found = rows.values("held").annotate(first=Min("at"), last=Max("at")).order_by("-last")
    return list(found.values_list("first", "last", "held")[:limit])


@dataclass(frozen=True)
class Movement:
    """A member that joined or left: when, why (`cause`, see `causes`), and the words a pin gave for it."""

    member: Any
    joined: bool
    at: dt.datetime
    cause: str
    reason: str = ""


CAUSES = {"hand": "By hand", "definition": "Definition", "data": "New data", "time": "Time"}


def movements(
    segment: Segment,
    reader: Reader,
    seen: QuerySet[Any] | None,
    *,
    before: dt.datetime | None = None,
    since: dt.datetime | None = None,
    limit: int = 50,
) -> list[Movement]:
    """The newest entries and exits (before an instant, since an instant), each with its cause."""
    found: list[tuple[dt.datetime, bool, Any]] = []
    column_of = members_of(segment).column
    for column, joined in (("entered_at", True), ("left_at", False)):
        by = "opened_by__run" if joined else "closed_by__run"
        rows = _rows(segment, seen).exclude(**{column: None}).select_related(column_of, by, "opened_pin", "closed_pin")
        rows = rows.filter(**{f"{column}__lt": before}) if before else rows
        rows = rows.filter(**{f"{column}__gte": since}) if since else rows
        found += [(getattr(row, column), joined, row) for row in rows.order_by(f"-{column}", "-pk")[:limit]]
    found.sort(key=lambda item: (item[0], item[2].pk), reverse=True)
    return _with_causes(segment, reader, found[:limit])


def moves_of(segment: Segment, reader: Reader, stays: Collection[Any]) -> list[Movement]:
    """The newest movement of each of some stays: its end if it has one, else its beginning; each with its cause."""
    found = [(stay.left_at or stay.entered_at, stay.left_at is None, stay) for stay in stays]
    return _with_causes(segment, reader, found)


def _with_causes(segment: Segment, reader: Reader, found: list[tuple[dt.datetime, bool, Any]]) -> list[Movement]:
    column = members_of(segment).column
    causes = _Causes(segment, reader)
    by_refresh: dict[int, set[int]] = defaultdict(set)
    for _, joined, row in found:
        refresh = row.opened_by if joined else row.closed_by
        if refresh is not None:
            by_refresh[refresh.pk].add(getattr(row, f"{column}_id"))
    told = []
    for at, joined, row in found:
        refresh, pin = (row.opened_by, row.opened_pin) if joined else (row.closed_by, row.closed_pin)
        cause = "hand" if pin else causes.of(refresh, getattr(row, f"{column}_id"), by_refresh)
        told.append(Movement(getattr(row, column), joined, at, cause, pin.reason if pin else ""))
    return told


class _Causes:
    """Why members moved, read refresh by refresh.

    A new definition, the segment's own or that of something it reads, is the cause of all that moved in the first
    refresh with it. A pin is, where it moved the member at the same moment in a segment that this one depends on.
    Otherwise new data is, if the refresh was for new data, or if anything about the member was recorded since the
    refresh before. If nothing was, and the rule's answer can change with time alone (relative dates, and figures over
    the last days), time is.
    """

    def __init__(self, segment: Segment, reader: Reader) -> None:
        self.segment, self.reader = segment, reader
        self.changed: dict[int, set[int]] = {}
        self.pinned: dict[int, set[int]] = {}
        self.below: list[tuple[int, str]] | None = None
        self.versions = dict(SegmentVersion.objects.filter(segment=segment).values_list("number", "rule"))
        self.clocks: dict[int, bool] = {}

    def of(self, refresh: SegmentRefresh | None, member: int, by_refresh: dict[int, set[int]]) -> str:
        """The cause of one movement."""
        if refresh is None:
            return "data"
        if refresh.new_definition:
            return "definition"
        if refresh.pk not in self.pinned:
            self.pinned[refresh.pk] = self.moved_by_hand(refresh, by_refresh[refresh.pk])
        if member in self.pinned[refresh.pk]:
            return "hand"
        if refresh.run.trigger == RefreshRun.Trigger.DATA or not self.moves_with_time(refresh.version):
            return "data"
        if refresh.pk not in self.changed:
            self.changed[refresh.pk] = self.recorded(refresh, by_refresh[refresh.pk])
        return "data" if member in self.changed[refresh.pk] else "time"

    def moved_by_hand(self, refresh: SegmentRefresh, members: Collection[int]) -> set[int]:
        """Those of the members whom a pin moved at that moment in a segment that this one depends on: a pin of
        themselves, of a user of the account, of an account of the user."""
        if self.below is None:
            self.below = self.named_below()
        found: set[int] = set()
        for about in ABOUT.values():
            segments = [pk for pk, subject in self.below if subject == about.subject]
            if not segments:
                continue
            whose = owners(members_of(self.segment).subject, members, with_users=about.subject is Subject.USER)
            mine = whose[about.column]
            at = refresh.run.now
            pinned = Q(entered_at=at, opened_pin__isnull=False) | Q(left_at=at, closed_pin__isnull=False)
            stays = about.memberships.objects.filter(pinned, segment__in=segments, **{f"{about.column}__in": mine})
            for pk in stays.values_list(f"{about.column}_id", flat=True) if mine else ():
                found |= mine[pk]
        return found

    def named_below(self) -> list[tuple[int, str]]:
        """The segments that this one depends on, at once or by way of others, with their subjects."""
        if not named_in(self.segment.rule):
            return []
        edges = {one.key: (named_in(one.rule), one.pk, one.subject) for one in Segment.everything.all()}
        found, open_ = set(), named_in(self.segment.rule) & edges.keys()
        while open_:
            found |= open_
            open_ = set().union(*(edges[key][0] for key in open_)) & edges.keys() - found
        return [edges[key][1:] for key in sorted(found)]

    def moves_with_time(self, version: int) -> bool:
        """Whether the answer of a definition can change though nothing was recorded."""
        if version not in self.clocks:
            try:
                stored = self.versions.get(version)
                rule = self.reader.read(stored, personal=True, subject=self.segment.subject).rule
            except RuleError:
                self.clocks[version] = False
            else:
                windows = (Category.USAGE, Category.TRAITS)
                fields = [self.reader.vocabulary[key] for key in fields_of(rule) if key in self.reader.vocabulary]
                grows = any(item.at is not None or item.category in windows for item in fields)
                self.clocks[version] = grows or changes_with_time(rule)
        return self.clocks[version]

    def recorded(self, refresh: SegmentRefresh, members: Collection[int]) -> set[int]:
        """Those of the members about which anything was recorded since the refresh before."""
        earlier = SegmentRefresh.objects.filter(segment=self.segment, pk__lt=refresh.pk).order_by("-pk").first()
        if earlier is None:
            return set(members)
        return recorded_between(members_of(self.segment).subject, members, earlier.at, refresh.at)


def _rows(segment: Segment, seen: QuerySet[Any] | None) -> QuerySet[Any]:
    members = members_of(segment)
    rows: QuerySet[Any] = members.memberships.objects.filter(segment=segment)
    return rows if seen is None else rows.filter(**{f"{members.column}__in": members.ids(seen)})


def _by_day(segment: Segment, column: str, now: Moment, seen: QuerySet[Any] | None) -> dict[dt.date, int]:
    rows = _rows(segment, seen).exclude(**{column: None})
    counted = rows.annotate(day=TruncDate(column, tzinfo=now.zone)).values("day").annotate(n=Count("pk"))
    return dict(counted.order_by().values_list("day", "n"))
