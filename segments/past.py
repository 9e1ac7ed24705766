"""Who was in which segment on a past day.

The stored intervals say it from the first refresh of a segment on. Before that it cannot be known; the members are then
those that its present rule finds among the accounts as they were, which `Replayed` tells.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Min

from core.clock import Moment
from core.deadline import TooSlow, time_limit
from core.shadow import Shadows
from core.spans import ONE_DAY
from segments.models import AccountMembership, Segment, UserMembership
from segments.ordering import in_order
from segments.questions import Reader, named_in
from segments.rules.tree import RuleError

LIMIT_MS = 60_000
# An exit after the day is not known yet.
_KNOWN = "SELECT {columns} FROM {real} AS r WHERE r.entered_at < %(end)s"
_LEFT = "CASE WHEN r.left_at < %(end)s THEN r.left_at END AS left_at"
_PUT_IN = """
INSERT INTO pg_temp.segments_accountmembership (segment_id, account_id, entered_at)
SELECT %s, m.id, %s FROM ({}) AS m (id)
"""


@dataclass
class PastSegments:
    """The segments that a piece of work needs, with the first day that each is known of."""

    segments: list[Segment]
    known_from: dict[int, dt.date]
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def needed(cls, keys: Iterable[str], moment: Moment) -> PastSegments:
        """These segments of accounts and, since their rules may have to be replayed, all that those name."""
        every = {segment.key: segment for segment in Segment.everything.all()}
        wanted: set[str] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key in every and key not in wanted:
                wanted.add(key)
                waiting += named_in(every[key].rule)
        segments = [s for s in in_order(every.values()) if s.key in wanted and s.subject == Segment.Subject.ACCOUNT]
        first = AccountMembership.objects.filter(segment__in=segments).order_by().values("segment")
        rows = first.annotate(first=Min("entered_at")).values_list("segment", "first")
        return cls(segments, {pk: at.astimezone(moment.zone).date() for pk, at in rows})

    def rules(self) -> list[Any]:
        """Their present rules, as they are stored."""
        return [one.rule for one in self.segments]

    def replayed(self, day: dt.date) -> list[Segment]:
        """Those whose members on a day are not known."""
        return [one for one in self.segments if one.pk not in self.known_from or day < self.known_from[one.pk]]

    def show(self, shadows: Shadows, moment: Moment, reader: Reader) -> None:
        """Memberships as they were known at the end of a day; `reader` means that moment."""
        if not self.segments:
            return
        end = moment.start_of(moment.today + ONE_DAY)
        for model in (AccountMembership, UserMembership):
            table = model._meta.db_table
            names = [str(field.column) for field in model._meta.concrete_fields]
            values = [_LEFT if name == "left_at" else f'r."{name}"' for name in names]
            query = _KNOWN.format(columns=", ".join(values), real=shadows.real(table))
            if model is AccountMembership:
                shadows.table(table, "id", names, query, {"end": end})
            else:
                shadows.view(table, query, {"end": end})
        for segment in self.replayed(moment.today):
            self.put_in(segment, moment, reader)
        shadows.counted("segments_accountmembership", "segment_id, account_id")

    def put_in(self, segment: Segment, moment: Moment, reader: Reader) -> None:
        """The members by the present rule; a rule that cannot be read has none, which is told."""
        try:
            found = reader.read(segment.rule).accounts().order_by().values_list("pk")
            with time_limit(LIMIT_MS), connection.cursor() as cursor:
                sql, params = found.query.sql_with_params()
                cursor.execute(_PUT_IN.format(sql), [segment.pk, moment.now, *params])
        except EmptyResultSet:
            return
        except RuleError as error:
            self.unread[segment.name] = error.first
        except TooSlow:
            self.unread[segment.name] = "Its rule takes too long."
