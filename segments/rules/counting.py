"""The SQL of conditions on events: the rows of a window are grouped once for all accounts, never looked up for each.

Counts, users and days come from the daily counts; property filters, aggregates of properties, hours and sequences read
the events themselves. A comparison that 0 meets is the complement of one that 0 does not meet, so that an account for
which there is no row matches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import (
    Avg,
    Count,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, JSONObject

from accounts.fields import EventSource, Vocabulary
from accounts.fields.sql import Infix, Not, Truth, all_of
from accounts.fields.values import Between
from core.clock import Moment
from core.ids import OneOf
from segments.rules.event_times import Times
from segments.rules.events import COUNTS, Measure, holds_at
from segments.rules.homes import BY_USER, OWN, Home, home_of
from segments.rules.nodes import Happened, Sequence

_COMPARE = {"at_least": ">=", "more_than": ">", "at_most": "<=", "less_than": "<", "exactly": "="}
_KEPT = {"count": "count", "users": "users", "days": "active_days"}
_AGGREGATES = {"sum": Sum, "avg": Avg, "min": Min, "max": Max}


class Among(Truth):
    """The keys of the row in hand are among those that a grouped query yields.

    As EXISTS around the whole query, which PostgreSQL turns into a join (and NOT EXISTS into an anti-join), so that the
    groups are made once however many accounts there are.
    """

    def __init__(self, found: QuerySet[Any], keys: Listed[str]) -> None:
        super().__init__(Subquery(found), *[F(key) for key in keys])

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`EXISTS (SELECT 1 FROM (grouped) AS met (k0) WHERE met.k0 = id)`."""
        (found, params), *keys = (compiler.compile(part) for part in self.source_expressions)
        names = [f"k{place}" for place in range(len(keys))]
        same = " AND ".join(f"met.{name} = {key}" for name, (key, _) in zip(names, keys, strict=True))
        bound = [*params, *(param for _, given in keys for param in given)]
        return f"EXISTS (SELECT 1 FROM {found} AS met ({', '.join(names)}) WHERE {same})", bound  # noqa: S608 - compiled parts


class Moved(Truth):
    """The account in hand has a figure in `before` from which that in `now` (none: 0) is away by a percentage.

    Both are queries of an account and a figure above 0; those that are kept for the window need no adding up.
    """

    def __init__(self, before: QuerySet[Any], now: QuerySet[Any], key: str, *, up: bool, percent: Decimal) -> None:
        self.way = "coalesce(now.n, 0) - was.n" if up else "was.n - coalesce(now.n, 0)"
        super().__init__(Subquery(before), Subquery(now), F(key), Value(percent))

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`EXISTS (SELECT 1 FROM (before) AS was LEFT JOIN (now) AS now ON … WHERE was.k = id AND …)`."""
        parts = [compiler.compile(part) for part in self.source_expressions]
        (before, _), (now, _), (key, _), (percent, _) = parts
        sql = (
            f"EXISTS (SELECT 1 FROM {before} AS was (k, n) LEFT JOIN {now} AS now (k, n) ON now.k = was.k"  # noqa: S608
            f" WHERE was.k = {key} AND ({self.way}) * 100 >= was.n * {percent})"
        )
        return sql, [param for _, bound in parts for param in bound]


@dataclass(frozen=True)
class Counting:
    """What one condition is counted against: where events are, the present, whose they are, the compiled filter.

    `by_user` is True inside a users group, where the row in hand is a relationship, and in a rule about users.
    `accounts` are the only ones that are asked about (primary keys), None for all.
    """

    vocabulary: Vocabulary
    moment: Moment
    by_user: bool
    accounts: Listed[int] | None = None

    @property
    def source(self) -> EventSource:
        """Where events are found."""
        return self.vocabulary.events

    @property
    def outer(self) -> tuple[str, ...]:
        """The keys in the row in hand."""
        return ("account_id", "user_id") if self.by_user else ("pk",)

    def keys(self, home: Home) -> tuple[str, ...]:
        """The same keys in the rows that are counted."""
        return (f"{home.account}_id", "user_id") if self.by_user else (f"{home.account}_id",)

    def pair(self, home: Home) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Both, in the rows that are counted and in the row in hand. A user in an account has the same id in both."""
        if home.place:
            return (f"{home.place}__id",), ("pk",)
        return (("user_id",), ("user_id",)) if home == BY_USER else (self.keys(home), self.outer)

    def home(self, node: Happened | Sequence) -> Home:
        """Whose the events are that a node counts."""
        since = node.window.field.owner if node.window.field else None
        return home_of(anywhere=node.anywhere, by_user=self.by_user, since=since)

    def asked(self, home: Home) -> list[Any]:
        """That an event is one of the accounts that are asked about; nothing if all are, or if it needs no account."""
        everywhere = self.accounts is None or not home.account
        return [] if everywhere else [OneOf(F(f"{home.account}_id"), self.accounts or ())]


def happened(node: Happened, where: Any, counting: Counting) -> Any:
    """The condition of an event node; `where` is its compiled property filter, or None."""
    rows = _Rows(node, where, counting)
    if node.op.key == "never":
        return Not(rows.among(rows.within()))
    kept = rows.recent()
    if node.op.key == "first_time_in" and (first := rows.first()) is not None:
        return rows.among(first)
    if node.op.key in ("first_time_in", "stopped", "restarted"):
        return rows.among(rows.turned()) if kept is None else rows.turned_from(kept)
    if node.op.key in ("increased_by", "decreased_by"):
        return rows.among(rows.changed()) if kept is None else rows.changed_from(kept)
    assert isinstance(node.value, Decimal | Between)
    if node.measure.name in COUNTS and node.op.key == "at_least" and node.value == 1 and node.measure.name != "users":
        return rows.among(rows.within())
    if holds_at(node.op.key, node.value, node.measure.of_nothing):
        return Not(rows.among(rows.measured(met=False)))
    return rows.among(rows.measured(met=True))


def measured(node: Happened, where: Any, counting: Counting) -> Any:
    """What there is, for one row in hand: {"value", "before", "last"} as JSON; NULL if nothing happened."""
    return _Rows(node, where, counting).told()


class _Rows:
    """The rows of one condition, and what is asked of them."""

    def __init__(self, node: Happened, where: Any, counting: Counting) -> None:
        self.node, self.where, self.counting = node, where, counting
        self.raw = where is not None or node.measure.name not in COUNTS or node.window.by_hours
        self.home = counting.home(node)
        self.time = Times(node.window, counting.moment, self.raw, self.home)

    def among(self, found: QuerySet[Any]) -> Any:
        """The row in hand is one of those found."""
        keys, outer = self.counting.pair(self.home)
        return Among(found.values(*keys), outer)

    def rows(self, *times: Any, **of: Any) -> QuerySet[Any]:
        """The events by name and filter, in the context of an account, narrowed to some time."""
        source, name = self.counting.source, self.counting.vocabulary.event_names[self.node.event]
        found = (source.events() if self.raw else source.daily()).order_by().filter(name_id=name)
        if self.where is not None:
            found = found.filter(self.where)
        # In one filter, so that the account is that of the relationship which the conditions are about.
        return found.filter(*times, *self.counting.asked(self.home), **self.home.context(), **of)

    def grouped(self, *times: Any) -> QuerySet[Any]:
        """One group for each account, or for each user of an account."""
        return self.rows(*times).values(*self.counting.pair(self.home)[0])

    @property
    def summed_up(self) -> bool:
        """True if all that happened in an account counts, by whole days: what is kept for the account may answer."""
        return not (self.raw or self.node.anywhere or self.counting.by_user)

    def narrowed(self, found: QuerySet[Any]) -> QuerySet[Any]:
        """Of rows with one for each account and event, those of this event."""
        name = self.counting.vocabulary.event_names[self.node.event]
        return found.order_by().filter(*self.counting.asked(OWN), name_id=name)

    def recent(self, *, before: bool = False) -> QuerySet[Any] | None:
        """The sums of just this window (or the one before it) where they are kept: a row for each account for which it
        happened."""
        window, source, today = self.node.window, self.counting.source, self.counting.moment.today
        if not self.summed_up or window.kind != "last" or window.unit != "day":
            return None
        if window.n not in self.counting.vocabulary.event_windows(today) or (
            before and window.n not in source.compared
        ):
            return None
        return self.narrowed(source.recent(today - dt.timedelta(days=window.n if before else 0), window.n))

    def first(self) -> QuerySet[Any] | None:
        """The accounts for which it happened in the window for the first time, where the first days answer that."""
        if not self.summed_up or self.node.window.field is not None:
            return None
        first, last = self.node.window.days(self.counting.moment.today)
        ends = ({} if first is None else {"day__gte": first}) | ({} if last is None else {"day__lte": last})
        return self.narrowed(self.counting.source.first().filter(**ends))

    def within(self) -> QuerySet[Any]:
        """Those for which it happened at all in the window."""
        kept = self.first() if self.node.window.kind == "ever" else self.recent()
        return self.grouped(*self.time.inside()).distinct() if kept is None else kept

    def previous(self) -> QuerySet[Any]:
        """Those for which it happened at all in the window before."""
        kept = self.recent(before=True)
        return self.grouped(*self.time.before()).distinct() if kept is None else kept

    def measured(self, *, met: bool) -> QuerySet[Any]:
        """Those whose measure meets the comparison, or does not."""
        kept = self.recent()
        left = self.measure(self.node.measure) if kept is None else F(_KEPT[self.node.measure.name])
        test = _compare(self.node.op.key, left, self.node.value)
        if kept is not None:
            return kept.filter(test if met else Not(test))
        return self.grouped(*self.time.inside()).annotate(met=test if met else Not(test)).filter(met=True)

    def measure(self, measure: Measure, only: Q | None = None) -> Any:
        """The aggregate, optionally of a part of the rows; 0 where there is nothing to add up."""
        if measure.name == "count":
            return Coalesce(Count("pk", filter=only) if self.raw else Sum("count", filter=only), 0)
        if measure.name == "users":
            return Count("user_id", distinct=True, filter=only)
        if measure.name == "days":
            return Count(self.time.day, distinct=True, filter=only)
        if measure.name == "distinct":
            return Count(self.counting.source.distinct(measure.of), distinct=True, filter=only)
        found = _AGGREGATES[measure.name](self.counting.source.number(measure.of), filter=only)
        return Coalesce(found, Value(Decimal(0))) if measure.name == "sum" else found

    def changed(self) -> QuerySet[Any]:
        """Those whose measure rose or fell by so many percent against the window before, in which it was above 0."""
        inside, before = Q(all_of(self.time.inside())), Q(all_of(self.time.before()))
        now, then = self.measure(self.node.measure, inside), self.measure(self.node.measure, before)
        more, less = (now, then) if self.node.op.key == "increased_by" else (then, now)
        found = self.grouped(*self.time.both()).annotate(now=more, then=less, base=then)
        moved = Infix((F("now") - F("then")) * Value(100), ">=", F("base") * Value(self.node.value))
        return found.filter(base__gt=0).filter(moved)

    def changed_from(self, kept: QuerySet[Any]) -> Any:
        """The same, where the sums of the window are kept: at most the window before is added up."""
        node, (key,), column = self.node, self.counting.keys(OWN), _KEPT[self.node.measure.name]
        assert isinstance(node.value, Decimal)
        if (known := self.recent(before=True)) is not None:
            before = known.values(key, n=F(column))
        else:
            before = self.grouped(*self.time.before()).annotate(n=self.measure(node.measure))
        if node.measure.name == "users":  # what happened was done at least once on a day, but maybe by nobody
            before = before.filter(n__gt=0)
        up = node.op.key == "increased_by"
        return Moved(before, kept.values(key, column), *self.counting.outer, up=up, percent=node.value)

    def turned_from(self, kept: QuerySet[Any]) -> Any:
        """What `turned` finds, where it is kept for whom it happened in the window, and when it first did."""
        inside, before = self.among(kept), self.among(self.previous())
        if self.node.op.key == "stopped":
            return all_of([before, Not(inside)])
        start, _ = self.node.window.days(self.counting.moment.today)
        earlier = self.narrowed(self.counting.source.first().filter(day__lt=start))
        return all_of([inside, self.among(earlier), Not(before)])

    def turned(self) -> QuerySet[Any]:
        """First time in the window, in the window before but no more, or again after a window of silence.

        Rows are counted, not their keys, which the index of the daily counts does not hold.
        """
        inside, before = Q(all_of(self.time.inside())), Q(all_of(self.time.before()))
        if self.node.op.key == "first_time_in":
            earlier = Q(all_of(self.time.earlier()))
            found = self.grouped(*self.time.up_to_end())
            return found.annotate(
                now=Count("account_id", filter=inside), old=Count("account_id", filter=earlier)
            ).filter(now__gt=0, old=0)
        if self.node.op.key == "stopped":
            found = self.grouped(*self.time.both())
            return found.annotate(now=Count("account_id", filter=inside)).filter(now=0)
        found = self.grouped(*self.time.up_to_end())
        counts = {
            "now": Count("account_id", filter=inside),
            "then": Count("account_id", filter=before),
            "ever": Count("account_id"),
        }
        return found.annotate(**counts).filter(now__gt=0, then=0, ever__gt=F("now"))

    def told(self) -> Any:
        """The measure in the window and in the one before, and when it last happened in the window."""
        inside = Q(all_of(self.time.inside()))
        with_before = self.node.window.kind == "last"
        parts = {"value": self.measure(self.node.measure, inside), "last": Max(self.time.column, filter=inside)}
        if with_before:
            parts["before"] = self.measure(self.node.measure, Q(all_of(self.time.before())))
        keys, outer = self.counting.pair(self.home)
        mine = dict(zip(keys, map(OuterRef, outer), strict=True))
        rows = self.rows(*(self.time.both() if with_before else self.time.inside()), **mine)
        told = rows.values(*keys).annotate(told=JSONObject(**parts))
        return Subquery(told.values("told"))


def _compare(op: str, left: Any, value: Any) -> Any:
    if isinstance(value, Between):
        return all_of([Infix(left, ">=", Value(value.low)), Infix(left, "<=", Value(value.high))])
    return Infix(left, _COMPARE[op], Value(value))
